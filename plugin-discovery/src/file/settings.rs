//! The keys that configuration files have for a file.

use std::time::Duration;

use plugin_core::{
    ConfigError,
    settings::{Key, Kind, Settings, Table, Values},
};

use super::FileConfig;

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

static TABLE: Table = Table::new(
    "discovery.file",
    "How often a file of instances is read.",
    &[Key::new("interval", Kind::time_in(SHORTEST, LONGEST), "The time between two looks at the file.").default("1s")],
);

impl Settings for FileConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        Self::builder().with_interval(values.time("interval").unwrap_or(Self::default().interval())).build()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE).with("interval", self.interval())
    }
}

plugin_core::serde_by_settings!(FileConfig);
