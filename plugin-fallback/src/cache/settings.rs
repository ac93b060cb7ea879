//! The keys that configuration files have for a cache.

use super::CacheConfig;
use plugin_core::ConfigError;
use plugin_core::settings::{Key, Kind, Settings, Table, Values};

static TABLE: Table = Table::new(
    "cache",
    "Keeps answers, and serves an old one rather than a failure.",
    &[
        Key::new("ttl", Kind::time(), "How long an answer is served without asking the service.").default("60s"),
        Key::new("max_entries", Kind::integer(1, u64::MAX as i128), "The most answers that are kept.").default("10000"),
        Key::new(
            "stale_if_error",
            Kind::time_or_zero(),
            "How long after its `ttl` an answer is served in place of a failure; 0 is off.",
        )
        .default("0s"),
    ],
);

impl Settings for CacheConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        Self::builder()
            .with_ttl(values.time("ttl").unwrap_or(default.ttl()))
            .with_max_entries(values.integer("max_entries").unwrap_or(default.max_entries()))
            .with_stale_if_error(values.time("stale_if_error").unwrap_or(default.stale_if_error()))
            .build()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE)
            .with("ttl", self.ttl())
            .with("max_entries", self.max_entries())
            .with("stale_if_error", self.stale_if_error())
    }
}

plugin_core::serde_by_settings!(CacheConfig);
