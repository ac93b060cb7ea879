//! The settings of a concurrency limit.

use std::time::Duration;

use plugin_core::{ConfigError, settings};

use super::{
    AdaptiveConfig, AdaptiveLimit,
    order::{Codel, QueueOrder},
};

/// The settings of a concurrency limit. A value that exists is valid.
///
/// The [page of the crate](crate#defaults) has the keys, with their defaults and bounds.
///
/// ```
/// use plugin_ratelimit::concurrency::{ConcurrencyLimitConfig, QueueOrder};
///
/// let config = ConcurrencyLimitConfig::builder().with_max(20).with_queue(50).with_order(QueueOrder::Codel).build()?;
/// assert_eq!(config.max_wait().as_secs(), 1); // the default
///
/// let fault = ConcurrencyLimitConfig::builder().with_max(0).build().expect_err("nothing would ever pass");
/// assert_eq!(fault.to_string(), "`max` must be from 1 to 1000000, and is 0");
/// # Ok::<(), plugin_ratelimit::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConcurrencyLimitConfig {
    max: u32,
    queue: u32,
    max_wait: Duration,
    order: QueueOrder,
    target: Duration,
    interval: Duration,
    adaptive: Option<AdaptiveConfig>,
}

/// Makes a [`ConcurrencyLimitConfig`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ConcurrencyLimitConfigBuilder(ConcurrencyLimitConfig);

impl Default for ConcurrencyLimitConfig {
    fn default() -> Self {
        Self {
            max: 100,
            queue: 100,
            max_wait: Duration::from_secs(1),
            order: QueueOrder::Fifo,
            target: Duration::from_millis(5),
            interval: Duration::from_millis(100),
            adaptive: None,
        }
    }
}

impl ConcurrencyLimitConfig {
    /// A builder that starts with the defaults.
    pub fn builder() -> ConcurrencyLimitConfigBuilder {
        ConcurrencyLimitConfigBuilder(Self::default())
    }

    /// A builder that starts with these settings.
    pub fn to_builder(self) -> ConcurrencyLimitConfigBuilder {
        ConcurrencyLimitConfigBuilder(self)
    }

    /// Calls that may be in flight at once; with an adaptive limit the most that it becomes.
    #[must_use]
    pub fn max(&self) -> u32 {
        self.max
    }

    /// Calls that may wait for a place. 0: none waits, and a call that finds no place is refused at once.
    #[must_use]
    pub fn queue(&self) -> u32 {
        self.queue
    }

    /// The longest that a call waits.
    #[must_use]
    pub fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// The order in which calls that wait are served.
    #[must_use]
    pub fn order(&self) -> QueueOrder {
        self.order
    }

    /// How long a call may wait that comes in an overload, with the order [`QueueOrder::Codel`].
    #[must_use]
    pub fn target(&self) -> Duration {
        self.target
    }

    /// For how long the line is not empty before that is an overload, with the order [`QueueOrder::Codel`].
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How the limit follows what the service can do; `None`: it does not.
    #[must_use]
    pub fn adaptive(&self) -> Option<AdaptiveConfig> {
        self.adaptive
    }

    pub(crate) fn adaptive_limit(&self) -> Option<AdaptiveLimit> {
        self.adaptive.map(|adaptive| AdaptiveLimit::new(adaptive, self.max))
    }

    pub(crate) fn codel(&self) -> Codel {
        Codel { target: self.target, interval: self.interval }
    }
}

impl ConcurrencyLimitConfigBuilder {
    /// Sets how many calls may be in flight at once; with an adaptive limit the most that it becomes.
    pub fn with_max(mut self, max: u32) -> Self {
        self.0.max = max;
        self
    }

    /// Sets how many calls may wait for a place. 0: none waits, and a call that finds no place is refused at once.
    pub fn with_queue(mut self, queue: u32) -> Self {
        self.0.queue = queue;
        self
    }

    /// Sets the longest that a call waits. No call waits past its deadline.
    pub fn with_max_wait(mut self, max_wait: Duration) -> Self {
        self.0.max_wait = max_wait;
        self
    }

    /// Sets the order in which calls that wait are served.
    pub fn with_order(mut self, order: QueueOrder) -> Self {
        self.0.order = order;
        self
    }

    /// Sets how long a call may wait that comes in an overload, with the order [`QueueOrder::Codel`].
    pub fn with_target(mut self, target: Duration) -> Self {
        self.0.target = target;
        self
    }

    /// Sets for how long the line is not empty before that is an overload, with the order [`QueueOrder::Codel`].
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.0.interval = interval;
        self
    }

    /// Lets the limit follow what the service can do; `None`: it does not.
    pub fn with_adaptive(mut self, adaptive: impl Into<Option<AdaptiveConfig>>) -> Self {
        self.0.adaptive = adaptive.into();
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#defaults), `target` is longer than `interval`, or
    /// `min`, `initial` and `max` are not in this order.
    pub fn build(self) -> Result<ConcurrencyLimitConfig, ConfigError> {
        let config = settings::fitting(self.0)?;
        if config.target > config.interval {
            let problem = format!(
                "must be no longer than `interval`, which is {:?}, and is {:?}",
                config.interval, config.target
            );
            return Err(ConfigError::new("target", problem).with_others(&["interval"]));
        }
        if let Some(adaptive) = config.adaptive {
            let (min, max) = (adaptive.min(), config.max);
            if min > max {
                let problem = format!("must be no more than `max`, which is {max}, and is {min}");
                return Err(ConfigError::new("min", problem).with_others(&["max"]));
            }
            if let Some(initial) = adaptive.initial()
                && !(min..=max).contains(&initial)
            {
                let problem = format!("must be from `min` to `max`, which are {min} and {max}, and is {initial}");
                return Err(ConfigError::new("initial", problem).with_others(&["min", "max"]));
            }
        }
        Ok(config)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::concurrency::AdaptiveAlgorithm;

    fn field(builder: ConcurrencyLimitConfigBuilder) -> &'static str {
        builder.build().expect_err("out of bounds").field()
    }

    #[test]
    fn the_defaults_are_valid() {
        let config = ConcurrencyLimitConfig::builder().build().expect("valid");
        assert_eq!(config, ConcurrencyLimitConfig::default());
    }

    #[test]
    fn a_setting_out_of_bounds_is_named_and_one_at_its_bound_is_taken() {
        let builder = ConcurrencyLimitConfig::builder;
        let day = Duration::from_secs(24 * 60 * 60);
        let nano = Duration::from_nanos(1);
        assert!(builder().with_max(1).with_queue(0).with_max_wait(day).build().is_ok());
        assert!(builder().with_max(1_000_000).with_queue(1_000_000).with_max_wait(nano).build().is_ok());
        for max in [0, 1_000_001] {
            assert_eq!(field(builder().with_max(max)), "max");
        }
        assert_eq!(field(builder().with_queue(1_000_001)), "queue");
        for wait in [Duration::ZERO, day + nano] {
            assert_eq!(field(builder().with_max_wait(wait)), "max_wait");
            assert_eq!(field(builder().with_target(wait).with_interval(wait)), "target");
            assert_eq!(field(builder().with_interval(wait)), "interval");
        }
    }

    #[test]
    fn an_adaptive_limit_begins_between_its_bounds() {
        let adaptive = AdaptiveConfig::new(AdaptiveAlgorithm::Vegas);
        let build = |adaptive: AdaptiveConfig| {
            let built = ConcurrencyLimitConfig::builder().with_max(30).with_adaptive(adaptive).build();
            built.map_err(|error| error.to_string())
        };
        for fine in [adaptive, adaptive.with_min(30), adaptive.with_min(5).with_initial(5), adaptive.with_initial(30)] {
            assert_eq!(build(fine).map(|config| config.adaptive()), Ok(Some(fine)));
        }
        let more = "`min` must be no more than `max`, which is 30, and is 31";
        assert_eq!(build(adaptive.with_min(31)), Err(more.to_owned()));
        for initial in [4, 31] {
            let fault = build(adaptive.with_min(5).with_initial(initial)).expect_err("out of its bounds");
            let expected = format!("`initial` must be from `min` to `max`, which are 5 and 30, and is {initial}");
            assert_eq!(fault, expected);
        }
        assert_eq!(build(adaptive.with_min(0)), Err("`min` must be from 1 to 1000000, and is 0".to_owned()));
    }

    #[test]
    fn a_target_longer_than_its_interval_is_refused() {
        let ms = Duration::from_millis;
        let builder = ConcurrencyLimitConfig::builder().with_interval(ms(10));
        assert!(builder.with_target(ms(10)).build().is_ok());
        let fault = builder.with_target(ms(11)).build().expect_err("longer");
        assert_eq!(fault.to_string(), "`target` must be no longer than `interval`, which is 10ms, and is 11ms");
    }
}
