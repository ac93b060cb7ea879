//! The keys that configuration files have for weights that backends report.

use std::time::Duration;

use plugin_core::{
    ConfigError,
    settings::{Key, Kind, Settings, Table, Values},
};

use super::ReportedWeightsConfig;

static TABLE: Table = Table::new(
    "reported_weights",
    "How the reports of backends become weights.",
    &[
        Key::new(
            "blackout_period",
            Kind::time_or_zero(),
            "For how long an instance must report before its weight is used, when it is new or its last weight has \
             expired.",
        )
        .derived_default("10s"),
        Key::new("weight_expiration_period", Kind::time(), "For how long the last report of an instance holds.")
            .derived_default("3m"),
        Key::new(
            "weight_update_period",
            Kind::time_from(Duration::from_millis(100)),
            "How often the weights are read anew.",
        )
        .derived_default("1s"),
        Key::new(
            "error_utilization_penalty",
            Kind::number(0.0, 1e3),
            "The share of its requests that fail, times this, is added to the utilization of an instance.",
        )
        .derived_default("1.0"),
    ],
);

impl Settings for ReportedWeightsConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        let time = |key, default| values.time(key).unwrap_or(default);
        Self::builder()
            .with_blackout_period(time("blackout_period", default.blackout_period()))
            .with_weight_expiration_period(time("weight_expiration_period", default.weight_expiration_period()))
            .with_weight_update_period(time("weight_update_period", default.weight_update_period()))
            .with_error_utilization_penalty(
                values.number("error_utilization_penalty").unwrap_or(default.error_utilization_penalty()),
            )
            .build()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE)
            .with("blackout_period", self.blackout_period())
            .with("weight_expiration_period", self.weight_expiration_period())
            .with("weight_update_period", self.weight_update_period())
            .with("error_utilization_penalty", self.error_utilization_penalty())
    }
}

plugin_core::serde_by_settings!(ReportedWeightsConfig);
