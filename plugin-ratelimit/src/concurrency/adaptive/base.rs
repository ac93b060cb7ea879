//! The latency without load, and when it is measured anew.

/// Windows after which the base is measured anew, where the limit was in use all the time: first soon, since the first sample is
/// of the few calls that were quick enough to be in it, and each time after twice as many, as long as it is confirmed.
const FIRST_MEASURED_AFTER: u32 = 10;
const MEASURED_AFTER: u32 = 640;
/// Windows in which a limit became smaller and no call faster, after which the base is doubted.
const DOUBTED_AFTER: u32 = 10;
/// A latency that is this much of the one before is no better.
const NO_BETTER: f64 = 0.9;
/// A latency that is less than this of the one before was a line inside of the service.
const WAS_A_LINE: f64 = 0.75;
/// A latency under load that is less than this of the base shows that the base has become lower. Means of few calls are
/// noisy, and the least of many of them is no base.
const IS_LOWER: f64 = 0.8;
/// Windows whose mean is the base, when it is measured.
const MEASURED_FOR: u32 = 3;

/// The latency without load.
///
/// It is seen whenever few calls are in flight. Where the limit is in use all the time, it is measured from time to time: for
/// four windows half as many calls may be in flight, of which the first empties the line inside of the service and the others
/// are measured. Taking the present latency for the base instead, as Vegas in Netflix' concurrency-limits does, takes a full
/// line for an empty one, and the limit drifts up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    /// Nanoseconds; zero before the first sample.
    nanos: f64,
    windows: u32,
    /// Windows until it is measured.
    measured_after: u32,
    doubt: Doubt,
    phase: Phase,
}

/// Whether a smaller limit makes calls faster.
#[derive(Clone, Copy, Debug, Default)]
struct Doubt {
    windows: u32,
    /// The latency when the limit began to become smaller.
    latency: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Steady,
    /// The line inside of the service empties. `before`: the latency until then.
    Emptying {
        before: f64,
    },
    Measuring {
        before: f64,
        windows: u32,
        sum: f64,
    },
}

/// What a sample is good for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Use {
    /// The limit may follow it.
    Follow,
    /// Half as many calls may be in flight until the base is measured.
    Halve,
    /// The base was measured. `had_line`: what took time before was a line inside of the service, so that half of the limit is
    /// nearer to what it can do.
    Measured { had_line: bool },
}

impl Base {
    pub(super) fn new() -> Self {
        Self {
            nanos: 0.0,
            windows: 0,
            measured_after: FIRST_MEASURED_AFTER,
            doubt: Doubt::default(),
            phase: Phase::Steady,
        }
    }

    pub(super) fn nanos(&self) -> f64 {
        self.nanos
    }

    /// A window has passed with this latency. `is_unloaded`: few calls were in flight.
    pub(super) fn look(&mut self, latency: f64, is_unloaded: bool) -> Use {
        match self.phase {
            Phase::Steady => self.look_steady(latency, is_unloaded),
            Phase::Emptying { before } => {
                self.phase = Phase::Measuring { before, windows: 0, sum: 0.0 };
                Use::Halve
            }
            Phase::Measuring { before, windows, sum } if windows + 1 < MEASURED_FOR => {
                self.phase = Phase::Measuring { before, windows: windows + 1, sum: sum + latency };
                Use::Halve
            }
            Phase::Measuring { before, sum, .. } => {
                let measured = (sum + latency) / f64::from(MEASURED_FOR);
                let had_line = measured < before * WAS_A_LINE;
                self.measured(measured, had_line);
                Use::Measured { had_line }
            }
        }
    }

    fn measured(&mut self, measured: f64, had_line: bool) {
        let old = self.nanos;
        let is_confirmed = measured > old * IS_LOWER && measured * IS_LOWER < old;
        let measured_after =
            if is_confirmed { (self.measured_after * 2).min(MEASURED_AFTER) } else { FIRST_MEASURED_AFTER };
        *self = Self { nanos: old, measured_after, ..Self::new() };
        if is_confirmed {
            // Both are means of calls; that of all of them is better than either.
            self.nanos = f64::midpoint(old, measured);
        } else if !had_line || measured < old {
            // With half of a line gone the rest may be a line too, which says nothing against a lower base.
            self.nanos = measured;
        }
    }

    fn look_steady(&mut self, latency: f64, is_unloaded: bool) -> Use {
        if self.nanos == 0.0 {
            self.nanos = latency;
        } else if is_unloaded {
            self.nanos += (latency - self.nanos) * 0.1;
            self.windows = 0;
        } else if latency < self.nanos * IS_LOWER {
            self.nanos += (latency - self.nanos) * 0.3;
        }
        self.windows += 1;
        let is_doubted = self.doubt.windows >= DOUBTED_AFTER && latency >= self.doubt.latency * NO_BETTER;
        if !is_unloaded && (is_doubted || self.windows >= self.measured_after) {
            self.phase = Phase::Emptying { before: latency };
            return Use::Halve;
        }
        Use::Follow
    }

    /// The limit has become smaller since calls took long, or it has not.
    pub(super) fn became_smaller(&mut self, is_smaller: bool, latency: f64) {
        self.doubt = match self.doubt {
            _ if !is_smaller => Doubt::default(),
            Doubt { windows: 0, .. } => Doubt { windows: 1, latency },
            // Calls have become faster: it helps, and is watched from here on.
            Doubt { latency: before, .. } if latency < before * NO_BETTER => Doubt { windows: 1, latency },
            Doubt { windows, latency } => Doubt { windows: windows + 1, latency },
        };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn after(latencies: &[f64]) -> Base {
        let mut base = Base::new();
        for latency in latencies {
            assert_eq!(base.look(*latency, false), Use::Follow);
        }
        base
    }

    #[test]
    fn the_base_follows_what_is_seen_without_load_and_what_is_far_below_it() {
        let mut base = after(&[100.0, 200.0]);
        assert_eq!(base.nanos(), 100.0, "latency under load does not raise it");
        base.look(81.0, false);
        assert_eq!(base.nanos(), 100.0, "nor does noise lower it");
        base.look(50.0, false);
        assert_eq!(base.nanos(), 85.0);
        base.look(185.0, true);
        assert_eq!(base.nanos(), 95.0);
    }

    #[test]
    fn it_is_measured_anew_after_a_while_with_half_of_the_calls() {
        let mut base = after(&[100.0; 9]);
        assert_eq!(base.look(120.0, false), Use::Halve);
        assert_eq!(base.look(500.0, false), Use::Halve, "what is measured while the line empties is not looked at");
        assert_eq!([90.0, 130.0].map(|latency| base.look(latency, false)), [Use::Halve; 2]);
        assert_eq!(base.look(110.0, false), Use::Measured { had_line: false });
        assert_eq!(base.nanos(), 105.0, "it is confirmed");
        // And so it is left alone for twice as long.
        (0..19).for_each(|_| assert_eq!(base.look(110.0, false), Use::Follow));
        assert_eq!(base.look(110.0, false), Use::Halve);
        (0..3).for_each(|_| assert_eq!(base.look(200.0, false), Use::Halve));
        assert_eq!(base.look(200.0, false), Use::Measured { had_line: false });
        assert_eq!(base.nanos(), 200.0, "it is not, and this is the base");
        (0..9).for_each(|_| assert_eq!(base.look(200.0, false), Use::Follow));
        assert_eq!(base.look(200.0, false), Use::Halve);
    }

    #[test]
    fn a_service_that_has_seen_little_load_is_not_measured() {
        let mut base = after(&[100.0; 9]);
        assert_eq!(base.look(100.0, true), Use::Follow);
        (0..8).for_each(|_| assert_eq!(base.look(100.0, false), Use::Follow));
    }

    #[test]
    fn a_smaller_limit_that_makes_no_call_faster_casts_doubt_on_the_base() {
        let mut base = Base { measured_after: 100, ..after(&[100.0]) };
        for _ in 0..10 {
            assert_eq!(base.look(300.0, false), Use::Follow);
            base.became_smaller(true, 300.0);
        }
        assert_eq!(base.look(300.0, false), Use::Halve);
        (0..3).for_each(|_| assert_eq!(base.look(295.0, false), Use::Halve));
        assert_eq!(base.look(295.0, false), Use::Measured { had_line: false });
        assert_eq!(base.nanos(), 295.0, "the service has become slower by itself");
    }

    #[test]
    fn a_smaller_limit_that_makes_calls_faster_does_not() {
        let mut base = Base { measured_after: 100, ..after(&[100.0]) };
        let mut latency = 3000.0;
        for _ in 0..40 {
            assert_eq!(base.look(latency, false), Use::Follow);
            base.became_smaller(true, latency);
            latency *= 0.97;
        }
    }

    #[test]
    fn a_line_that_half_of_the_calls_shorten_is_no_base() {
        let mut base = after(&[100.0]);
        for _ in 0..10 {
            base.became_smaller(true, 1000.0);
        }
        base.look(1000.0, false);
        (0..3).for_each(|_| assert_eq!(base.look(500.0, false), Use::Halve));
        assert_eq!(base.look(500.0, false), Use::Measured { had_line: true });
        assert_eq!(base.nanos(), 100.0);
    }
}
