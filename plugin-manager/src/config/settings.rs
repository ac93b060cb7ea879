//! The whole configuration.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use plugin_breaker::CircuitBreakerConfig;
use plugin_core::Code;
use plugin_core::settings::{Checked, Key, Kind, Settings, Table};
use plugin_settings::{Faults, Keys, Span};
use plugin_transports::ConnectionConfig;

use super::admin::{self, AdminConfig};
use super::concerns::{self, CIRCUIT_BREAKER, HEALTH_CHECK, RETRY};
use super::disk;
use super::limits::{self, RATE_LIMIT};
use super::logging::{self, LEVELS, LoggingConfig};
use super::plugin::{self, PluginConfig};
use super::server::{self, ServerConfig};

pub(super) static TABLE: Table = Table::new(
    "config",
    "The configuration of a gateway.",
    &[
        Key::new("log_level", Kind::AnyCase(LEVELS), "Another name of `logging.level`.")
            .derived_default("info")
            .alias(),
        Key::new("logging", Kind::Section(&logging::TABLE), "What is logged, and how."),
        Key::new(
            "metrics_port",
            Kind::integer(1, 65_535),
            "The port of the admin plane, when `admin.listen` is absent.",
        )
        .derived_default("9090")
        .alias(),
        Key::new("default_retry", Kind::Optional(&RETRY), "What holds where a plugin's `retry` says nothing."),
        Key::new(
            "default_circuit_breaker",
            Kind::Optional(&CIRCUIT_BREAKER),
            "What holds where a plugin's `circuit_breaker` says nothing.",
        ),
        Key::new(
            "default_health_check",
            Kind::Optional(&HEALTH_CHECK),
            "What holds where a plugin's `health_check` says nothing.",
        ),
        Key::new(
            "default_connection",
            Kind::Optional(ConnectionConfig::TABLE),
            "What holds where a plugin's `connection` says nothing.",
        ),
        Key::new(
            "default_rate_limit",
            Kind::Optional(&RATE_LIMIT),
            "What holds where a plugin's `rate_limit` says nothing.",
        ),
        Key::new("plugins", Kind::List(&plugin::TABLE), "The plugins; at least one."),
        Key::new("server", Kind::Section(&server::TABLE), "The data plane."),
        Key::new("admin", Kind::Section(&admin::TABLE), "The admin plane."),
        Key::new("start", Kind::Section(&START), "How plugins are started."),
        Key::new(
            "lame_duck",
            Kind::time_or_zero(),
            "How long the gateway goes on serving when it is told to stop, while `/readyz` says that it leaves.",
        )
        .default("0s"),
        Key::new("shutdown_timeout", Kind::time_or_zero(), "How long calls in flight may take to finish at the end.")
            .default("30s"),
    ],
);

/// So many plugins may be starting at once, where nothing else is said.
pub(crate) const START_AT_ONCE: usize = 8;

static START: Table = Table::new(
    "start",
    "How plugins are started.",
    &[Key::new("max_concurrent", Kind::integer(1, 10_000), "Plugins that may be starting at once.").default("8")],
);

/// A configuration in which nothing is wrong, but perhaps how a plugin is reached that a registered factory may make
/// ([`check_types`](Self::check_types)). `Debug` shows no secret.
///
/// ```
/// use std::path::Path;
///
/// use plugin_manager::config;
///
/// let text = "
/// plugins:
///   - {name: billing, transport: http, endpoint: 'http://127.0.0.1:8001/'}
/// shutdown_timeout: 10s
/// ";
/// let config = config::from_text(Path::new("gateway.yaml"), text, None, &|_| None)?; // no variables
/// assert_eq!(config.plugins().len(), 1);
/// assert_eq!(config.shutdown_timeout().as_secs(), 10);
///
/// let text = text.replace("10s", "soon");
/// let faults = config::from_text(Path::new("gateway.yaml"), &text, None, &|_| None).expect_err("no duration");
/// assert!(faults.to_string().starts_with("gateway.yaml:4:19: shutdown_timeout: "), "{faults}");
/// # Ok::<(), plugin_settings::Faults>(())
/// ```
#[derive(Clone)]
pub struct Config {
    logging: LoggingConfig,
    plugins: Vec<PluginConfig>,
    server: ServerConfig,
    admin: AdminConfig,
    start_at_once: usize,
    lame_duck: Duration,
    shutdown_timeout: Duration,
    unread: Vec<String>,
}

impl Config {
    /// Files that were not looked at since their disk did not answer within ten seconds, such as `the files of TLS of plugin "a"`.
    /// What is wrong with them the plugins' starts will tell.
    #[must_use]
    pub fn unread(&self) -> &[String] {
        &self.unread
    }

    /// What is logged, and how.
    #[must_use]
    pub fn logging(&self) -> &LoggingConfig {
        &self.logging
    }

    /// The plugins: at least one, those with a higher `priority` first, else in the order of the file.
    #[must_use]
    pub fn plugins(&self) -> &[PluginConfig] {
        &self.plugins
    }

    /// Checks how plugins are made, of all but those whose `type` names a registered factory, which makes them whatever
    /// their `transport` says or lacks: one of the transport `inproc` that is enabled is then made by nobody. Who starts the plugins finds the same; this tells it before anything is started.
    ///
    /// # Errors
    ///
    /// What is wrong, or missing, each with its place.
    pub fn check_types(&self, is_registered: impl Fn(&str) -> bool) -> Result<(), Faults> {
        let mut all = Faults::new();
        for plugin in self.plugins.iter().filter(|plugin| !plugin.kind().is_some_and(&is_registered)) {
            all.append(plugin.unmade().clone());
        }
        all.into_result(())
    }

    /// The data plane.
    #[must_use]
    pub fn server(&self) -> &ServerConfig {
        &self.server
    }

    /// The admin plane.
    #[must_use]
    pub fn admin(&self) -> &AdminConfig {
        &self.admin
    }

    /// Plugins that may be starting at once.
    #[must_use]
    pub fn start_at_once(&self) -> usize {
        self.start_at_once
    }

    /// How long it goes on serving when it is told to stop, while `/readyz` says that it leaves.
    #[must_use]
    pub fn lame_duck(&self) -> Duration {
        self.lame_duck
    }

    /// How long calls in flight may take to finish at the end.
    #[must_use]
    pub fn shutdown_timeout(&self) -> Duration {
        self.shutdown_timeout
    }

    /// This configuration with another data plane.
    #[must_use]
    pub fn with_server(mut self, server: ServerConfig) -> Self {
        self.server = server;
        self
    }

    /// This configuration with another admin plane.
    #[must_use]
    pub fn with_admin(mut self, admin: AdminConfig) -> Self {
        self.admin = admin;
        self
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("logging", &self.logging)
            .field("plugins", &self.plugins)
            .field("server", &self.server)
            .field("admin", &self.admin)
            .field("start_at_once", &self.start_at_once)
            .field("lame_duck", &self.lame_duck)
            .field("shutdown_timeout", &self.shutdown_timeout)
            .field("unread", &self.unread)
            .finish()
    }
}

pub(super) fn read(keys: &mut Keys<'_>) -> Option<Config> {
    // Written under `logging` already; here it is only checked.
    let _: Option<tracing::Level> = keys.word("log_level", logging::level);
    let port = keys.integer("metrics_port").or(Some(9090).filter(|_| !keys.has("metrics_port")));
    // Each is read for its own faults; what it says is under every plugin already.
    let _ = concerns::retry(keys, "default_retry");
    let _: Option<CircuitBreakerConfig> = keys.settings("default_circuit_breaker");
    let _ = concerns::health_check(keys, "default_health_check");
    let _: Option<ConnectionConfig> = keys.settings("default_connection");
    let _ = limits::rate_limit(keys, "default_rate_limit");
    let logging = keys.section("logging", logging::read);
    let server = keys.section("server", server::read).flatten();
    let admin = keys.section("admin", |keys| admin::read(keys, port)).flatten();
    if let (Some(server), Some(admin)) = (&server, &admin)
        && is_same(server.listen(), admin.listen())
    {
        let (server, admin) = (server.listen(), admin.listen());
        let problem =
            format!("the data plane listens there already (`server.listen` is {server}, and this is {admin})");
        keys.fault("admin.listen", Code::ConfigValue, format!("{problem}; give one of them another port"));
    }
    let start_at_once = keys.section("start", |keys| keys.integer("max_concurrent")).flatten();
    let (lame_duck, shutdown_timeout) = (keys.time("lame_duck"), keys.time("shutdown_timeout"));
    let mut plugins = plugins(keys)?;
    limits::check_across(keys, &plugins, server.as_ref());
    plugins.sort_by_key(|plugin| std::cmp::Reverse(plugin.priority()));
    Some(Config {
        logging: logging?,
        plugins,
        server: server?,
        admin: admin?,
        start_at_once: start_at_once?,
        lame_duck: lame_duck?,
        shutdown_timeout: shutdown_timeout?,
        unread: disk::unread(),
    })
}

/// Whether two cannot listen there at once: an address of all interfaces takes the port of each.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    let (first, second) = (one.ip().to_canonical(), other.ip().to_canonical());
    let all = |ip: IpAddr, other: IpAddr| ip.is_unspecified() && (ip.is_ipv6() || other.is_ipv4());
    one.port() == other.port() && (first == second || all(first, second) || all(second, first))
}

fn plugins(keys: &mut Keys<'_>) -> Option<Vec<PluginConfig>> {
    let mut places: HashMap<String, Span> = HashMap::new();
    let none = match keys.checked("plugins") {
        Some(Checked::List(plugins)) => plugins.is_empty(),
        _ => !keys.has("plugins"),
    };
    if none {
        keys.fault("plugins", Code::NoPluginsConfigured, "there are no plugins; a gateway needs at least one");
    }
    keys.sections("plugins", |keys, _| {
        if let Some(name) = keys.text("name") {
            let span = keys.span("name");
            match places.get(&name) {
                Some(first) => {
                    let problem =
                        format!("the plugin {name:?} is there already, at {first}; each needs a name of its own");
                    keys.fault("name", Code::DuplicateName, problem);
                }
                None => drop(places.insert(name, span)),
            }
        }
        plugin::read(keys)
    })
}
