//! The settings of a token bucket.

use std::time::Duration;

use plugin_core::{ConfigError, clock::nanos, settings};

use crate::gcra::{LATEST, Limit};

/// The settings of a token bucket. A value that exists is valid.
///
/// The [page of the crate](crate#defaults) has the keys, with their defaults and bounds.
///
/// The time between two tokens is kept in whole nanoseconds and rounded up, so a rate is never exceeded; above a million
/// per second that makes up to 1 % less.
///
/// ```
/// use plugin_ratelimit::RateLimitConfig;
///
/// let config = RateLimitConfig::builder().with_requests_per_second(0.5).build()?; // one each two seconds
/// assert_eq!(config.burst_size(), 20); // the default
///
/// let fault = RateLimitConfig::builder().with_burst_size(0).build().expect_err("nothing would ever pass");
/// assert_eq!(fault.to_string(), "`burst_size` must be from 1 to 4294967295, and is 0");
/// # Ok::<(), plugin_ratelimit::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimitConfig {
    requests_per_second: f64,
    burst_size: u32,
    time_window: Duration,
}

/// Makes a [`RateLimitConfig`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct RateLimitConfigBuilder(RateLimitConfig);

pub(crate) const MOST_PER_SECOND: f64 = 10_000_000.0;
pub(crate) const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const _: () = assert!(YEAR.as_nanos() < LATEST as u128 / 4, "an empty bucket fills well within the word");

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self { requests_per_second: 10.0, burst_size: 20, time_window: Duration::from_secs(1) }
    }
}

impl RateLimitConfig {
    /// A builder that starts with the defaults.
    pub fn builder() -> RateLimitConfigBuilder {
        RateLimitConfigBuilder(Self::default())
    }

    /// A builder that starts with these settings.
    pub fn to_builder(self) -> RateLimitConfigBuilder {
        RateLimitConfigBuilder(self)
    }

    /// Tokens that come back in a second.
    #[must_use]
    pub fn requests_per_second(&self) -> f64 {
        self.requests_per_second
    }

    /// Tokens that a full bucket holds.
    #[must_use]
    pub fn burst_size(&self) -> u32 {
        self.burst_size
    }

    /// The period that statistics and `RateLimit-Policy` state.
    #[must_use]
    pub fn time_window(&self) -> Duration {
        self.time_window
    }

    pub(crate) fn limit(&self) -> Limit {
        let interval = interval(self.requests_per_second);
        let tolerance = interval.saturating_mul(self.burst_size.into());
        Limit { interval, tolerance, window: nanos(self.time_window) }
    }
}

/// Nanoseconds from one token to the next, rounded up unless only the rate's own binary rounding is above.
fn interval(per_second: f64) -> u64 {
    let exact = 1e9 / per_second;
    let near = exact.round();
    let whole = if (exact - near).abs() <= near * 1e-12 { near } else { exact.ceil() };
    // The cast saturates, and the bounds keep the value within a year.
    (whole as u64).max(1)
}

impl RateLimitConfigBuilder {
    /// Sets how many tokens come back in a second: `5.0` is one every 200 ms, `0.2` one every five seconds.
    pub fn with_requests_per_second(mut self, rate: f64) -> Self {
        self.0.requests_per_second = rate;
        self
    }

    /// Sets how many tokens a full bucket holds.
    pub fn with_burst_size(mut self, burst: u32) -> Self {
        self.0.burst_size = burst;
        self
    }

    /// Sets the period that statistics and `RateLimit-Policy` state.
    pub fn with_time_window(mut self, window: Duration) -> Self {
        self.0.time_window = window;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#defaults).
    pub fn build(self) -> Result<RateLimitConfig, ConfigError> {
        let config = settings::fitting(self.0)?;
        let rate = config.requests_per_second;
        if u128::from(interval(rate)) * u128::from(config.burst_size) > YEAR.as_nanos() {
            let problem = format!(
                "must be refilled within 365 days, and {} tokens at {rate} per second take longer",
                config.burst_size
            );
            return Err(ConfigError::new("burst_size", problem).with_others(&["requests_per_second"]));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(builder: RateLimitConfigBuilder) -> &'static str {
        builder.build().expect_err("out of bounds").field()
    }

    #[test]
    fn the_defaults_are_those_that_are_documented() {
        let config = RateLimitConfig::builder().build().expect("the defaults are valid");
        assert_eq!(config, RateLimitConfig::default());
        assert_eq!((config.requests_per_second(), config.burst_size()), (10.0, 20));
        assert_eq!(config.time_window(), Duration::from_secs(1));
    }

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 10_000_001.0] {
            assert_eq!(field(RateLimitConfig::builder().with_requests_per_second(rate)), "requests_per_second");
        }
        assert_eq!(field(RateLimitConfig::builder().with_burst_size(0)), "burst_size");
        let slow = RateLimitConfig::builder().with_requests_per_second(1e-7);
        assert_eq!(field(slow), "burst_size");
        assert!(slow.with_burst_size(1).build().is_ok());
        assert_eq!(field(RateLimitConfig::builder().with_requests_per_second(1e-300)), "burst_size");
        for window in [Duration::ZERO, Duration::MAX] {
            assert_eq!(field(RateLimitConfig::builder().with_time_window(window)), "time_window");
        }
    }

    #[test]
    fn what_is_exactly_at_a_bound_is_taken_and_what_is_one_past_it_is_not() {
        let builder = RateLimitConfig::builder;
        let nano = Duration::from_nanos(1);
        assert!(builder().with_requests_per_second(MOST_PER_SECOND).build().is_ok());
        assert_eq!(field(builder().with_requests_per_second(MOST_PER_SECOND + 1.0)), "requests_per_second");
        assert!(builder().with_time_window(YEAR).build().is_ok());
        assert_eq!(field(builder().with_time_window(YEAR + nano)), "time_window");
        assert!(builder().with_time_window(nano).build().is_ok());
        // One token a day: a bucket of 365 is full again after exactly as many days.
        let daily = || builder().with_requests_per_second(1.0 / 86_400.0);
        assert!(daily().with_burst_size(365).build().is_ok());
        assert_eq!(field(daily().with_burst_size(366)), "burst_size");
        assert!(builder().with_requests_per_second(1e6).with_burst_size(u32::MAX).build().is_ok());
    }

    #[test]
    fn the_interval_is_never_shorter_than_the_rate_says() {
        assert_eq!(interval(10.0), 100_000_000);
        assert_eq!(interval(3.0), 333_333_334);
        assert_eq!(interval(0.5), 2_000_000_000);
        assert_eq!(interval(MOST_PER_SECOND), 100);
        for nanos in [1u32, 7, 100, 12_345, 999_999_937] {
            assert_eq!(interval(1e9 / f64::from(nanos)), u64::from(nanos));
        }
    }
}
