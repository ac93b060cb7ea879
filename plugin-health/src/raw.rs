//! The settings as a document writes them.

use std::time::Duration;

use plugin_core::ConfigError;
use serde::{Deserialize, Serialize};

use crate::HealthConfig;

#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Raw {
    #[serde(with = "plugin_core::serde_duration")]
    interval: Duration,
    #[serde(with = "plugin_core::serde_duration")]
    timeout: Duration,
    failure_limit: u32,
    success_limit: u32,
    jitter: f64,
}

impl Default for Raw {
    fn default() -> Self {
        HealthConfig::default().into()
    }
}

impl From<HealthConfig> for Raw {
    fn from(config: HealthConfig) -> Self {
        Self {
            interval: config.interval(),
            timeout: config.timeout(),
            failure_limit: config.failure_limit(),
            success_limit: config.success_limit(),
            jitter: config.jitter(),
        }
    }
}

impl TryFrom<Raw> for HealthConfig {
    type Error = ConfigError;

    fn try_from(raw: Raw) -> Result<Self, ConfigError> {
        Self::builder()
            .with_interval(raw.interval)
            .with_timeout(raw.timeout)
            .with_failure_limit(raw.failure_limit)
            .with_success_limit(raw.success_limit)
            .with_jitter(raw.jitter)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<HealthConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_that_are_absent_have_their_defaults() {
        assert_eq!(read("{}"), Ok(HealthConfig::default()));
        let config =
            read(r#"{"interval": "1m", "timeout": 2000000000, "failure_limit": 5, "success_limit": 2, "jitter": 0.5}"#)
                .expect("valid");
        assert_eq!((config.interval().as_secs(), config.timeout().as_secs()), (60, 2));
        assert_eq!((config.failure_limit(), config.success_limit(), config.jitter()), (5, 2, 0.5));
        let json = serde_json::to_string(&config).expect("plain");
        assert_eq!(read(&json), Ok(config));
    }

    #[test]
    fn unknown_keys_and_values_out_of_bounds_are_named() {
        let unknown = read(r#"{"retries": 3}"#).expect_err("unknown");
        assert!(unknown.contains("`retries`"), "{unknown}");
        let zero = read(r#"{"failure_limit": 0}"#).expect_err("out of bounds");
        assert!(zero.contains("`failure_limit` must be at least 1"), "{zero}");
    }
}
