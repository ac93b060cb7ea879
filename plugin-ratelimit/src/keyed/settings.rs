//! The keys that configuration files have for a limit per key: those of one bucket, and two of its own.

use plugin_core::{
    ConfigError,
    settings::{Given, Key, Kind, Settings, Table, Values},
};

use super::config::KeyedRateLimitConfig;
use crate::{RateLimitConfig, WithoutKey};

static TABLE: Table = Table::new(
    "keyed_rate_limit",
    "A token bucket for each key: a client's address, a tenant.",
    &[
        Key::new(
            "max_keys",
            Kind::integer(1, KeyedRateLimitConfig::MOST_KEYS as i128),
            "Keys that are kept at once. Only one whose bucket is full again gives way to another.",
        )
        .default("100000"),
        Key::new(
            "without_key",
            Kind::Word(WithoutKey::WORDS),
            "A request that has no key takes from a bucket that all such requests share, is refused, or passes.",
        )
        .default("shared"),
    ],
)
.over(RateLimitConfig::TABLE);

impl Settings for KeyedRateLimitConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        Self::builder()
            .with_limit(RateLimitConfig::from_values(values)?)
            .with_max_keys(values.integer("max_keys").unwrap_or(default.max_keys()))
            .with_without_key(
                values.word("without_key").and_then(WithoutKey::from_word).unwrap_or(default.without_key()),
            )
            .build()
    }

    fn to_values(&self) -> Values {
        let limit = self.limit();
        Values::new(&TABLE)
            .with("requests_per_second", limit.requests_per_second())
            .with("burst_size", limit.burst_size())
            .with("time_window", limit.time_window())
            .with("max_keys", self.max_keys())
            .with("without_key", Given::word(self.without_key().as_word()))
    }
}

plugin_core::serde_by_settings!(KeyedRateLimitConfig);
