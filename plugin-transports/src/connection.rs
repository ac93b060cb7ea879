//! The settings of a transport's connections.

use std::time::Duration;

use plugin_core::{
    ConfigError,
    settings::{self, Key, Kind, Settings, Table, Values},
};

use crate::names::{CONNECTED, NETWORK, ONE_BY_ONE, OVER_HTTP};

/// How a transport connects to its plugin. A value that exists is valid.
///
/// The [page of the crate](crate#settings) has the keys, with their defaults and bounds.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_transports::ConnectionConfig;
///
/// let config = ConnectionConfig::builder().with_max_connections(20).build()?;
/// assert_eq!(config.max_connections(), 20);
///
/// let fault = ConnectionConfig::builder().with_connection_timeout(Duration::ZERO).build().expect_err("no time");
/// assert_eq!(fault.to_string(), "`connection_timeout` must be longer than zero, and is 0s");
/// # Ok::<(), plugin_transports::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    max_connections: usize,
    max_idle_connections: usize,
    idle_timeout: Duration,
    connection_timeout: Duration,
    request_timeout: Duration,
    keep_alive: bool,
    disable_compression: bool,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            max_connections: 10,
            max_idle_connections: 5,
            idle_timeout: Duration::from_secs(30),
            connection_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            keep_alive: true,
            disable_compression: false,
        }
    }
}

impl ConnectionConfig {
    /// Starts from the defaults.
    pub fn builder() -> ConnectionConfigBuilder {
        ConnectionConfigBuilder(Self::default())
    }

    /// The most connections at once. Over HTTP/2 calls share one, as many at once as the plugin takes on it; another is opened
    /// beside it where that is used up.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// The most idle connections that are kept.
    #[must_use]
    pub fn max_idle_connections(&self) -> usize {
        self.max_idle_connections
    }

    /// How long an idle connection is kept.
    #[must_use]
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// How long connecting may take.
    #[must_use]
    pub fn connection_timeout(&self) -> Duration {
        self.connection_timeout
    }

    /// How long an attempt may take.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// Whether a connection serves more than one call.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether compressed answers are not asked for.
    #[must_use]
    pub fn disable_compression(&self) -> bool {
        self.disable_compression
    }
}

/// Collects the settings of a [`ConnectionConfig`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ConnectionConfigBuilder(ConnectionConfig);

impl ConnectionConfigBuilder {
    /// Caps the connections. Over HTTP/2 calls share one, as many at once as the plugin takes on it; another is opened beside it
    /// where that is used up, and those for whom there is neither wait in line.
    pub fn with_max_connections(mut self, max: usize) -> Self {
        self.0.max_connections = max;
        self
    }

    /// Caps the idle connections.
    pub fn with_max_idle_connections(mut self, max: usize) -> Self {
        self.0.max_idle_connections = max;
        self
    }

    /// Sets how long an idle connection is kept.
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.0.idle_timeout = timeout;
        self
    }

    /// Limits the time for connecting.
    pub fn with_connection_timeout(mut self, timeout: Duration) -> Self {
        self.0.connection_timeout = timeout;
        self
    }

    /// Limits the time for an attempt.
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.0.request_timeout = timeout;
        self
    }

    /// Sets whether a connection serves more than one call.
    pub fn with_keep_alive(mut self, on: bool) -> Self {
        self.0.keep_alive = on;
        self
    }

    /// Sets whether compressed answers are not asked for.
    pub fn with_disable_compression(mut self, on: bool) -> Self {
        self.0.disable_compression = on;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first setting that is out of its bounds, and what would be right.
    pub fn build(self) -> Result<ConnectionConfig, ConfigError> {
        settings::fitting(self.0)
    }
}

static TABLE: Table = Table::new(
    "connection",
    "How a transport connects to its plugin.",
    &[
        Key::new(
            "max_connections",
            Kind::integer(1, MOST_CONNECTIONS as i128),
            "Connections at once, a real cap: further calls wait in line, first come first served. Over HTTP/2 calls share one, \
             and another is opened where the plugin takes no more calls on it.",
        )
        .default("10")
        .go()
        .only(NETWORK),
        Key::new(
            "max_idle_connections",
            Kind::integer(0, MOST_CONNECTIONS as i128),
            "Connections that are kept open between calls; 0 keeps none.",
        )
        .default("5")
        .go()
        .only(ONE_BY_ONE),
        Key::new("idle_timeout", Kind::time(), "After which an idle connection is closed.")
            .default("30s")
            .go()
            .only(NETWORK),
        Key::new(
            "connection_timeout",
            Kind::time(),
            "For one connection: name lookup, connect, TLS. For a subprocess the start timeout: from its start until it is ready.",
        )
        .default("10s")
        .go()
        .only(CONNECTED),
        Key::new(
            "request_timeout",
            Kind::time(),
            "For one attempt, the wait for a connection included; a call has a limit of its own.",
        )
        .default("30s")
        .go(),
        Key::new("keep_alive", Kind::Bool, "Whether a connection serves more than one call.")
            .default("true")
            .go()
            .only(ONE_BY_ONE),
        Key::new("disable_compression", Kind::Bool, "Whether compressed answers are not asked for.")
            .default("false")
            .go()
            .only(OVER_HTTP),
    ],
);

const MOST_CONNECTIONS: usize = 65_536;

impl Settings for ConnectionConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        ConnectionConfigBuilder(Self {
            max_connections: values.integer("max_connections").unwrap_or(default.max_connections),
            max_idle_connections: values.integer("max_idle_connections").unwrap_or(default.max_idle_connections),
            idle_timeout: values.time("idle_timeout").unwrap_or(default.idle_timeout),
            connection_timeout: values.time("connection_timeout").unwrap_or(default.connection_timeout),
            request_timeout: values.time("request_timeout").unwrap_or(default.request_timeout),
            keep_alive: values.bool("keep_alive").unwrap_or(default.keep_alive),
            disable_compression: values.bool("disable_compression").unwrap_or(default.disable_compression),
        })
        .build()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE)
            .with("max_connections", self.max_connections)
            .with("max_idle_connections", self.max_idle_connections)
            .with("idle_timeout", self.idle_timeout)
            .with("connection_timeout", self.connection_timeout)
            .with("request_timeout", self.request_timeout)
            .with("keep_alive", self.keep_alive)
            .with("disable_compression", self.disable_compression)
    }
}

plugin_core::serde_by_settings!(ConnectionConfig);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        let field = |builder: ConnectionConfigBuilder| builder.build().expect_err("out of bounds").field();
        let builder = ConnectionConfig::builder;
        assert_eq!(builder().build().expect("the defaults"), ConnectionConfig::default());
        assert_eq!(field(builder().with_max_connections(0)), "max_connections");
        assert_eq!(field(builder().with_max_connections(65_537)), "max_connections");
        assert_eq!(field(builder().with_idle_timeout(Duration::ZERO)), "idle_timeout");
        assert_eq!(field(builder().with_connection_timeout(Duration::ZERO)), "connection_timeout");
        assert_eq!(field(builder().with_request_timeout(Duration::ZERO)), "request_timeout");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_document_is_read_strictly_and_written_back() {
        let read = |json: &str| serde_json::from_str::<ConnectionConfig>(json).map_err(|error| error.to_string());
        let config = read(r#"{"max_connections":3,"idle_timeout":"1m30s","request_timeout":5000000}"#).expect("valid");
        assert_eq!((config.max_connections(), config.idle_timeout()), (3, Duration::from_secs(90)));
        assert_eq!(config.request_timeout(), Duration::from_millis(5));
        assert_eq!(read(&serde_json::to_string(&config).expect("plain")).expect("its own"), config);
        assert!(read(r#"{"max_connections":0}"#).expect_err("zero").contains("`max_connections` must be from 1"));
        assert!(read(r#"{"max_conections":1}"#).expect_err("unknown").contains("unknown field"));
    }
}
