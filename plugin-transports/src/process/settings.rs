//! The keys that configuration files have for a subprocess: what it may use, and when it is started again.

use plugin_core::{
    ConfigError,
    settings::{Key, Kind, Settings, Table, Values},
};

use super::{ResourceLimits, RestartConfig};

static RESTART: Table = Table::new("restart", "When a subprocess that died is started again.", &[
    Key::new("initial", Kind::time(), "The wait before the first restart; each further one is twice as long.")
        .default("100ms"),
    Key::new("max", Kind::time(), "The longest wait; at least `initial`.").default("30s"),
    Key::new("window", Kind::time(), "The time over which deaths are counted.").default("60s"),
    Key::new(
        "max_in_window",
        Kind::integer(0, 1000),
        "Deaths within `window` that are followed by a restart. One more, and the plugin has failed: it is tried again every \
         `max`; with 0, never by itself.",
    )
    .default("5"),
]);

static RESOURCES: Table = Table::new(
    "resources",
    "What a subprocess may use; no limits by default.",
    &[
        Key::new(
            "max_memory_mb",
            Kind::integer(1, 1 << 40),
            "Writable memory in MiB (`RLIMIT_DATA`). Beyond it the plugin's allocations fail.",
        ),
        Key::new("max_file_handles", Kind::integer(1, 1 << 40), "Open files (`RLIMIT_NOFILE`)."),
    ],
);

impl Settings for RestartConfig {
    const TABLE: &'static Table = &RESTART;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        Self::new(
            values.time("initial").unwrap_or(default.initial()),
            values.time("max").unwrap_or(default.max()),
            values.time("window").unwrap_or(default.window()),
            values.integer("max_in_window").unwrap_or(default.max_in_window()),
        )
    }

    fn to_values(&self) -> Values {
        Values::new(&RESTART)
            .with("initial", self.initial())
            .with("max", self.max())
            .with("window", self.window())
            .with("max_in_window", self.max_in_window())
    }
}

impl Settings for ResourceLimits {
    const TABLE: &'static Table = &RESOURCES;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let mut limits = Self::new();
        if let Some(megabytes) = values.integer::<u64>("max_memory_mb") {
            limits = limits.with_memory(megabytes << 20);
        }
        if let Some(count) = values.integer("max_file_handles") {
            limits = limits.with_file_handles(count);
        }
        Ok(limits)
    }

    fn to_values(&self) -> Values {
        Values::new(&RESOURCES)
            .with("max_memory_mb", self.memory().map(|bytes| bytes >> 20))
            .with("max_file_handles", self.file_handles())
    }
}

plugin_core::serde_by_settings!(RestartConfig);
plugin_core::serde_by_settings!(ResourceLimits);
