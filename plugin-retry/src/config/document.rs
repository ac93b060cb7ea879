//! The settings as configuration files write them.

use std::time::Duration;

use plugin_core::{Backoff, ConfigError, Jitter};
use serde::{Deserialize, Serialize};

use super::{RetryConfig, Spending};
use crate::{BudgetConfig, Condition, ThrottleConfig};

/// `retry{...}`: every key has a default.
#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Raw {
    max_retries: u32,
    #[serde(with = "plugin_core::serde_duration")]
    initial_interval: Duration,
    #[serde(with = "plugin_core::serde_duration")]
    max_interval: Duration,
    multiplier: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    random_jitter: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter: Option<RawJitter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<RawBudget>,
    #[serde(skip_serializing_if = "Option::is_none")]
    throttle: Option<RawThrottle>,
    on: Vec<RawCondition>,
    idempotent: bool,
    unsent: bool,
    #[serde(with = "plugin_core::serde_duration")]
    max_retry_after: Duration,
    max_body: usize,
}

/// A name, or the share of a proportional jitter.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum RawJitter {
    Share(f64),
    Name(String),
}

/// `503` and `"503"` are the same.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum RawCondition {
    Status(u16),
    Name(String),
}

/// `budget{...}`.
#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawBudget {
    pub(crate) enabled: bool,
    pub(crate) ratio: f64,
    pub(crate) min_per_second: u32,
    #[serde(with = "plugin_core::serde_duration")]
    pub(crate) window: Duration,
}

#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct RawThrottle {
    max_tokens: u32,
    token_ratio: f64,
}

impl Default for Raw {
    fn default() -> Self {
        Self::from(RetryConfig::default())
    }
}

impl Default for RawBudget {
    fn default() -> Self {
        Self::from(BudgetConfig::default())
    }
}

impl Default for RawThrottle {
    fn default() -> Self {
        Self::from(ThrottleConfig::default())
    }
}

impl RawBudget {
    pub(crate) fn off() -> Self {
        Self { enabled: false, ..Self::default() }
    }

    /// `None` when it is switched off.
    pub(crate) fn read(&self) -> Result<Option<BudgetConfig>, ConfigError> {
        let whole = self.window.subsec_nanos() == 0;
        let seconds = u32::try_from(self.window.as_secs()).ok().filter(|_| whole);
        let seconds = seconds.ok_or_else(|| {
            let problem = format!("must be from 1 to 60 whole seconds, and is {:?}", self.window);
            ConfigError::new("budget.window", problem)
        })?;
        let budget = BudgetConfig::new(self.ratio, self.min_per_second, seconds)?;
        Ok(self.enabled.then_some(budget))
    }
}

impl From<BudgetConfig> for RawBudget {
    fn from(budget: BudgetConfig) -> Self {
        Self {
            enabled: true,
            ratio: budget.ratio(),
            min_per_second: budget.min_per_second(),
            window: Duration::from_secs(budget.window().into()),
        }
    }
}

impl From<ThrottleConfig> for RawThrottle {
    fn from(throttle: ThrottleConfig) -> Self {
        Self { max_tokens: throttle.max_tokens(), token_ratio: throttle.token_ratio() }
    }
}

impl From<RetryConfig> for Raw {
    fn from(config: RetryConfig) -> Self {
        let backoff = config.backoff().unwrap_or_default();
        let jitter = match backoff.jitter() {
            Jitter::None => Some(RawJitter::Name("none".to_owned())),
            Jitter::Full => Some(RawJitter::Name("full".to_owned())),
            Jitter::Decorrelated => Some(RawJitter::Name("decorrelated".to_owned())),
            same if same == Backoff::default().jitter() => None,
            Jitter::Proportional(share) => Some(RawJitter::Share(share)),
            _ => None,
        };
        Self {
            max_retries: config.max_retries.into(),
            initial_interval: backoff.initial(),
            max_interval: backoff.max(),
            multiplier: backoff.multiplier(),
            random_jitter: None,
            jitter,
            budget: match config.spending {
                Spending::Budget(budget) if budget == BudgetConfig::default() => None,
                Spending::Budget(budget) => Some(budget.into()),
                Spending::Free => Some(RawBudget::off()),
                Spending::Throttle(_) => None,
            },
            throttle: config.throttle().map(RawThrottle::from),
            on: config.on.iter().map(|condition| RawCondition::Name(condition.to_string())).collect(),
            idempotent: config.idempotent,
            unsent: config.unsent,
            max_retry_after: config.max_retry_after,
            max_body: config.max_body(),
        }
    }
}

impl TryFrom<Raw> for RetryConfig {
    type Error = ConfigError;

    fn try_from(raw: Raw) -> Result<Self, ConfigError> {
        let on: Vec<Condition> = raw.on.iter().map(RawCondition::read).collect::<Result<_, _>>()?;
        let builder = Self::builder()
            .with_max_retries(raw.max_retries)
            .with_initial_interval(raw.initial_interval)
            .with_max_interval(raw.max_interval)
            .with_multiplier(raw.multiplier)
            .with_jitter(read_jitter(raw.random_jitter, raw.jitter)?)
            .with_on(on)
            .with_idempotent(raw.idempotent)
            .with_unsent(raw.unsent)
            .with_max_retry_after(raw.max_retry_after)
            .with_max_body(raw.max_body);
        match (raw.budget, raw.throttle) {
            (Some(_), Some(_)) => Err(ConfigError::new("throttle", "excludes a budget: give one of the two")),
            (None, Some(throttle)) => {
                builder.with_throttle(ThrottleConfig::new(throttle.max_tokens, throttle.token_ratio)?).build()
            }
            (Some(budget), None) => match budget.read()? {
                Some(budget) => builder.with_budget(budget).build(),
                None => builder.without_budget().build(),
            },
            (None, None) => builder.build(),
        }
    }
}

impl RawCondition {
    fn read(&self) -> Result<Condition, ConfigError> {
        match self {
            Self::Status(status) => status.to_string().parse(),
            Self::Name(name) => name.parse(),
        }
    }
}

fn read_jitter(random: Option<bool>, jitter: Option<RawJitter>) -> Result<Jitter, ConfigError> {
    let jitter = match jitter {
        None if random == Some(false) => Jitter::None,
        None => Backoff::default().jitter(),
        Some(RawJitter::Share(share)) => Jitter::Proportional(share),
        Some(RawJitter::Name(name)) => match name.as_str() {
            "none" => Jitter::None,
            "full" => Jitter::Full,
            "decorrelated" => Jitter::Decorrelated,
            "proportional" => Backoff::default().jitter(),
            _ => {
                let problem = format!("must be full, decorrelated, proportional, none or a share, and is {name:?}");
                return Err(ConfigError::new("jitter", problem));
            }
        },
    };
    if random.is_some_and(|random| random == (jitter == Jitter::None)) {
        return Err(ConfigError::new("random_jitter", "says the opposite of `jitter`: give one of the two"));
    }
    Ok(jitter)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<RetryConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_has_an_effect_and_an_empty_section_is_the_default() {
        assert_eq!(read("{}"), Ok(RetryConfig::default()));
        for json in [
            r#"{"max_retries":5}"#,
            r#"{"initial_interval":"50ms"}"#,
            r#"{"initial_interval":50000000}"#,
            r#"{"max_interval":"9s"}"#,
            r#"{"multiplier":3.0}"#,
            r#"{"random_jitter":false}"#,
            r#"{"jitter":"full"}"#,
            r#"{"jitter":"decorrelated"}"#,
            r#"{"jitter":0.25}"#,
            r#"{"budget":{"ratio":0.5}}"#,
            r#"{"budget":{"min_per_second":1}}"#,
            r#"{"budget":{"window":"30s"}}"#,
            r#"{"budget":{"enabled":false}}"#,
            r#"{"throttle":{"max_tokens":20}}"#,
            r#"{"throttle":{"token_ratio":0.5}}"#,
            r#"{"on":["PLUGIN_1205",503,"UNAVAILABLE"]}"#,
            r#"{"idempotent":true}"#,
            r#"{"unsent":true}"#,
            r#"{"max_retry_after":"1m"}"#,
            r#"{"max_body":1024}"#,
        ] {
            let config = read(json).expect(json);
            assert_ne!(config, RetryConfig::default(), "{json}");
            let written = serde_json::to_string(&config).expect("plain");
            assert_eq!(read(&written), Ok(config), "{written}");
        }
        assert_eq!(read(r#"{"initial_interval":50000000}"#), read(r#"{"initial_interval":"50ms"}"#));
        assert_eq!(read(r#"{"jitter":"proportional","random_jitter":true}"#), Ok(RetryConfig::default()));
    }

    #[test]
    fn a_fault_names_the_key_and_what_would_be_right() {
        for (json, says) in [
            (r#"{"max_retrys":3}"#, "unknown field `max_retrys`"),
            (r#"{"max_retries":101}"#, "`max_retries` must be from 0 to 100, and is 101"),
            (r#"{"initial_interval":"0s"}"#, "`initial_interval` must be longer than zero"),
            (r#"{"max_interval":"1ms"}"#, "`max_interval` must be at least"),
            (r#"{"multiplier":0.5}"#, "`multiplier` must be from 1.0"),
            (r#"{"jitter":"some"}"#, "`jitter` must be full"),
            (r#"{"jitter":1.5}"#, "`jitter` must be a share"),
            (r#"{"jitter":"full","random_jitter":false}"#, "`random_jitter` says the opposite"),
            (r#"{"budget":{"ratio":-1.0}}"#, "`budget.ratio` must be from 0.0"),
            (r#"{"budget":{"window":"90s"}}"#, "`budget.window` must be from 1 to 60"),
            (r#"{"budget":{"window":"1500ms"}}"#, "`budget.window` must be from 1 to 60"),
            (r#"{"budget":{"share":1}}"#, "unknown field `share`"),
            (r#"{"throttle":{"max_tokens":0}}"#, "`max_tokens` must be from 1"),
            (r#"{"throttle":{},"budget":{}}"#, "`throttle` excludes a budget"),
            (r#"{"on":["NEVER"]}"#, "`on` has \"NEVER\""),
        ] {
            let error = read(json).expect_err(json);
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
