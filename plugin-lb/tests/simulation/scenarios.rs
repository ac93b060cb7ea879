//! What may happen to an instance.

use std::ops::Range;

use crate::world::{
    Does::{Fail, Hang, Refuse, Work},
    Varying::{Little, Much},
    World,
};

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The name of its picture.
    pub(crate) file: &'static str,
    /// What happens, for a reader.
    pub(crate) about: &'static str,
    pub(crate) world: World,
    /// The instance that it happens to, and the word for it.
    pub(crate) odd: Option<(usize, &'static str)>,
    /// The seconds that are looked at.
    pub(crate) of: Range<f64>,
    /// Whether there are failures, so that ejection may make a difference.
    pub(crate) fails: bool,
}

/// How long each run lasts.
const OF_TEN: f64 = 16.0;
const OF_THREE: f64 = 30.0;
/// One that hangs is ejected for 30 s, comes back, and is ejected again: both belong to what it costs.
const OF_HANGING: f64 = 60.0;

/// When what happens in the middle happens.
const MIDDLE: f64 = 8.0;

/// Of `instances`, each of which answers 20 calls in a second at most, half of what they can.
fn world(instances: usize, does: fn(usize, f64) -> crate::world::Does) -> World {
    let seconds = if instances == 3 { OF_THREE } else { OF_TEN };
    World { instances, per_second: 10.0 * instances as f64, seconds, does, last_joins: None }
}

/// The mean work of a call in milliseconds.
const MEAN: f64 = 100.0;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "All alike",
            file: "all-alike",
            about: "Ten instances, and nothing happens. The work of a call varies by 30 % (standard deviation).",
            world: world(10, |_, _| Work(MEAN, Little)),
            odd: None,
            of: 0.0..OF_TEN,
            fails: false,
        },
        Scenario {
            name: "A cold start",
            file: "cold-start",
            about: "Nine instances are joined by a tenth after 8 s, which takes five times as long for each call in its \
                    first five seconds. Latency and shares are those of these five.",
            world: World {
                last_joins: Some(MIDDLE),
                ..world(10, |number, at| {
                    let is_cold = number == 9 && at < MIDDLE + 5.0;
                    Work(if is_cold { 5.0 * MEAN } else { MEAN }, Much)
                })
            },
            odd: Some((9, "the new one")),
            of: MIDDLE..MIDDLE + 5.0,
            fails: false,
        },
        Scenario {
            name: "A slow instance",
            file: "slow",
            about: "One of ten takes ten times as long for each call.",
            world: world(10, |number, _| Work(if number == 3 { 10.0 * MEAN } else { MEAN }, Much)),
            odd: Some((3, "the slow one")),
            of: 0.0..OF_TEN,
            fails: true,
        },
        Scenario {
            name: "An instance that fails fast",
            file: "fails-fast",
            about: "One of three fails each call after a millisecond, so it is always idle.",
            world: world(3, |number, _| if number == 1 { Fail } else { Work(MEAN, Much) }),
            odd: Some((1, "the failing one")),
            of: 0.0..OF_THREE,
            fails: true,
        },
        Scenario {
            name: "An instance that hangs",
            file: "hangs",
            about: "One of three takes each call and answers none.",
            world: World {
                seconds: OF_HANGING,
                ..world(3, |number, _| if number == 1 { Hang } else { Work(MEAN, Much) })
            },
            odd: Some((1, "the hanging one")),
            of: 0.0..OF_HANGING,
            fails: true,
        },
        Scenario {
            name: "One of ten dies",
            file: "dies",
            about: "After 8 s one of ten is gone: what it was working on is lost, and nobody listens where it was. \
                    Latency and shares are those of the 8 s from there.",
            world: world(10, |number, at| if number == 4 && at >= MIDDLE { Refuse } else { Work(MEAN, Much) }),
            odd: Some((4, "the dead one")),
            of: MIDDLE..OF_TEN,
            fails: true,
        },
    ]
}
