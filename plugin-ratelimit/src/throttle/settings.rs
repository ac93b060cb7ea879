//! The keys that configuration files have for a throttle.

use std::time::Duration;

use plugin_core::{
    ConfigError,
    settings::{Key, Kind, Settings, Table, Values},
};

use super::AdaptiveThrottleConfig;

static TABLE: Table = Table::new(
    "adaptive_throttle",
    "Refuses requests here that the service would turn away.",
    &[
        Key::new(
            "multiplier",
            Kind::number(1.0, 100.0),
            "Requests that may be made for each that is accepted, before some are refused here.",
        )
        .default("2.0"),
        Key::new(
            "window",
            Kind::time_in(Duration::from_secs(1), Duration::from_secs(3600)),
            "For how long requests are remembered.",
        )
        .default("2m"),
    ],
);

impl Settings for AdaptiveThrottleConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        Self::builder()
            .with_multiplier(values.number("multiplier").unwrap_or(default.multiplier()))
            .with_window(values.time("window").unwrap_or(default.window()))
            .build()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE).with("multiplier", self.multiplier()).with("window", self.window())
    }
}

plugin_core::serde_by_settings!(AdaptiveThrottleConfig);
