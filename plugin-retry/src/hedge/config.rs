//! The settings of a hedge layer.

use std::time::Duration;

use plugin_core::{
    ConfigError,
    settings::{Given, Settings},
};

use crate::BudgetConfig;

/// The settings of a [`HedgeLayer`](crate::HedgeLayer).
///
/// The [page of the crate](crate#defaults) has the keys, with their defaults and bounds.
///
/// With the feature `serde` it is read and written as a configuration file has it.
/// ```
/// use std::time::Duration;
///
/// use plugin_retry::HedgeConfig;
///
/// let config = HedgeConfig::builder().with_percentile(99.0).with_max(2).build()?;
/// assert_eq!(config.max(), 2);
///
/// let error = HedgeConfig::builder().with_delay(Duration::ZERO).build().expect_err("no time at all");
/// assert!(error.to_string().contains("delay"), "{error}");
/// # Ok::<(), plugin_retry::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HedgeConfig {
    pub(crate) delay: HedgeDelay,
    pub(crate) max: u16,
    pub(crate) budget: Option<BudgetConfig>,
    pub(crate) idempotent: bool,
    pub(crate) max_body: u32,
}

/// How long an attempt may take before another is made beside it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum HedgeDelay {
    /// This long.
    After(Duration),
    /// As long as this many percent of the calls of the last half minute or so took. Before 100 calls were measured
    /// there are no hedges.
    Percentile(f64),
}

impl HedgeConfig {
    /// Begins with the defaults: one more attempt once 95 percent of all calls would have been answered, which makes about
    /// 5 % more calls.
    pub fn builder() -> HedgeConfigBuilder {
        HedgeConfigBuilder {
            delay: HedgeDelay::Percentile(95.0),
            max: 1,
            budget: Some(default_budget()),
            idempotent: false,
            max_body: 64 * 1024,
        }
    }

    /// When a hedge is made.
    #[must_use]
    pub fn delay(&self) -> HedgeDelay {
        self.delay
    }

    /// The most hedges of one call.
    #[must_use]
    pub fn max(&self) -> u16 {
        self.max
    }

    /// The budget; `None` without one.
    #[must_use]
    pub fn budget(&self) -> Option<BudgetConfig> {
        self.budget
    }

    /// Whether a request that does not say so itself may be repeated without a second effect.
    #[must_use]
    pub fn idempotent(&self) -> bool {
        self.idempotent
    }

    /// The most bytes of a body that are kept.
    #[must_use]
    pub fn max_body(&self) -> usize {
        self.max_body as usize
    }
}

impl Default for HedgeConfig {
    fn default() -> Self {
        let HedgeConfigBuilder { delay, budget, idempotent, .. } = Self::builder();
        Self { delay, max: 1, budget, idempotent, max_body: 64 * 1024 }
    }
}

/// Makes a [`HedgeConfig`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct HedgeConfigBuilder {
    delay: HedgeDelay,
    max: u32,
    budget: Option<BudgetConfig>,
    idempotent: bool,
    max_body: usize,
}

impl HedgeConfigBuilder {
    /// Makes another attempt after this time.
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = HedgeDelay::After(delay);
        self
    }

    /// Makes another attempt once this many percent of all calls would have been answered: 95.0 makes about 5 % more calls.
    pub fn with_percentile(mut self, percentile: f64) -> Self {
        self.delay = HedgeDelay::Percentile(percentile);
        self
    }

    /// The most hedges of one call, each after another delay.
    pub fn with_max(mut self, max: u32) -> Self {
        self.max = max;
        self
    }

    /// Limits hedges to a share of the successes.
    pub fn with_budget(mut self, budget: BudgetConfig) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Lifts that limit: a service that becomes slow is then met by `max` times the traffic on top.
    pub fn without_budget(mut self) -> Self {
        self.budget = None;
        self
    }

    /// Says that requests may be repeated without a second effect, unless they say otherwise themselves.
    pub fn with_idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Caps the bytes of a body that are kept. A call with a larger body is not hedged.
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#defaults).
    pub fn build(self) -> Result<HedgeConfig, ConfigError> {
        let table = HedgeConfig::TABLE;
        match self.delay {
            HedgeDelay::After(delay) => table.fits("delay", delay)?,
            HedgeDelay::Percentile(percentile) => table.fits("percentile", percentile)?,
        }
        table.fits("max", self.max)?;
        table.fits("max_body", Given::size(self.max_body))?;
        Ok(HedgeConfig {
            delay: self.delay,
            // Both types hold all that fits.
            max: u16::try_from(self.max).unwrap_or(u16::MAX),
            budget: self.budget,
            idempotent: self.idempotent,
            max_body: u32::try_from(self.max_body).unwrap_or(u32::MAX),
        })
    }
}

pub(super) fn default_budget() -> BudgetConfig {
    BudgetConfig::new(0.1, 1, 10).unwrap_or_default()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        let field = |builder: HedgeConfigBuilder| builder.build().expect_err("out of bounds").field();
        assert_eq!(field(HedgeConfig::builder().with_delay(Duration::ZERO)), "delay");
        assert_eq!(field(HedgeConfig::builder().with_percentile(100.0)), "percentile");
        assert_eq!(field(HedgeConfig::builder().with_percentile(f64::NAN)), "percentile");
        assert_eq!(field(HedgeConfig::builder().with_percentile(95.0).with_max(0)), "max");
        assert_eq!(field(HedgeConfig::builder().with_percentile(95.0).with_max(6)), "max");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn every_key_has_an_effect_and_a_fault_names_its_key() {
        let read = |json: &str| serde_json::from_str::<HedgeConfig>(json).map_err(|error| error.to_string());
        let plain = read(r#"{"delay":"50ms"}"#).expect("valid");
        assert_eq!(Ok(&plain), HedgeConfig::builder().with_delay(Duration::from_millis(50)).build().as_ref());
        for json in [
            r#"{"percentile":95.0}"#,
            r#"{"delay":"20ms"}"#,
            r#"{"delay":"50ms","max":2}"#,
            r#"{"delay":"50ms","budget":{"ratio":0.5}}"#,
            r#"{"delay":"50ms","budget":{"enabled":false}}"#,
            r#"{"delay":"50ms","idempotent":true}"#,
            r#"{"delay":"50ms","max_body":1}"#,
        ] {
            let config = read(json).expect(json);
            assert_ne!(config, plain, "{json}");
            let written = serde_json::to_string(&config).expect("plain");
            assert_eq!(read(&written), Ok(config), "{written}");
        }
        for (json, says) in [
            ("{}", "`delay` or `percentile` must be given"),
            (r#"{"delay":"1s","percentile":95.0}"#, "`percentile` excludes `delay`"),
            (r#"{"dellay":"1s"}"#, "unknown field `dellay`"),
            (r#"{"delay":"1s","max":9}"#, "`max` must be from 1 to 5"),
        ] {
            let error = read(json).expect_err(json);
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
