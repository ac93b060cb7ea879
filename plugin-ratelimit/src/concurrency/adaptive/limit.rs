//! The adaptive limit: what the samples of a service make of it.

use std::{collections::VecDeque, time::Duration};

use super::{
    algorithm::{AdaptiveAlgorithm, step},
    base::{Base, Use},
    correlation::Correlation,
    sample::AdaptiveSample,
};

/// The limit may be this much of the most calls that were in flight lately: more has not been tried, and would be let in all
/// at once.
const HEADROOM: f64 = 5.0;
/// The windows that "lately" means: a short lull does not take the headroom away.
const LATELY: usize = 100;
/// The share of a new sample in the latency that is looked at: windows are noisy.
const WEIGHT: f64 = 0.4;

/// A limit that follows what a service can do: a function of samples, without a clock, a lock or a task, so that it can be
/// simulated. [`ConcurrencyLimit`](crate::concurrency::ConcurrencyLimit) feeds it, where its settings say `adaptive`.
///
/// - It stays between `min` and `max`, and within five times the most calls that were in flight in the last 100 samples. Where it
///   begins counts as one of these samples, so that a quiet beginning does not take it away at once.
/// - It does not grow while less than half of it is in flight: what was not tried says nothing.
/// - It does not grow where the last 50 samples show that more calls brought latency and no answers.
/// - The latency without load is seen when there is little load, and measured from time to time with half of the calls.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_ratelimit::concurrency::{AdaptiveAlgorithm, AdaptiveConfig, AdaptiveLimit, AdaptiveSample};
///
/// let mut limit = AdaptiveLimit::new(AdaptiveConfig::new(AdaptiveAlgorithm::Aimd), 200);
/// assert_eq!(limit.get(), 20);
/// let (latency, window) = (Duration::from_millis(10), Duration::from_secs(1));
/// assert_eq!(limit.update(&AdaptiveSample::new(latency, 20, 2000, window)), 21);
/// assert_eq!(limit.update(&AdaptiveSample::new(latency, 21, 2000, window).with_overloaded(100)), 18);
/// ```
#[derive(Clone, Debug)]
pub struct AdaptiveLimit {
    algorithm: AdaptiveAlgorithm,
    min: f64,
    max: f64,
    limit: f64,
    halved: bool,
    /// Nanoseconds; zero before the first sample.
    latency: f64,
    base: Base,
    correlation: Correlation,
    lately: VecDeque<u32>,
}

/// How an adaptive limit is found, and where it begins.
///
/// ```
/// use plugin_ratelimit::concurrency::{AdaptiveAlgorithm, AdaptiveConfig, ConcurrencyLimitConfig, ConcurrencyLimitLayer};
///
/// # fn main() -> Result<(), plugin_ratelimit::plugin_core::ConfigError> {
/// let adaptive = AdaptiveConfig::new(AdaptiveAlgorithm::Gradient2).with_min(4).with_initial(10);
/// let config = ConcurrencyLimitConfig::builder().with_max(200).with_adaptive(adaptive).build()?;
/// assert_eq!(ConcurrencyLimitLayer::new(config).handle().stats().limit, Some(10));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveConfig {
    algorithm: AdaptiveAlgorithm,
    min: u32,
    initial: Option<u32>,
}

impl AdaptiveConfig {
    /// Where a limit begins that is not told.
    pub(crate) const INITIAL: u32 = 20;

    /// From 1, beginning at 20, or at the largest where that is less.
    #[must_use]
    pub fn new(algorithm: AdaptiveAlgorithm) -> Self {
        Self { algorithm, min: 1, initial: None }
    }

    /// Sets the least that the limit becomes.
    #[must_use]
    pub fn with_min(mut self, min: u32) -> Self {
        self.min = min;
        self
    }

    /// Sets where the limit begins.
    #[must_use]
    pub fn with_initial(mut self, initial: u32) -> Self {
        self.initial = Some(initial);
        self
    }

    /// How the limit is found.
    #[must_use]
    pub fn algorithm(&self) -> AdaptiveAlgorithm {
        self.algorithm
    }

    /// The least that the limit becomes.
    #[must_use]
    pub fn min(&self) -> u32 {
        self.min
    }

    /// Where the limit begins, where that was said.
    #[must_use]
    pub fn initial(&self) -> Option<u32> {
        self.initial
    }
}

impl AdaptiveLimit {
    /// The limit before the first sample. It is never more than `max`.
    #[must_use]
    pub fn new(config: AdaptiveConfig, max: u32) -> Self {
        let max = max.max(1);
        let min = config.min.clamp(1, max);
        let initial = config.initial.unwrap_or(AdaptiveConfig::INITIAL).clamp(min, max);
        Self {
            algorithm: config.algorithm,
            min: min.into(),
            max: max.into(),
            limit: initial.into(),
            halved: false,
            latency: 0.0,
            base: Base::new(),
            correlation: Correlation::default(),
            // As if it had been in use: what it begins with is as good as tried, for as long as any other sample.
            lately: VecDeque::from([(f64::from(initial) / HEADROOM).ceil() as u32]),
        }
    }

    /// Calls that may be in flight at once.
    #[must_use]
    pub fn get(&self) -> u32 {
        let limit = if self.halved { (self.limit / 2.0).max(self.min) } else { self.limit };
        // Rounded down, within the bounds.
        limit as u32
    }

    /// The latency without load, as far as is known.
    #[must_use]
    pub fn base(&self) -> Option<Duration> {
        (self.base.nanos() > 0.0).then(|| Duration::from_nanos(self.base.nanos() as u64))
    }

    /// Learns from a sample, and gives back how many calls may be in flight from now on. A sample in which no call ended is
    /// ignored.
    pub fn update(&mut self, sample: &AdaptiveSample) -> u32 {
        if sample.answered == 0 && sample.overloaded == 0 {
            return self.get();
        }
        if self.lately.len() == LATELY {
            self.lately.pop_front();
        }
        self.lately.push_back(sample.in_flight);
        if self.algorithm.measures_latency() {
            self.follow_latency(sample);
        } else {
            let next = self.algorithm.next(self.limit, 1.0, 1.0, sample);
            self.go(next, sample);
        }
        self.get()
    }

    fn follow_latency(&mut self, sample: &AdaptiveSample) {
        let Some(measured) = sample.latency_nanos() else {
            // Nobody was answered: that says enough.
            let next = self.algorithm.next(self.limit, 1.0, 1.0, sample);
            return self.go(next, sample);
        };
        let smoothed = if self.latency == 0.0 { measured } else { self.latency + (measured - self.latency) * WEIGHT };
        self.latency = smoothed;
        // While the base is measured, the window itself counts and not those before it.
        let looked_at = if self.halved { measured } else { smoothed };
        match self.base.look(looked_at, sample.is_app_limited(self.limit)) {
            Use::Halve => self.halved = true,
            Use::Measured { had_line } => {
                if had_line {
                    self.limit = (self.limit / 2.0).max(self.min);
                }
                self.halved = false;
                self.latency = measured;
            }
            Use::Follow => {
                self.correlation.add(sample.in_flight.into(), sample.throughput(), measured);
                let before = self.limit;
                let mut next = self.algorithm.next(before, self.base.nanos(), smoothed, sample);
                if next > before && sample.is_saturated(before) && self.correlation.is_growth_in_vain() {
                    next = before - step(before);
                }
                self.go(next, sample);
                self.base.became_smaller(self.limit < before && !sample.is_overloaded(), smoothed);
            }
        }
    }

    fn go(&mut self, next: f64, sample: &AdaptiveSample) {
        let next = if next > self.limit && sample.is_app_limited(self.limit) { self.limit } else { next };
        let most = self.lately.iter().copied().max().unwrap_or(1).max(1);
        let headroom = (f64::from(most) * HEADROOM).max(self.min);
        self.limit = next.min(headroom).clamp(self.min, self.max);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limit(algorithm: AdaptiveAlgorithm, min: u32, initial: u32, max: u32) -> AdaptiveLimit {
        AdaptiveLimit::new(AdaptiveConfig::new(algorithm).with_min(min).with_initial(initial), max)
    }

    fn ms(latency: u64, in_flight: u32) -> AdaptiveSample {
        AdaptiveSample::new(Duration::from_millis(latency), in_flight, 1000, SECOND)
    }

    const ALL: [AdaptiveAlgorithm; 3] =
        [AdaptiveAlgorithm::Aimd, AdaptiveAlgorithm::Vegas, AdaptiveAlgorithm::Gradient2];

    #[test]
    fn a_limit_that_is_not_in_use_does_not_grow() {
        for algorithm in ALL {
            let mut limit = limit(algorithm, 1, 20, 200);
            assert_eq!((0..50).map(|_| limit.update(&ms(10, 9))).max(), Some(20), "{algorithm:?}");
            let used = (0..3).map(|_| limit.update(&ms(10, 20))).max();
            assert!(used > Some(20), "{algorithm:?}");
        }
    }

    #[test]
    fn a_limit_stays_within_its_bounds() {
        for algorithm in ALL {
            let mut limit = limit(algorithm, 5, 20, 40);
            let grown = (0..100).map(|_| limit.update(&ms(10, limit_of(&limit)))).max();
            assert_eq!(grown, Some(40), "{algorithm:?}");
            let least = (0..100).map(|_| limit.update(&ms(10, 40).with_overloaded(500))).min();
            assert_eq!(least, Some(5), "{algorithm:?}");
        }
    }

    fn limit_of(limit: &AdaptiveLimit) -> u32 {
        limit.get()
    }

    #[test]
    fn a_limit_comes_down_to_its_headroom_when_the_load_was_small_for_long_and_not_for_a_lull() {
        let mut limit = limit(AdaptiveAlgorithm::Vegas, 1, 150, 200);
        limit.update(&ms(10, 60));
        for _ in 0..99 {
            assert_eq!(limit.update(&ms(10, 4)), 150);
        }
        assert_eq!(limit.update(&ms(10, 4)), 20);
    }

    #[test]
    fn a_limit_keeps_where_it_begins_while_it_is_quiet_at_first() {
        for algorithm in ALL {
            let mut limit = limit(algorithm, 1, 150, 200);
            for n in 0..99 {
                assert_eq!(limit.update(&ms(10, 1)), 150, "{algorithm:?}, sample {n}");
            }
            assert_eq!(limit.update(&ms(10, 1)), 5, "{algorithm:?}: it was quiet for as long as is remembered");
        }
    }

    #[test]
    fn a_window_without_an_answer_makes_the_limit_smaller_where_calls_were_turned_away() {
        for algorithm in ALL {
            let mut limit = limit(algorithm, 1, 100, 200);
            let nothing = AdaptiveSample::new(Duration::ZERO, 100, 0, SECOND);
            assert_eq!(limit.update(&nothing), 100, "{algorithm:?}");
            assert_eq!(limit.update(&nothing.with_overloaded(9)), 90, "{algorithm:?}");
        }
    }

    #[test]
    fn bounds_that_contradict_each_other_are_no_panic() {
        for max in [0, 1, 7] {
            assert_eq!(limit(AdaptiveAlgorithm::Vegas, 50, 60, max).get(), max.max(1));
        }
        assert_eq!(AdaptiveLimit::new(AdaptiveConfig::new(AdaptiveAlgorithm::Vegas), 8).get(), 8);
    }
}
