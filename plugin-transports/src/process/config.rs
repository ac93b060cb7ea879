//! How a plugin's process is started and what bounds it.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};

use plugin_core::{ConfigError, settings};
use serde_json::{Map, Value};

use super::{ResourceLimits, RestartConfig, StderrConfig};
use crate::{json, lines::client::LineLimits, wire::confidential::Confidential};

/// Settings of a plugin that runs as a process of its own. Made by [`ProcessConfig::builder`].
///
/// The [page of the crate](crate#settings) has the keys, with their defaults and bounds.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_transports::process::ProcessConfig;
///
/// let config = ProcessConfig::builder("greeter", "python3").with_arg("greeter.py").with_work_dir("plugins").build()?;
/// assert_eq!(config.name(), "greeter");
///
/// let fault = ProcessConfig::builder("greeter", "python3").with_start_timeout(Duration::ZERO).build();
/// assert_eq!(fault.expect_err("no time to start").to_string(), "`start_timeout` must be longer than zero, and is 0s");
/// # Ok::<(), plugin_transports::plugin_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ProcessConfig {
    pub(super) name: String,
    pub(super) executable: PathBuf,
    pub(super) args: Vec<OsString>,
    pub(super) env: BTreeMap<OsString, OsString>,
    pub(super) env_allow: Vec<OsString>,
    pub(super) work_dir: Option<PathBuf>,
    pub(super) kind: String,
    pub(super) version: String,
    pub(super) options: Map<String, Value>,
    pub(super) resources: ResourceLimits,
    pub(super) no_new_privs: bool,
    pub(super) restart: RestartConfig,
    pub(super) stderr: StderrConfig,
    pub(super) start_timeout: Duration,
    pub(super) request_timeout: Duration,
    /// Whether the service keeps that limit itself.
    pub(super) keeps_request_timeout: bool,
    pub(super) shutdown_grace: Duration,
    pub(super) check_limit: Duration,
    pub(super) limits: LineLimits,
}

impl ProcessConfig {
    /// Settings for the plugin `name`, which runs `executable`: a path, relative to the host's working directory, or
    /// the bare name of a program in the host's `PATH`.
    pub fn builder(name: impl Into<String>, executable: impl Into<PathBuf>) -> ProcessConfigBuilder {
        ProcessConfigBuilder(Self {
            name: name.into(),
            executable: executable.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            env_allow: Vec::new(),
            work_dir: None,
            kind: String::new(),
            version: String::new(),
            options: Map::new(),
            resources: ResourceLimits::default(),
            no_new_privs: true,
            restart: RestartConfig::default(),
            stderr: StderrConfig::default(),
            start_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            keeps_request_timeout: true,
            shutdown_grace: Duration::from_secs(5),
            check_limit: Duration::from_secs(5),
            limits: LineLimits {
                in_flight: 1024,
                queued_bytes: 16 << 20,
                line: 4 << 20,
                noise: 16,
                // That of a call, which `build` puts here.
                json: json::Limits::new(),
            },
        })
    }

    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The executable as it was given.
    #[must_use]
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// Limits the depth and the numbers of payloads and results. A payload that was [checked](crate::json::checked) before is
    /// not checked again.
    #[must_use]
    pub fn with_json_limits(mut self, limits: json::Limits) -> Self {
        self.limits.json = limits;
        self
    }

    /// Says how long a health check of this plugin may take, which is bounded by whoever makes it; five seconds if nobody says
    /// so. A check that has waited for three quarters of that behind calls, some of which were answered meanwhile, says that
    /// nothing has changed: a plugin that takes one call at a time has not come to it yet.
    #[must_use]
    pub fn with_check_limit(mut self, limit: Duration) -> Self {
        self.check_limit = limit;
        self
    }
}

impl ProcessConfig {
    /// What the process is given, and nobody is to hear from it.
    pub(super) fn confidential(&self) -> Confidential {
        let allowed = self.env_allow.iter().filter_map(std::env::var_os);
        let texts: Vec<_> =
            allowed.chain(self.env.values().cloned()).filter_map(|text| text.into_string().ok()).collect();
        Confidential::of(&self.options, texts.iter().map(String::as_str))
    }
}

/// Values of variables and options may be secrets: only their names are shown.
impl fmt::Debug for ProcessConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessConfig")
            .field("name", &self.name)
            .field("executable", &self.executable)
            .field("args", &self.args)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("env_allow", &self.env_allow)
            .field("work_dir", &self.work_dir)
            .field("kind", &self.kind)
            .field("version", &self.version)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .field("resources", &self.resources)
            .field("no_new_privs", &self.no_new_privs)
            .field("restart", &self.restart)
            .field("stderr", &self.stderr)
            .field("start_timeout", &self.start_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("keeps_request_timeout", &self.keeps_request_timeout)
            .field("shutdown_grace", &self.shutdown_grace)
            .field("check_limit", &self.check_limit)
            .field("max_in_flight", &self.limits.in_flight)
            .field("max_queued_bytes", &self.limits.queued_bytes)
            .field("max_line", &self.limits.line)
            .field("max_noise", &self.limits.noise)
            .finish()
    }
}

/// Collects the settings of a [`ProcessConfig`], each under the name of its key. JSON is bounded by
/// [`ProcessConfig::with_json_limits`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ProcessConfigBuilder(ProcessConfig);

/// The longest that `max_line` may be.
pub(super) const MOST_LINE: usize = 1 << 30;

/// Names that the protocol sets itself.
const RESERVED: [&str; 6] = [
    super::env::COOKIE,
    super::env::PROTOCOL,
    super::env::TYPE,
    super::env::NAME,
    super::env::VERSION,
    super::env::OPTIONS,
];

impl ProcessConfigBuilder {
    /// Adds an argument.
    pub fn with_arg(mut self, arg: impl Into<OsString>) -> Self {
        self.0.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn with_args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.0.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the process's environment. Stronger than `env_allow`.
    pub fn with_env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.0.env.insert(name.into(), value.into());
        self
    }

    /// Takes a variable over from the host's environment, when it is set there at the start of the process.
    pub fn with_env_allow(mut self, name: impl Into<OsString>) -> Self {
        self.0.env_allow.push(name.into());
        self
    }

    /// Sets the directory that the process works in.
    pub fn with_work_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.0.work_dir = Some(dir.into());
        self
    }

    /// Tells the process its type.
    pub fn with_kind(mut self, kind: impl Into<String>) -> Self {
        self.0.kind = kind.into();
        self
    }

    /// Tells the process the version that is configured for it.
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.0.version = version.into();
        self
    }

    /// Sets what the plugin is told once, before its first call: as the payload of `init` when the plugin has that
    /// method, and in the variable `PLUGIN_OPTIONS` (up to 96 KiB) for those that have not.
    pub fn with_options(mut self, options: Map<String, Value>) -> Self {
        self.0.options = options;
        self
    }

    /// Limits what the process may use.
    pub fn with_resources(mut self, resources: ResourceLimits) -> Self {
        self.0.resources = resources;
        self
    }

    /// Lets the process gain privileges by executing set-user-ID files (`false`), or not (`true`).
    pub fn with_no_new_privs(mut self, on: bool) -> Self {
        self.0.no_new_privs = on;
        self
    }

    /// Sets when a process that died is started again.
    pub fn with_restart(mut self, restart: RestartConfig) -> Self {
        self.0.restart = restart;
        self
    }

    /// Sets how much of its stderr is logged.
    pub fn with_stderr(mut self, stderr: StderrConfig) -> Self {
        self.0.stderr = stderr;
        self
    }

    /// Limits the time from start to readiness.
    pub fn with_start_timeout(mut self, timeout: Duration) -> Self {
        self.0.start_timeout = timeout;
        self
    }

    /// Limits the time of one call.
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.0.request_timeout = timeout;
        self
    }

    /// Leaves the limit of an attempt, and the call's deadline, to a layer outside, such as
    /// `plugin_core::deadline::AttemptTimeoutLayer`: the plugin is told the limit of that one, as it is when the call begins,
    /// and `request_timeout` only where there is no such layer.
    pub fn without_request_timeout(mut self) -> Self {
        self.0.keeps_request_timeout = false;
        self
    }

    /// Sets how long a process may take to stop that has no calls in flight, whatever time whoever closes it gives; and one
    /// that nobody closed explicitly.
    pub fn with_shutdown_grace(mut self, grace: Duration) -> Self {
        self.0.shutdown_grace = grace;
        self
    }

    /// Limits the calls in flight.
    pub fn with_max_in_flight(mut self, calls: usize) -> Self {
        self.0.limits.in_flight = calls;
        self
    }

    /// Limits the bytes of requests that wait for the plugin to read them.
    pub fn with_max_queued_bytes(mut self, bytes: usize) -> Self {
        self.0.limits.queued_bytes = bytes;
        self
    }

    /// Limits the length of a request and of a reply.
    pub fn with_max_line(mut self, bytes: usize) -> Self {
        self.0.limits.line = bytes;
        self
    }

    /// Limits the lines in a row that are not replies.
    pub fn with_max_noise(mut self, lines: u32) -> Self {
        self.0.limits.noise = lines;
        self
    }

    /// Checks the settings. Whether the executable is there is found out when it is started.
    ///
    /// # Errors
    ///
    /// Names the first setting that is out of its bounds, and what would be right.
    pub fn build(self) -> Result<ProcessConfig, ConfigError> {
        let config = self.0;
        let error = |field, problem: String| Err(ConfigError::new(field, problem));
        if config.name.is_empty() || has_nul(&config.name) {
            return error("name", "must not be empty, and must not hold a NUL".into());
        }
        if config.executable.as_os_str().is_empty() || has_nul(&config.executable) {
            return error("executable", "must be a path or the name of a program, without a NUL".into());
        }
        if let Some(arg) = config.args.iter().find(|arg| has_nul(arg)) {
            return error("args", format!("must not hold a NUL, as {arg:?} does"));
        }
        for name in config.env.keys().chain(&config.env_allow) {
            if name.is_empty() || name.as_bytes().contains(&b'=') || has_nul(name) {
                // Which may be one with its value, and is not shown.
                return error("env", "has a name that is none: it is empty, or holds `=` or a NUL".into());
            }
            if RESERVED.iter().any(|reserved| name == reserved) {
                return error("env", format!("must not set {name:?}, which the protocol sets itself"));
            }
        }
        if let Some((name, _)) = config.env.iter().find(|(_, value)| has_nul(value)) {
            return error("env", format!("must not hold a NUL, as the value of {name:?} does"));
        }
        if [&config.kind, &config.version].into_iter().any(has_nul) {
            return error("version", "and the type must not hold a NUL".into());
        }
        settings::fitting(config)
    }
}

fn has_nul(text: impl AsRef<OsStr>) -> bool {
    text.as_ref().as_bytes().contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(build: impl FnOnce(ProcessConfigBuilder) -> ProcessConfigBuilder) -> &'static str {
        build(ProcessConfig::builder("echo", "./echo")).build().expect_err("out of bounds").field()
    }

    #[test]
    fn values_that_may_be_secret_are_not_shown() {
        let options = serde_json::json!({"password": "hunter2"}).as_object().cloned().expect("an object");
        let builder = ProcessConfig::builder("db", "./db").with_env("TOKEN", "hunter2").with_options(options);
        let shown = format!("{builder:?} {:?}", builder.clone().build());
        assert!(shown.contains("TOKEN") && shown.contains("password") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        assert!(ProcessConfig::builder("echo", "./echo").build().is_ok());
        assert_eq!(ProcessConfig::builder("", "./echo").build().expect_err("no name").field(), "name");
        assert_eq!(ProcessConfig::builder("echo", "").build().expect_err("no file").field(), "executable");
        assert_eq!(field(|b| b.with_arg("a\0b")), "args");
        assert_eq!(field(|b| b.with_env("A=B", "c")), "env");
        assert_eq!(field(|b| b.with_env_allow("")), "env");
        assert_eq!(field(|b| b.with_env("PLUGIN_NAME", "other")), "env");
        assert_eq!(field(|b| b.with_env("A", "b\0c")), "env");
        assert_eq!(field(|b| b.with_start_timeout(Duration::ZERO)), "start_timeout");
        assert_eq!(field(|b| b.with_request_timeout(Duration::ZERO)), "request_timeout");
        assert_eq!(field(|b| b.with_max_in_flight(0)), "max_in_flight");
        assert_eq!(field(|b| b.with_max_in_flight(65_537)), "max_in_flight");
        assert_eq!(field(|b| b.with_max_line(1023)), "max_line");
        assert_eq!(field(|b| b.with_max_noise(0)), "max_noise");
    }
}
