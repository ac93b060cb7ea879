//! The settings of a plugin that is reached over a Unix socket.

use std::time::Duration;

use plugin_core::{
    Code, ConfigError, PluginError, Sent,
    settings::{Given, Settings},
};

use crate::{
    auth::{AuthConfig, AuthMethod, Credentials},
    connection::ConnectionConfig,
    json::Limits,
    listen::SocketPath,
};

/// Settings of a plugin that is reached over a Unix socket. Made by [`UnixConfig::builder`].
///
/// The [page of the crate](crate#settings) has the keys, with their defaults and bounds.
///
/// ```
/// use plugin_transports::unix::UnixConfig;
///
/// let config = UnixConfig::builder("billing", "unix:/run/billing.sock").build()?;
/// assert_eq!(config.socket().to_string(), "unix:/run/billing.sock");
///
/// let fault = UnixConfig::builder("billing", "http://billing/").check().expect_err("no socket");
/// assert!(fault.to_string().contains("such as /run/p.sock"), "{fault}");
/// # Ok::<(), plugin_transports::plugin_core::PluginError>(())
/// ```
#[derive(Clone, Debug)]
pub struct UnixConfig {
    pub(super) name: String,
    pub(super) socket: SocketPath,
    pub(super) credentials: Credentials,
    pub(super) connection: ConnectionConfig,
    pub(super) max_line: usize,
    pub(super) json: Limits,
    pub(super) check_limit: Duration,
    pub(super) request_timeout: bool,
}

impl UnixConfig {
    /// Settings for the plugin `name` at this socket: `/run/p.sock`, `unix:/run/p.sock`, `unix:///run/p.sock`, or an abstract
    /// name, `@p` or `unix:@p`.
    pub fn builder(name: impl Into<String>, endpoint: impl Into<String>) -> UnixConfigBuilder {
        UnixConfigBuilder {
            name: name.into(),
            endpoint: endpoint.into(),
            auth: AuthConfig::none(),
            connection: ConnectionConfig::default(),
            max_line: 4 << 20,
            request_timeout: true,
        }
    }

    /// Limits the depth and the numbers of payloads and results. A payload that was [checked](crate::json::checked) before is
    /// not checked again.
    #[must_use]
    pub fn with_json_limits(mut self, limits: Limits) -> Self {
        self.json = limits;
        self
    }

    /// Says how long a health check of this plugin may take, which is bounded by whoever makes it; five seconds if nobody says
    /// so. A check that has had no answer for three quarters of that, while calls were answered, could not be made
    /// ([`HealthStatus::not_checked`](plugin_core::HealthStatus::not_checked)): a plugin that serves one connection at a time has
    /// not come to that of the check.
    #[must_use]
    pub fn with_check_limit(mut self, limit: Duration) -> Self {
        self.check_limit = limit;
        self
    }

    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    #[must_use]
    pub fn socket(&self) -> &SocketPath {
        &self.socket
    }
}

/// Collects the settings of a [`UnixConfig`], each under the name of its key. JSON is bounded by
/// [`UnixConfig::with_json_limits`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct UnixConfigBuilder {
    name: String,
    endpoint: String,
    auth: AuthConfig,
    connection: ConnectionConfig,
    max_line: usize,
    request_timeout: bool,
}

impl UnixConfigBuilder {
    /// Sets the credentials, which travel as headers of each request. A socket has no TLS.
    pub fn with_auth(mut self, auth: AuthConfig) -> Self {
        self.auth = auth;
        self
    }

    /// Sets how the transport connects. Nothing is compressed, so `disable_compression` says nothing.
    pub fn with_connection(mut self, connection: ConnectionConfig) -> Self {
        self.connection = connection;
        self
    }

    /// Limits a request, with all that travels with it, and a reply.
    pub fn with_max_line(mut self, bytes: usize) -> Self {
        self.max_line = bytes;
        self
    }

    /// Leaves the limit of an attempt, and the call's deadline, to a layer outside, such as
    /// `plugin_core::deadline::AttemptTimeoutLayer`: the plugin is told the limit of that one, as it is when the call begins,
    /// and `request_timeout` only where there is no such layer.
    pub fn without_request_timeout(mut self) -> Self {
        self.request_timeout = false;
        self
    }

    /// Checks the settings. Nothing is opened.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1006` where no socket is named and `PLUGIN_1005` where it is none, `AUTH_1101` to `AUTH_1105` for the
    /// credentials, `CONFIG_1802` for the rest; each names the setting and what would be right. Its source is the
    /// [`ConfigError`] of [`check`](Self::check).
    pub fn build(self) -> Result<UnixConfig, PluginError> {
        let name = self.name.clone();
        self.check().map_err(|error| {
            let code = error.code();
            PluginError::new(code, error.to_string()).with_source(error).with_plugin(name).with_sent(Sent::Nothing)
        })
    }

    /// The same; the error says which key of a configuration it is about.
    ///
    /// # Errors
    ///
    /// Those of [`build`](Self::build).
    pub fn check(self) -> Result<UnixConfig, ConfigError> {
        let socket = socket(&self.endpoint)?;
        let of_tls =
            |key, problem| Err(ConfigError::new(key, problem).with_code(Code::UnsupportedAuthMethod).within("auth"));
        if self.auth.method() == AuthMethod::Mtls {
            return of_tls("method", "is mtls, and a socket has no TLS; the kernel says who connects to it");
        }
        let credentials = self.auth.check().map_err(|error| error.within("auth"))?;
        if let Some(key) = credentials.files().of_use_with_tls() {
            return of_tls(key, "is for TLS, which a socket does not have");
        }
        UnixConfig::TABLE.fits("max_line", Given::size(self.max_line))?;
        Ok(UnixConfig {
            name: self.name,
            socket,
            credentials,
            connection: self.connection,
            max_line: self.max_line,
            json: Limits::new(),
            check_limit: Duration::from_secs(5),
            request_timeout: self.request_timeout,
        })
    }
}

const ENDPOINT: &str = "endpoint";

fn socket(endpoint: &str) -> Result<SocketPath, ConfigError> {
    const EXAMPLE: &str = "a socket such as /run/p.sock, or an abstract name such as @p";
    if endpoint.is_empty() {
        let problem = format!("is missing: {EXAMPLE}");
        return Err(ConfigError::new(ENDPOINT, problem).with_code(Code::MissingSocketPath));
    }
    let fault = |problem: String| {
        Err(ConfigError::new(ENDPOINT, format!("is to be {EXAMPLE}, and {endpoint:?} {problem}"))
            .with_code(Code::InvalidEndpointFormat))
    };
    match endpoint.split_once("://") {
        Some((scheme, _)) if scheme != "unix" => fault("is a URL".to_owned()),
        _ => SocketPath::parse(endpoint).or_else(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_socket_is_refused_by_its_key_and_says_what_would_be_one() {
        let fault = |endpoint: &str| UnixConfig::builder("p", endpoint).check().expect_err(endpoint);
        assert_eq!((fault("").code(), fault("").field()), (Code::MissingSocketPath, "endpoint"));
        for (endpoint, why) in [
            ("http://h/", "is a URL"),
            ("unix://host/p", "names a host"),
            ("unix:", "names no socket"),
            ("@", "names no socket"),
        ] {
            let fault = fault(endpoint);
            assert_eq!((fault.code(), fault.field()), (Code::InvalidEndpointFormat, "endpoint"));
            assert!(fault.to_string().contains(why) && fault.to_string().contains("such as /run/p.sock"), "{fault}");
        }
        let long = format!("/{}", "p".repeat(107));
        assert!(fault(&long).to_string().contains("has 108 bytes"));
        for endpoint in ["/run/p.sock", "unix:/run/p.sock", "unix:///run/p.sock"] {
            let config = UnixConfig::builder("p", endpoint).build().expect(endpoint);
            assert_eq!(config.socket().to_string(), "unix:/run/p.sock");
        }
    }

    #[test]
    fn what_is_of_tls_has_no_place_on_a_socket() {
        let fault = |auth: AuthConfig| {
            let fault = UnixConfig::builder("p", "/p").with_auth(auth).check().expect_err("TLS");
            assert_eq!(fault.code(), Code::UnsupportedAuthMethod);
            fault.to_string()
        };
        assert!(fault(AuthConfig::mtls("/c", "/k")).starts_with("`auth.method` is mtls, and a socket has no TLS"));
        assert!(fault(AuthConfig::bearer("t").with_ca_file("/ca")).starts_with("`auth.ca_file` is for TLS"));
        assert!(
            fault(AuthConfig::none().with_client_certificate("/c", "/k")).starts_with("`auth.cert_file` is for TLS")
        );
        let missing = UnixConfig::builder("p", "/p").with_auth(AuthConfig::bearer("")).check().expect_err("no token");
        assert_eq!(missing.code(), Code::MissingBearerToken);
    }
}
