//! The settings as a document writes them.

use std::time::Duration;

use plugin_core::ConfigError;
use serde::{Deserialize, Serialize};

use crate::RateLimitConfig;

#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Raw {
    requests_per_second: f64,
    burst_size: u32,
    #[serde(with = "plugin_core::serde_duration")]
    time_window: Duration,
}

impl Default for Raw {
    fn default() -> Self {
        RateLimitConfig::default().into()
    }
}

impl From<RateLimitConfig> for Raw {
    fn from(config: RateLimitConfig) -> Self {
        Self {
            requests_per_second: config.requests_per_second(),
            burst_size: config.burst_size(),
            time_window: config.time_window(),
        }
    }
}

impl TryFrom<Raw> for RateLimitConfig {
    type Error = ConfigError;

    fn try_from(raw: Raw) -> Result<Self, ConfigError> {
        Self::builder()
            .with_requests_per_second(raw.requests_per_second)
            .with_burst_size(raw.burst_size)
            .with_time_window(raw.time_window)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<RateLimitConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_that_are_absent_have_their_defaults() {
        assert_eq!(read("{}"), Ok(RateLimitConfig::default()));
        let config = read(r#"{"requests_per_second": 0.5, "burst_size": 3, "time_window": "1m"}"#).expect("valid");
        assert_eq!((config.requests_per_second(), config.burst_size()), (0.5, 3));
        assert_eq!(config.time_window(), Duration::from_secs(60));
        assert_eq!(read(r#"{"time_window": 60000000000}"#).expect("valid").time_window(), Duration::from_secs(60));
    }

    #[test]
    fn what_is_written_reads_back() {
        let config =
            RateLimitConfig::builder().with_requests_per_second(2.5).with_burst_size(7).build().expect("valid");
        let json = serde_json::to_string(&config).expect("plain");
        assert_eq!(read(&json), Ok(config));
    }

    #[test]
    fn unknown_keys_and_values_out_of_bounds_are_named() {
        let unknown = read(r#"{"burst": 3}"#).expect_err("unknown");
        assert!(unknown.contains("`burst`"), "{unknown}");
        let zero = read(r#"{"burst_size": 0}"#).expect_err("out of bounds");
        assert!(zero.contains("`burst_size` must be at least 1"), "{zero}");
    }
}
