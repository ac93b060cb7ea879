//! The keys that configuration files have for a subprocess: how it is started, what it may use, and when it is started
//! again.

use std::path::PathBuf;

use plugin_core::{
    ConfigError,
    settings::{self, Given, Key, Kind, Settings, Table, Values},
};
use serde_json::Value as Json;

use super::{ProcessConfig, ResourceLimits, RestartConfig, StderrConfig, config, log_limits};
use crate::{
    lines::{client::MAX_IN_FLIGHT, split::LEAST_LINE},
    names::{EXEC, LINES},
    options,
};

static PROCESS: Table = Table::new(
    "process",
    "How a subprocess is started, and what bounds it.",
    &[
        Key::new("name", Kind::Text, "The plugin's name; the process is told it as `PLUGIN_NAME`.").required(),
        Key::new("type", Kind::Text, "Told to the process as `PLUGIN_TYPE`."),
        Key::new("version", Kind::Text, "Told to the process as `PLUGIN_VERSION`."),
        Key::new(
            "executable",
            Kind::Text,
            "A path, relative to the host's working directory, or the bare name of a program in the host's `PATH`.",
        )
        .required(),
        Key::new("args", Kind::Texts, "Its arguments.").only(EXEC),
        Key::new(
            "env",
            Kind::TextMap,
            "Its environment; nothing of the host's is in it but what `env_allow` names. None of the protocol's own names.",
        )
        .only(EXEC),
        Key::new("env_allow", Kind::Texts, "Variables that it gets from the host's environment, where they are set.")
            .only(EXEC),
        Key::new("work_dir", Kind::Path, "The directory that it works in.").derived_default("the host's"),
        Key::new("options", Kind::Object, "What it is told once, before its first call."),
        Key::new("resources", Kind::Section(&RESOURCES), "What it may use.").only(EXEC),
        Key::new("restart", Kind::Section(&RESTART), "When it is started again after it died.").only(EXEC),
        Key::new("stderr", Kind::Section(&STDERR), "How much of its standard error is logged.").only(EXEC),
        Key::new(
            "no_new_privs",
            Kind::Bool,
            "Whether it cannot gain privileges by executing set-user-ID files.",
        )
        .default("true"),
        Key::new("start_timeout", Kind::time(), "From its start until it is ready, `init` included.").default("10s"),
        Key::new("request_timeout", Kind::time(), "For one call; the call's own deadline holds where it is earlier.")
            .default("30s"),
        Key::new("shutdown_grace", Kind::time(), "How long it may take to stop with no calls in flight, or when nobody closed it explicitly.")
            .default("5s"),
        Key::new(
            "max_in_flight",
            Kind::integer(1, MAX_IN_FLIGHT as i128),
            "Calls at once; more are refused with `OVERLOAD_2001`.",
        )
        .default("1024"),
        Key::new(
            "max_queued_bytes",
            Kind::size(0, usize::MAX as u64),
            "Bytes of requests that it has not read; more are refused with `OVERLOAD_2002`.",
        )
        .default("16MiB"),
        Key::new(
            "max_line",
            Kind::size(LEAST_LINE as u64, config::MOST_LINE as u64),
            "The longest request, with all that travels with it, and the longest reply.",
        )
        .default("4MiB")
        .only(LINES),
        Key::new(
            "max_noise",
            Kind::integer(1, u32::MAX as i128),
            "Lines in a row on its standard output that are no replies, after which it is started again.",
        )
        .default("16")
        .only(EXEC),
    ],
);

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

static STDERR: Table = Table::new(
    "stderr",
    "How much of what a subprocess writes to standard error is logged.",
    &[
        Key::new(
            "lines_per_second",
            Kind::integer(1, log_limits::MOST_LINES as i128),
            "Lines that are logged in a second; more are dropped, counted, and told of.",
        )
        .default("100"),
        Key::new(
            "max_line",
            Kind::size(log_limits::LEAST_LINE as u64, log_limits::MOST_LINE as u64),
            "Of a longer line its beginning is logged.",
        )
        .default("16KiB"),
    ],
);

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

impl Settings for StderrConfig {
    const TABLE: &'static Table = &STDERR;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        Self::new(
            values.integer("lines_per_second").unwrap_or(default.lines_per_second),
            bytes(values, "max_line").unwrap_or(default.max_line),
        )
    }

    fn to_values(&self) -> Values {
        Values::new(&STDERR)
            .with("lines_per_second", self.lines_per_second)
            .with("max_line", Given::size(self.max_line))
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
        settings::fitting(limits)
    }

    fn to_values(&self) -> Values {
        Values::new(&RESOURCES)
            .with("max_memory_mb", self.memory().map(|bytes| bytes >> 20))
            .with("max_file_handles", self.file_handles())
    }
}

/// Variables and options may be secrets, and are left out of what is written.
impl Settings for ProcessConfig {
    const TABLE: &'static Table = &PROCESS;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let text = |key| values.text(key).unwrap_or_default();
        let texts = |key| values.texts(key).unwrap_or_default();
        let mut builder = Self::builder(text("name"), PathBuf::from(text("executable")))
            .with_kind(text("type"))
            .with_version(text("version"))
            .with_args(texts("args"));
        for (name, value) in values.map("env").unwrap_or_default() {
            builder = builder.with_env(name, value);
        }
        for name in texts("env_allow") {
            builder = builder.with_env_allow(name);
        }
        if let Some(dir) = values.text("work_dir") {
            builder = builder.with_work_dir(dir);
        }
        if let Some(Json::Object(options)) = values.any("options").map(options::json) {
            builder = builder.with_options(options);
        }
        if let Some(values) = values.section("resources") {
            builder =
                builder.with_resources(ResourceLimits::from_values(values).map_err(|error| error.within("resources"))?);
        }
        if let Some(values) = values.section("restart") {
            builder =
                builder.with_restart(RestartConfig::from_values(values).map_err(|error| error.within("restart"))?);
        }
        if let Some(values) = values.section("stderr") {
            builder = builder.with_stderr(StderrConfig::from_values(values).map_err(|error| error.within("stderr"))?);
        }
        if let Some(on) = values.bool("no_new_privs") {
            builder = builder.with_no_new_privs(on);
        }
        if let Some(time) = values.time("start_timeout") {
            builder = builder.with_start_timeout(time);
        }
        if let Some(time) = values.time("request_timeout") {
            builder = builder.with_request_timeout(time);
        }
        if let Some(time) = values.time("shutdown_grace") {
            builder = builder.with_shutdown_grace(time);
        }
        if let Some(calls) = values.integer("max_in_flight") {
            builder = builder.with_max_in_flight(calls);
        }
        if let Some(bytes) = bytes(values, "max_queued_bytes") {
            builder = builder.with_max_queued_bytes(bytes);
        }
        if let Some(bytes) = bytes(values, "max_line") {
            builder = builder.with_max_line(bytes);
        }
        if let Some(lines) = values.integer("max_noise") {
            builder = builder.with_max_noise(lines);
        }
        builder.build()
    }

    fn to_values(&self) -> Values {
        let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        let texts = |list: &[std::ffi::OsString]| list.iter().map(|item| text(item)).collect::<Vec<_>>();
        let told = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Values::new(&PROCESS)
            .with("name", self.name.as_str())
            .with("type", told(&self.kind))
            .with("version", told(&self.version))
            .with("executable", text(self.executable.as_os_str()))
            .with("args", texts(&self.args))
            .with("env_allow", texts(&self.env_allow))
            .with("work_dir", self.work_dir.as_ref().map(|dir| text(dir.as_os_str())))
            .with("resources", self.resources.to_values())
            .with("restart", self.restart.to_values())
            .with("stderr", self.stderr.to_values())
            .with("no_new_privs", self.no_new_privs)
            .with("start_timeout", self.start_timeout)
            .with("request_timeout", self.request_timeout)
            .with("shutdown_grace", self.shutdown_grace)
            .with("max_in_flight", self.limits.in_flight)
            .with("max_queued_bytes", Given::size(self.limits.queued_bytes))
            .with("max_line", Given::size(self.limits.line))
            .with("max_noise", self.limits.noise)
    }
}

fn bytes(values: &Values, key: &str) -> Option<usize> {
    values.size(key).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}

plugin_core::serde_by_settings!(ProcessConfig, read only);
plugin_core::serde_by_settings!(RestartConfig);
plugin_core::serde_by_settings!(ResourceLimits);
plugin_core::serde_by_settings!(StderrConfig);
