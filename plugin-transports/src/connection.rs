//! How a transport connects.

use std::time::Duration;

use plugin_core::ConfigError;

/// How a transport connects to its plugin.
///
/// | setting | default | |
/// |---|---|---|
/// | `max_connections` | 10 | 1 to 65536; a real cap: further calls wait in line, first come first served |
/// | `max_idle_connections` | 5 | kept open between calls; 0 keeps none |
/// | `idle_timeout` | 30 s | after which an idle connection is closed |
/// | `connection_timeout` | 10 s | for one connection: name lookup, connect, TLS |
/// | `request_timeout` | 30 s | for one attempt, the wait for a connection included |
/// | `keep_alive` | true | `false` uses each connection for one call |
/// | `disable_compression` | false | `true` does not ask for compressed answers |
///
/// A value that exists is valid: [`ConnectionConfigBuilder::build`] checks it, and so does serde.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(try_from = "raw::RawConnection", into = "raw::RawConnection"))]
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

    /// The most connections at once.
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
    /// Caps the connections.
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
        let config = self.0;
        if !(1..=65_536).contains(&config.max_connections) {
            let problem = format!("must be from 1 to 65536, and is {}", config.max_connections);
            return Err(ConfigError::new("max_connections", problem));
        }
        let times = [
            ("idle_timeout", config.idle_timeout),
            ("connection_timeout", config.connection_timeout),
            ("request_timeout", config.request_timeout),
        ];
        if let Some((field, _)) = times.into_iter().find(|(_, time)| time.is_zero()) {
            return Err(ConfigError::new(field, "must be longer than zero, and is 0s"));
        }
        Ok(config)
    }
}

#[cfg(feature = "serde")]
mod raw {
    use std::time::Duration;

    use plugin_core::ConfigError;

    use super::{ConnectionConfig, ConnectionConfigBuilder};

    #[derive(serde::Deserialize, serde::Serialize)]
    #[serde(deny_unknown_fields, default)]
    pub(super) struct RawConnection {
        max_connections: usize,
        max_idle_connections: usize,
        #[serde(with = "plugin_core::serde_duration")]
        idle_timeout: Duration,
        #[serde(with = "plugin_core::serde_duration")]
        connection_timeout: Duration,
        #[serde(with = "plugin_core::serde_duration")]
        request_timeout: Duration,
        keep_alive: bool,
        disable_compression: bool,
    }

    impl Default for RawConnection {
        fn default() -> Self {
            ConnectionConfig::default().into()
        }
    }

    impl From<ConnectionConfig> for RawConnection {
        fn from(config: ConnectionConfig) -> Self {
            let ConnectionConfig {
                max_connections,
                max_idle_connections,
                idle_timeout,
                connection_timeout,
                request_timeout,
                keep_alive,
                disable_compression,
            } = config;
            Self {
                max_connections,
                max_idle_connections,
                idle_timeout,
                connection_timeout,
                request_timeout,
                keep_alive,
                disable_compression,
            }
        }
    }

    impl TryFrom<RawConnection> for ConnectionConfig {
        type Error = ConfigError;

        fn try_from(raw: RawConnection) -> Result<Self, ConfigError> {
            ConnectionConfigBuilder(Self {
                max_connections: raw.max_connections,
                max_idle_connections: raw.max_idle_connections,
                idle_timeout: raw.idle_timeout,
                connection_timeout: raw.connection_timeout,
                request_timeout: raw.request_timeout,
                keep_alive: raw.keep_alive,
                disable_compression: raw.disable_compression,
            })
            .build()
        }
    }
}

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
