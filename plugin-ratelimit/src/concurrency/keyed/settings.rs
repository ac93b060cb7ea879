//! The keys that configuration files have for a concurrency limit per key.

use plugin_core::{
    ConfigError,
    settings::{Given, Key, Kind, Settings, Table, Values},
};

use super::config::KeyedConcurrencyLimitConfig;
use crate::WithoutKey;

static TABLE: Table = Table::new(
    "keyed_concurrency",
    "How many calls of each key may be in flight at once.",
    &[
        Key::new("max", Kind::integer(1, 1_000_000), "Calls of one key that may be in flight at once.").default("10"),
        Key::new(
            "max_keys",
            Kind::integer(1, 10_000_000),
            "Keys that are counted at once. Only one with no call in flight gives way to another.",
        )
        .default("100000"),
        Key::new(
            "without_key",
            Kind::Word(WithoutKey::WORDS),
            "A request that has no key is counted with all such requests, is refused, or passes.",
        )
        .default("shared"),
    ],
);

impl Settings for KeyedConcurrencyLimitConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        Self::builder()
            .with_max(values.integer("max").unwrap_or(default.max()))
            .with_max_keys(values.integer("max_keys").unwrap_or(default.max_keys()))
            .with_without_key(
                values.word("without_key").and_then(WithoutKey::from_word).unwrap_or(default.without_key()),
            )
            .build()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE)
            .with("max", self.max())
            .with("max_keys", self.max_keys())
            .with("without_key", Given::word(self.without_key().as_word()))
    }
}

plugin_core::serde_by_settings!(KeyedConcurrencyLimitConfig);
