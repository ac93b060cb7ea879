//! The keys that configuration files have for evidence from traffic.

use plugin_core::{
    ConfigError,
    settings::{Key, Kind, Settings, Table, Values},
};

use super::PassiveHealthConfig;
use crate::config::{LONGEST, SHORTEST};

static TABLE: Table = Table::new("passive_health", "When calls have a health check made before its time.", &[
    Key::new("failures", Kind::integer(1, 1_000_000), "Calls that fail in a row before a check is made.").default("5"),
    Key::new(
        "pace",
        Kind::time_in(SHORTEST, LONGEST),
        "The shortest time between two checks that calls ask for. After one that failed the next comes after this time, and then \
         after twice as long each time.",
    )
    .default("1s"),
]);

impl Settings for PassiveHealthConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        Self::builder()
            .with_failures(values.integer("failures").unwrap_or(default.failures()))
            .with_pace(values.time("pace").unwrap_or(default.pace()))
            .build()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE).with("failures", self.failures()).with("pace", self.pace())
    }
}

plugin_core::serde_by_settings!(PassiveHealthConfig);
