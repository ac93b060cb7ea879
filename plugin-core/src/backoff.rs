//! How long to wait before the next try.

use std::time::Duration;

use crate::{
    ConfigError,
    settings::{Key, Kind, Table},
};

/// How the waits of several clients are kept from falling together.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Jitter {
    /// None: every client waits the same.
    None,
    /// The wait is moved by at most this share up or down: 0.1 gives 90 % to 110 %.
    Proportional(f64),
    /// Anything from zero to the wait ("full jitter").
    Full,
    /// Anything from the initial wait to three times the last one ("decorrelated jitter").
    Decorrelated,
}

/// Waits that grow: `initial`, `initial * multiplier`, and so on up to `max`, each moved by [`Jitter`].
///
/// The jitters named full and decorrelated are those of Marc Brooker, "Exponential Backoff And Jitter" (AWS, 2015).
/// The decision is pure: the caller brings the randomness.
///
/// | setting | default |
/// |---|---|
/// | `initial` | 100 ms |
/// | `max` | 5 s |
/// | `multiplier` | 2.0 |
/// | `jitter` | proportional, 0.1 |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    multiplier: f64,
    jitter: Jitter,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(5),
            multiplier: 2.0,
            jitter: Jitter::Proportional(0.1),
        }
    }
}

/// What any backoff may be, under the names of the keys that configuration files have for one.
static BOUNDS: Table = Table::new(
    "bounds of a backoff",
    "Waits that grow.",
    &[
        Key::new("initial_interval", Kind::time(), "The first wait."),
        Key::new("max_interval", Kind::time(), "The longest wait."),
        Key::new("multiplier", Backoff::MULTIPLIER, "The factor from one wait to the next."),
        Key::new("jitter", Backoff::SHARE, "The share by which a wait is moved."),
    ],
);

impl Backoff {
    /// What a `multiplier` may be: from 1 to 100. For the declarations of settings that have one.
    pub const MULTIPLIER: Kind = Kind::number(1.0, 100.0);

    /// What the share of [`Jitter::Proportional`] may be: from 0 to 1.
    pub const SHARE: Kind = Kind::number(0.0, 1.0);

    /// Growing waits.
    ///
    /// # Errors
    ///
    /// When `initial` is zero (`initial_interval`), `max` is shorter than it (`max_interval`), or another is outside of
    /// [`MULTIPLIER`](Self::MULTIPLIER) and [`SHARE`](Self::SHARE).
    pub fn new(initial: Duration, max: Duration, multiplier: f64, jitter: Jitter) -> Result<Self, ConfigError> {
        BOUNDS.fits("initial_interval", initial)?;
        BOUNDS.fits("max_interval", max)?;
        if max < initial {
            let problem = format!("must be at least the initial interval of {initial:?}, and is {max:?}");
            return Err(ConfigError::new("max_interval", problem).with_others(&["initial_interval"]));
        }
        BOUNDS.fits("multiplier", multiplier)?;
        if let Jitter::Proportional(share) = jitter {
            BOUNDS.fits("jitter", share)?;
        }
        Ok(Self { initial, max, multiplier, jitter })
    }

    /// Always the same wait, without jitter. A wait of zero becomes one nanosecond.
    #[must_use]
    pub fn constant(wait: Duration) -> Self {
        let wait = wait.max(Duration::from_nanos(1));
        Self { initial: wait, max: wait, multiplier: 1.0, jitter: Jitter::None }
    }

    /// The first wait, before jitter.
    #[must_use]
    pub fn initial(&self) -> Duration {
        self.initial
    }

    /// The longest wait. Jitter never goes above it.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The factor from one wait to the next.
    #[must_use]
    pub fn multiplier(&self) -> f64 {
        self.multiplier
    }

    /// The jitter.
    #[must_use]
    pub fn jitter(&self) -> Jitter {
        self.jitter
    }

    /// The wait before try number `retry`, from 0 for the first repetition.
    ///
    /// `last` is the wait before the try before this one (used by [`Jitter::Decorrelated`] alone; zero at first), and
    /// `random` a number from 0.0 up to 1.0, drawn anew for every call.
    #[must_use]
    pub fn wait(&self, retry: u32, last: Duration, random: f64) -> Duration {
        let random = if random.is_finite() { random.clamp(0.0, 1.0) } else { 0.5 };
        let initial = self.initial.as_secs_f64();
        let max = self.max.as_secs_f64();
        let plain = (initial * self.multiplier.powf(f64::from(retry))).min(max);
        let seconds = match self.jitter {
            Jitter::None => plain,
            Jitter::Proportional(share) => plain * (1.0 - share + 2.0 * share * random),
            Jitter::Full => plain * random,
            Jitter::Decorrelated => {
                let top = (last.as_secs_f64().max(initial) * 3.0).min(max);
                initial + (top - initial) * random
            }
        };
        Duration::try_from_secs_f64(seconds).unwrap_or(self.max).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_documented_waits_are_100_200_400_ms_give_or_take_a_tenth() {
        let backoff = Backoff::default();
        for (retry, middle) in [100, 200, 400, 800].into_iter().enumerate() {
            let at = |random| backoff.wait(u32::try_from(retry).expect("small"), Duration::ZERO, random).as_millis();
            assert_eq!((at(0.0), at(0.5), at(1.0)), (middle * 9 / 10, middle, middle * 11 / 10));
        }
    }

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        let second = Duration::from_secs(1);
        let field = |result: Result<Backoff, ConfigError>| result.expect_err("out of bounds").field();
        assert_eq!(field(Backoff::new(Duration::ZERO, second, 2.0, Jitter::None)), "initial_interval");
        assert_eq!(field(Backoff::new(second, second / 2, 2.0, Jitter::None)), "max_interval");
        assert_eq!(field(Backoff::new(second, second, f64::NAN, Jitter::None)), "multiplier");
        assert_eq!(field(Backoff::new(second, second, 2.0, Jitter::Proportional(1.5))), "jitter");
    }

    #[test]
    fn the_bounds_themselves_are_allowed_and_nothing_beyond() {
        let second = Duration::from_secs(1);
        let valid = |multiplier, share| Backoff::new(second, second, multiplier, Jitter::Proportional(share)).is_ok();
        assert!(valid(1.0, 0.0) && valid(100.0, 1.0));
        assert!(!valid(0.999, 0.5) && !valid(100.001, 0.5) && !valid(2.0, -0.001) && !valid(2.0, 1.001));
        assert!(Backoff::new(Duration::from_nanos(1), second, 2.0, Jitter::None).is_ok());
        assert_eq!(Backoff::constant(Duration::ZERO).wait(9, second, 0.7), Duration::from_nanos(1));
    }

    #[test]
    fn each_jitter_moves_a_wait_as_its_name_says() {
        let (initial, max) = (Duration::from_secs(1), Duration::from_secs(20));
        let wait = |jitter, retry, last, random| {
            let backoff = Backoff::new(initial, max, 3.0, jitter).expect("in bounds");
            backoff.wait(retry, Duration::from_secs(last), random).as_millis()
        };
        assert_eq!([0, 1, 2, 3].map(|retry| wait(Jitter::None, retry, 0, 0.9)), [1000, 3000, 9000, 20_000]);
        assert_eq!([0.0, 0.5, 1.0].map(|random| wait(Jitter::Full, 1, 0, random)), [0, 1500, 3000]);
        assert_eq!([0.0, 0.5, 1.0].map(|random| wait(Jitter::Decorrelated, 7, 2, random)), [1000, 3500, 6000]);
        assert_eq!(wait(Jitter::Decorrelated, 7, 0, 1.0), 3000, "the first counts from the initial wait");
        assert_eq!(wait(Jitter::Decorrelated, 7, 15, 1.0), 20_000);
        assert_eq!([f64::NAN, -1.0, 2.0].map(|random| wait(Jitter::Full, 0, 0, random)), [500, 0, 1000]);
    }

    proptest! {
        #[test]
        fn no_wait_is_above_the_maximum(
            initial in 1u64..=u64::MAX / 4, extra in 0u64..=u64::MAX / 4, multiplier in 1.0f64..=100.0,
            retry in any::<u32>(), last in any::<u64>(), random in any::<f64>(), kind in 0usize..4,
        ) {
            let jitter = [Jitter::None, Jitter::Proportional(1.0), Jitter::Full, Jitter::Decorrelated][kind];
            let max = Duration::from_nanos(initial + extra);
            let backoff = Backoff::new(Duration::from_nanos(initial), max, multiplier, jitter).expect("in bounds");
            prop_assert!(backoff.wait(retry, Duration::from_nanos(last), random) <= max);
        }
    }
}
