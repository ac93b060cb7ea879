//! The retry throttle of gRFC A6.

use plugin_core::ConfigError;

use super::tables::THROTTLE;
use crate::sync::{AtomicU64, Ordering};

/// The settings of a [`Throttle`].
///
/// The [page of the crate](crate#defaults) has them under `throttle`, with their defaults and bounds.
///
/// ```
/// use plugin_retry::{RetryConfig, ThrottleConfig};
///
/// let throttle = ThrottleConfig::default();
/// assert_eq!((throttle.max_tokens(), throttle.token_ratio()), (10, 0.1));
///
/// let config = RetryConfig::builder().with_throttle(throttle).build()?; // instead of the budget
/// assert_eq!((config.throttle(), config.budget()), (Some(throttle), None));
/// # Ok::<(), plugin_retry::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleConfig {
    max_tokens: u32,
    /// In thousandths, as A6 has it.
    token_ratio: u32,
}

impl ThrottleConfig {
    /// A throttle that holds this many tokens; a success puts back `token_ratio` of one. Decimal places of the ratio
    /// past the third are dropped.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#defaults).
    pub fn new(max_tokens: u32, token_ratio: f64) -> Result<Self, ConfigError> {
        THROTTLE.fits("max_tokens", max_tokens)?;
        THROTTLE.fits("token_ratio", token_ratio)?;
        // A thousandth is not exact in binary: 0.29 * 1000 is a little less than 290.
        Ok(Self { max_tokens, token_ratio: (token_ratio * 1000.0 + 1e-6) as u32 })
    }

    /// The most tokens.
    #[must_use]
    pub fn max_tokens(&self) -> u32 {
        self.max_tokens
    }

    /// What a success puts back.
    #[must_use]
    pub fn token_ratio(&self) -> f64 {
        f64::from(self.token_ratio) / 1000.0
    }

    const fn pack(self) -> u64 {
        (self.max_tokens as u64) << 32 | self.token_ratio as u64
    }
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        Self { max_tokens: 10, token_ratio: 100 }
    }
}

/// Stops retries while failures outweigh successes: every failure takes a token, every success puts back a share of
/// one, and retries are allowed while more than half of the tokens are there.
///
/// The algorithm of gRFC A6, "gRPC Retry Design", "Throttling Retry Attempts and Hedged RPCs". It knows no time: after
/// an outage it recovers by successes alone. While it is full, a success only reads it, so threads do not meet.
///
/// ```
/// use plugin_retry::{Throttle, ThrottleConfig};
///
/// let throttle = Throttle::new(ThrottleConfig::default());
/// while throttle.allows() {
///     throttle.on_failure();
/// }
/// let half = throttle.tokens();
/// throttle.on_success(); // puts back a tenth of a token
/// assert!(throttle.allows() && throttle.tokens() > half);
/// ```
#[derive(Debug)]
pub struct Throttle {
    settings: AtomicU64,
    /// In thousandths.
    tokens: AtomicU64,
}

impl Throttle {
    /// A full throttle.
    #[must_use]
    pub fn new(config: ThrottleConfig) -> Self {
        Self { settings: AtomicU64::new(config.pack()), tokens: AtomicU64::new(u64::from(config.max_tokens) * 1000) }
    }

    /// Changes the settings. The tokens that are there stay, up to the new maximum.
    pub fn reconfigure(&self, config: ThrottleConfig) {
        // Relaxed, here and below: two numbers, neither of which publishes the other. A call that runs meanwhile counts
        // under either.
        self.settings.store(config.pack(), Ordering::Relaxed);
        self.update(|tokens, max, _| tokens.min(max));
    }

    /// A call has succeeded.
    #[inline]
    pub fn on_success(&self) {
        self.update(|tokens, max, ratio| tokens.saturating_add(ratio).min(max));
    }

    /// A call has failed in a way that could be retried, or its server has forbidden a retry.
    pub fn on_failure(&self) {
        self.update(|tokens, _, _| tokens.saturating_sub(1000));
    }

    /// Whether a retry is allowed now.
    #[must_use]
    pub fn allows(&self) -> bool {
        let (max, _) = self.settings();
        self.tokens.load(Ordering::Relaxed) > max / 2
    }

    /// The tokens that are there.
    #[must_use]
    pub fn tokens(&self) -> f64 {
        self.tokens.load(Ordering::Relaxed) as f64 / 1000.0
    }

    fn settings(&self) -> (u64, u64) {
        let packed = self.settings.load(Ordering::Relaxed);
        ((packed >> 32) * 1000, packed & u64::from(u32::MAX))
    }

    #[inline]
    fn update(&self, change: impl Fn(u64, u64, u64) -> u64) {
        let (max, ratio) = self.settings();
        let mut tokens = self.tokens.load(Ordering::Relaxed);
        loop {
            let next = change(tokens, max, ratio);
            if next == tokens {
                return;
            }
            match self.tokens.compare_exchange_weak(tokens, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(seen) => tokens = seen,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn retries_stop_at_half_of_the_tokens_and_return_with_successes() {
        let throttle = Throttle::new(ThrottleConfig::new(10, 0.1).expect("in bounds"));
        (0..4).for_each(|_| throttle.on_failure());
        assert!(throttle.allows(), "6 of 10");
        throttle.on_failure();
        assert!(!throttle.allows(), "5 of 10 is not more than half");
        throttle.on_success();
        assert!(throttle.allows(), "5.1 of 10");
    }

    #[test]
    fn tokens_stay_between_zero_and_the_maximum() {
        let throttle = Throttle::new(ThrottleConfig::new(3, 0.29).expect("in bounds"));
        (0..10).for_each(|_| throttle.on_failure());
        assert_eq!(throttle.tokens(), 0.0);
        throttle.on_success();
        assert_eq!(throttle.tokens(), 0.29);
        (0..100).for_each(|_| throttle.on_success());
        assert_eq!(throttle.tokens(), 3.0);
        throttle.reconfigure(ThrottleConfig::new(1, 0.1).expect("in bounds"));
        assert_eq!(throttle.tokens(), 1.0);
    }

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        let field = |max, ratio| ThrottleConfig::new(max, ratio).expect_err("out of bounds").field();
        assert_eq!(
            [field(0, 0.1), field(1001, 0.1), field(10, 0.0), field(10, f64::NAN)],
            ["max_tokens", "max_tokens", "token_ratio", "token_ratio"]
        );
    }
}
