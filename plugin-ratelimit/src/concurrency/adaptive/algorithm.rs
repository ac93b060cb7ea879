//! The three ways to find a limit. Each is a function of the limit, the latency without load and one sample.

use super::sample::AdaptiveSample;

/// How an adaptive limit is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdaptiveAlgorithm {
    /// One more in each window in which all goes well, a tenth less in each in which calls were turned away or had their time
    /// without an answer (additive increase, multiplicative decrease; Chiu and Jain, 1989). It looks at no latency, so it is
    /// for services that refuse what is too much.
    Aimd,
    /// The number of calls that wait inside of the service is estimated as `limit * (1 - base / latency)`, and kept between
    /// `3 log10(limit)` and `6 log10(limit)` (Brakmo and Peterson, "TCP Vegas", 1995, with the thresholds of Netflix'
    /// concurrency-limits).
    Vegas,
    /// The limit follows the ratio of the base to the latency, where half as much again is tolerated (`gradient2` of Netflix'
    /// concurrency-limits). It grows only where no latency is seen, since otherwise a light overload that lasts would let it
    /// grow for ever.
    Gradient2,
}

/// The share that is left of a limit when calls were turned away.
const BACKOFF: f64 = 0.9;

/// What [`AdaptiveAlgorithm::Gradient2`] tolerates of the latency without load, and how far it goes to where it wants to be.
const TOLERANCE: f64 = 1.5;
const SMOOTHING: f64 = 0.2;
/// The least ratio of the base to the latency that it believes: one window does not halve the limit.
const STEEPEST: f64 = 0.5;

impl AdaptiveAlgorithm {
    /// Whether it looks at latencies.
    pub(super) fn measures_latency(self) -> bool {
        !matches!(self, Self::Aimd)
    }

    /// Where the limit should be after this sample. `base` is the latency without load and `latency` the present one, in the
    /// same unit. What the sample cannot say is left to who asks.
    pub(super) fn next(self, limit: f64, base: f64, latency: f64, sample: &AdaptiveSample) -> f64 {
        if sample.is_overloaded() {
            return limit * BACKOFF;
        }
        match self {
            Self::Aimd => limit + 1.0,
            Self::Vegas => vegas(limit, base, latency),
            Self::Gradient2 => gradient2(limit, base, latency),
        }
    }

    pub(crate) const WORDS: &'static [&'static str] = &["aimd", "vegas", "gradient2"];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Aimd => "aimd",
            Self::Vegas => "vegas",
            Self::Gradient2 => "gradient2",
        }
    }

    pub(crate) fn of_word(word: &str) -> Self {
        match word {
            "aimd" => Self::Aimd,
            "vegas" => Self::Vegas,
            _ => Self::Gradient2,
        }
    }
}

/// The step of a limit: its decimal logarithm, and at least one.
pub(super) fn step(limit: f64) -> f64 {
    limit.log10().max(1.0)
}

fn vegas(limit: f64, base: f64, latency: f64) -> f64 {
    let waiting = (limit * (1.0 - base / latency)).max(0.0);
    let step = step(limit);
    if waiting <= step {
        limit + 6.0 * step
    } else if waiting < 3.0 * step {
        limit + step
    } else if waiting > 6.0 * step {
        limit - step
    } else {
        limit
    }
}

fn gradient2(limit: f64, base: f64, latency: f64) -> f64 {
    let gradient = (TOLERANCE * base / latency).clamp(STEEPEST, 1.0);
    let room = if gradient < 1.0 { 0.0 } else { limit.sqrt().max(4.0) };
    let wanted = limit * gradient + room;
    limit + (wanted - limit) * SMOOTHING
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use super::*;

    const ALL: [AdaptiveAlgorithm; 3] =
        [AdaptiveAlgorithm::Aimd, AdaptiveAlgorithm::Vegas, AdaptiveAlgorithm::Gradient2];

    fn sample(answered: u64, overloaded: u64) -> AdaptiveSample {
        AdaptiveSample::new(Duration::from_millis(10), 100, answered, Duration::from_secs(1))
            .with_overloaded(overloaded)
    }

    #[test]
    fn all_of_them_take_back_a_tenth_where_calls_were_turned_away_and_nothing_for_a_stray_one() {
        for algorithm in ALL {
            assert_eq!(algorithm.next(100.0, 10.0, 10.0, &sample(99, 1)), 90.0, "{algorithm:?}");
            assert!(algorithm.next(100.0, 10.0, 10.0, &sample(100, 1)) > 100.0, "{algorithm:?}");
        }
    }

    #[test]
    fn without_latency_all_of_them_grow() {
        let next = ALL.map(|algorithm| algorithm.next(100.0, 10.0, 10.0, &sample(100, 0)));
        assert_eq!(next, [101.0, 112.0, 102.0]);
    }

    #[test]
    fn vegas_keeps_a_small_line_inside_of_the_service() {
        let next = |waiting: f64| AdaptiveAlgorithm::Vegas.next(100.0, 100.0 - waiting, 100.0, &sample(100, 0));
        assert_eq!([1.9, 5.0, 6.5, 11.5, 12.5].map(next), [112.0, 102.0, 100.0, 100.0, 98.0]);
    }

    #[test]
    fn gradient2_shrinks_with_the_latency_that_it_does_not_tolerate_and_never_by_half_at_once() {
        let next = |latency: f64| AdaptiveAlgorithm::Gradient2.next(100.0, 10.0, latency, &sample(100, 0));
        assert_eq!([15.0, 20.0, 30.0, 1000.0].map(next), [102.0, 95.0, 90.0, 90.0]);
    }

    #[test]
    fn each_has_its_word() {
        for algorithm in ALL {
            assert_eq!(AdaptiveAlgorithm::of_word(algorithm.word()), algorithm);
            assert!(AdaptiveAlgorithm::WORDS.contains(&algorithm.word()));
        }
    }
}
