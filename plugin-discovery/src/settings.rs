//! The keys that configuration files have for a discovery.

use plugin_core::{
    ConfigError,
    settings::{Key, Kind, Settings, Table, Values},
};

use crate::DiscoveryConfig;

static TABLE: Table = Table::new(
    "discovery",
    "For how long the last good set is kept.",
    &[
        Key::new(
            "keep_empty_for",
            Kind::time_or_zero(),
            "How long the last good set is kept while the source says that there is no instance, or no such service; \
             then it is believed.",
        )
        .default("5m"),
        Key::new(
            "keep_for",
            Kind::time(),
            "How long the last good set is kept while the source does not answer, refuses, or answers what cannot be \
             read; then it is dropped.",
        )
        .derived_default("for ever"),
    ],
);

impl Settings for DiscoveryConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        let builder =
            Self::builder().with_keep_empty_for(values.time("keep_empty_for").unwrap_or(default.keep_empty_for()));
        match values.time("keep_for") {
            Some(time) => builder.with_keep_for(time).build(),
            None => builder.build(),
        }
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE).with("keep_empty_for", self.keep_empty_for()).with("keep_for", self.keep_for())
    }
}

plugin_core::serde_by_settings!(DiscoveryConfig);
