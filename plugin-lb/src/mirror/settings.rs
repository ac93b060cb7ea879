//! The keys that configuration files have for a mirror.

use plugin_core::{
    ConfigError,
    settings::{Key, Kind, Settings, Table, Values},
};

use super::MirrorConfig;

static TABLE: Table = Table::new(
    "mirror",
    "Sends copies of calls to a second service.",
    &[
        Key::new("percent", Kind::number(0.0, 100.0), "The share of the calls that are copied, to the hundredth.")
            .default("100.0"),
        Key::new("max_in_flight", Kind::integer(1, 1_000_000), "The most copies in flight; further ones are not made.")
            .default("100"),
        Key::new("timeout", Kind::time(), "How long a copy may take, where its call has not less time.").default("10s"),
    ],
);

impl Settings for MirrorConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        Self::builder()
            .with_percent(values.number("percent").unwrap_or(default.percent()))
            .with_max_in_flight(values.integer("max_in_flight").unwrap_or(default.max_in_flight()))
            .with_timeout(values.time("timeout").unwrap_or(default.timeout()))
            .build()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE)
            .with("percent", self.percent())
            .with("max_in_flight", self.max_in_flight())
            .with("timeout", self.timeout())
    }
}

plugin_core::serde_by_settings!(MirrorConfig);
