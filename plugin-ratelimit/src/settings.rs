//! The keys that configuration files have for a token bucket.

use plugin_core::{
    ConfigError,
    settings::{Key, Kind, Settings, Table, Values},
};

use crate::RateLimitConfig;
use crate::config::{MOST_PER_SECOND, YEAR};

static TABLE: Table = Table::new(
    "rate_limit",
    "A token bucket: full at the start, refilled steadily.",
    &[
        Key::new(
            "requests_per_second",
            Kind::positive(MOST_PER_SECOND),
            "Tokens that come back in a second; may be a fraction. They come steadily, without steps.",
        )
        .default("10")
        .go(),
        Key::new(
            "burst_size",
            Kind::integer(1, u32::MAX as i128),
            "Tokens that a full bucket holds; it starts full, and is filled within 365 days.",
        )
        .default("20")
        .go(),
        Key::new(
            "time_window",
            Kind::time_up_to(YEAR),
            "The period that statistics and the header `RateLimit-Policy` state. It does not change the rate.",
        )
        .default("1s")
        .go(),
    ],
);

impl Settings for RateLimitConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        Self::builder()
            .with_requests_per_second(values.number("requests_per_second").unwrap_or(default.requests_per_second()))
            .with_burst_size(values.integer("burst_size").unwrap_or(default.burst_size()))
            .with_time_window(values.time("time_window").unwrap_or(default.time_window()))
            .build()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE)
            .with("requests_per_second", self.requests_per_second())
            .with("burst_size", self.burst_size())
            .with("time_window", self.time_window())
    }
}

plugin_core::serde_by_settings!(RateLimitConfig);

#[cfg(all(test, feature = "serde"))]
mod tests {
    use std::time::Duration;

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
        assert!(zero.contains("`burst_size` must be from 1 to 4294967295, and is 0"), "{zero}");
    }
}
