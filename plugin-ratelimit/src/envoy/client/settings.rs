//! The keys that configuration files have for the layer that asks a rate limit service.

use std::time::Duration;

use plugin_core::{
    ConfigError,
    settings::{Given, Key, Kind, Settings, Table, Values},
};

use super::config::{EnvoyOnFailure, EnvoyRateLimitConfig};

/// The longest for which a call may be held.
const MINUTE: Duration = Duration::from_secs(60);

static TABLE: Table = Table::new(
    "envoy_rate_limit",
    "Asks a rate limit service of Envoy's interface about each request.",
    &[
        Key::new("domain", Kind::Text, "The set of rules that the service is asked for: 1 to 256 bytes.").required(),
        Key::new("timeout", Kind::time_up_to(MINUTE), "The longest that one question takes.").default("20ms"),
        Key::new(
            "on_failure",
            Kind::Word(EnvoyOnFailure::WORDS),
            "A request that the service says nothing of passes, or is refused.",
        )
        .default("admit"),
    ],
);

impl Settings for EnvoyRateLimitConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::builder(values.text("domain").unwrap_or_default()).build()?;
        let on_failure = values.word("on_failure").and_then(EnvoyOnFailure::from_word);
        default
            .to_builder()
            .with_timeout(values.time("timeout").unwrap_or(default.timeout()))
            .with_on_failure(on_failure.unwrap_or(default.on_failure()))
            .build()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE)
            .with("domain", self.domain().to_owned())
            .with("timeout", self.timeout())
            .with("on_failure", Given::word(self.on_failure().as_word()))
    }
}

plugin_core::serde_by_settings!(EnvoyRateLimitConfig);
