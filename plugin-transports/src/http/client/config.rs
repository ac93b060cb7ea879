//! The settings of a plugin that is reached over HTTP.

use std::time::Duration;

use http::HeaderValue;
use plugin_core::{
    Code, ConfigError, PluginError, Sent,
    settings::{Given, Settings},
};

#[cfg(feature = "tls")]
use crate::tls::ClientTls;
use crate::{
    auth::{AuthConfig, Credentials},
    connection::ConnectionConfig,
    dial::Resolver,
    json::Limits,
    net::{
        connect::PeerConfig,
        endpoint::{ENDPOINT, Endpoint, HEALTH, HTTP},
        plaintext,
        version::HttpVersion,
    },
};

/// A plugin that stands still is found out after twice this.
const PING_EVERY: Duration = Duration::from_secs(20);

/// Settings of a plugin that is reached over HTTP. Made by [`HttpConfig::builder`].
///
/// The [page of the crate](crate#settings) has the keys, with their defaults and bounds.
///
/// ```
/// use plugin_transports::http::HttpConfig;
///
/// let config = HttpConfig::builder("billing", "https://billing.internal:8443/plugin").build()?;
/// assert!(config.is_tls());
///
/// let fault = HttpConfig::builder("billing", "billing.internal").check().expect_err("no scheme");
/// assert!(fault.to_string().contains("has no scheme, http:// or https://"), "{fault}");
/// # Ok::<(), plugin_transports::plugin_core::PluginError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HttpConfig {
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
    pub(super) health: Endpoint,
    /// Whether the settings name it, so that it must be there.
    pub(super) names_health: bool,
    pub(super) credentials: Credentials,
    pub(super) connection: ConnectionConfig,
    pub(super) version: HttpVersion,
    pub(super) max_request: usize,
    pub(super) max_response: usize,
    pub(super) json: Limits,
    pub(super) check_limit: Duration,
    pub(super) request_timeout: bool,
    pub(super) resolver: Resolver,
    pub(super) user_agent: HeaderValue,
    /// The side of TLS that it shares with others.
    #[cfg(feature = "tls")]
    pub(super) shared_tls: Option<ClientTls>,
}

impl HttpConfig {
    /// Settings for the plugin `name` at the URL `endpoint`.
    pub fn builder(name: impl Into<String>, endpoint: impl Into<String>) -> HttpConfigBuilder {
        HttpConfigBuilder {
            name: name.into(),
            endpoint: endpoint.into(),
            health: String::new(),
            auth: AuthConfig::none(),
            connection: ConnectionConfig::default(),
            version: HttpVersion::Auto,
            max_request: DEFAULT_MAX,
            max_response: DEFAULT_MAX,
            request_timeout: true,
            resolver: Resolver::default(),
            user_agent: concat!("plugin-transports/", env!("CARGO_PKG_VERSION")).to_owned(),
            allow_plaintext_credentials: false,
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

    /// Speaks TLS as another instance of the same plugin does (`HttpClient::tls`), with its files in the place of those of `auth`:
    /// they are read once for both, and what becomes of them is told once.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_shared_tls(mut self, tls: ClientTls) -> Self {
        self.shared_tls = Some(tls);
        self
    }

    /// What its connections have to know of it.
    pub(super) fn peer<T>(&self, with: impl FnOnce(&PeerConfig<'_>) -> T) -> T {
        with(&PeerConfig {
            connection: &self.connection,
            version: self.version,
            resolver: &self.resolver,
            code: Code::HttpTransport,
            ping_every: PING_EVERY,
            #[cfg(feature = "tls")]
            tls: &|| match &self.shared_tls {
                Some(shared) => Ok(shared.clone()),
                None => Ok(self.credentials.files().tls().unwrap_or_default().for_plugin(&self.name).build()?),
            },
        })
    }

    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the endpoint's scheme is `https`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.endpoint.tls
    }

    /// Whether TLS is spoken at all, for calls or for health checks. `HttpPlugin::connect` then reads files.
    #[must_use]
    pub fn uses_tls(&self) -> bool {
        self.endpoint.tls || self.health.tls
    }
}

/// 10 MiB.
const DEFAULT_MAX: usize = 10 << 20;

/// The bounds of `max_request` and `max_response`.
pub(super) const LEAST_MAX: usize = 1 << 10;
pub(super) const MOST_MAX: usize = 1 << 30;

/// Collects the settings of an [`HttpConfig`], each under the name of its key. JSON is bounded by
/// [`HttpConfig::with_json_limits`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct HttpConfigBuilder {
    name: String,
    endpoint: String,
    health: String,
    auth: AuthConfig,
    connection: ConnectionConfig,
    version: HttpVersion,
    max_request: usize,
    max_response: usize,
    request_timeout: bool,
    resolver: Resolver,
    user_agent: String,
    allow_plaintext_credentials: bool,
}

impl HttpConfigBuilder {
    /// Sets where health is asked after. It must be there then: at the default path a plugin may answer 404, 405 or 501, which
    /// says that it has no health endpoint, and is healthy as long as it answers.
    pub fn with_health_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.health = endpoint.into();
        self
    }

    /// Sets the credentials, and what is set of TLS.
    pub fn with_auth(mut self, auth: AuthConfig) -> Self {
        self.auth = auth;
        self
    }

    /// Sets how the transport connects.
    pub fn with_connection(mut self, connection: ConnectionConfig) -> Self {
        self.connection = connection;
        self
    }

    /// Sets the version of HTTP.
    pub fn with_version(mut self, version: HttpVersion) -> Self {
        self.version = version;
        self
    }

    /// Limits a payload.
    pub fn with_max_request(mut self, bytes: usize) -> Self {
        self.max_request = bytes;
        self
    }

    /// Limits an answer.
    pub fn with_max_response(mut self, bytes: usize) -> Self {
        self.max_response = bytes;
        self
    }

    /// Leaves the limit of an attempt, and the call's deadline, to a layer outside, such as
    /// `plugin_core::deadline::AttemptTimeoutLayer`: the plugin is told the limit of that one, as it is when the call begins,
    /// and `request_timeout` only where there is no such layer.
    pub fn without_request_timeout(mut self) -> Self {
        self.request_timeout = false;
        self
    }

    /// Sets the resolver for host names, for calls and health checks. Default: the system's.
    pub fn with_resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// Sets the `User-Agent`.
    pub fn with_user_agent(mut self, text: impl Into<String>) -> Self {
        self.user_agent = text.into();
        self
    }

    /// Lets credentials travel over plain `http` to another machine, for everybody on the way to read.
    pub fn with_plaintext_credentials(mut self, allow: bool) -> Self {
        self.allow_plaintext_credentials = allow;
        self
    }

    /// Checks the settings. Nothing is read, looked up or opened.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1003` to `PLUGIN_1005` for the endpoint, `PLUGIN_1008` for `https` in a build without the feature `tls`,
    /// `AUTH_1101` to `AUTH_1105` for the credentials, `CONFIG_1802` for the rest; each names the setting and what would
    /// be right. Its source is the [`ConfigError`] of [`check`](Self::check).
    pub fn build(self) -> Result<HttpConfig, PluginError> {
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
    pub fn check(self) -> Result<HttpConfig, ConfigError> {
        let endpoint = Endpoint::parse(ENDPOINT, &self.endpoint, &HTTP)?;
        let health = endpoint.health(&self.health)?;
        let credentials = self.auth.check().map_err(|error| error.within("auth"))?;
        for (key, target) in [(ENDPOINT, &endpoint), (HEALTH, &health)] {
            target.check_tls(key)?;
        }
        plaintext::check(&credentials, &[&endpoint, &health], self.allow_plaintext_credentials)?;
        if self.version == HttpVersion::Http2 && !self.connection.keep_alive() {
            let problem = "cannot be false with HTTP/2, whose connection carries all calls";
            return Err(ConfigError::new("keep_alive", problem).within("connection"));
        }
        HttpConfig::TABLE.fits("max_request", Given::size(self.max_request))?;
        HttpConfig::TABLE.fits("max_response", Given::size(self.max_response))?;
        let user_agent = HeaderValue::try_from(&self.user_agent)
            .map_err(|_| ConfigError::new("user_agent", "holds a character that no HTTP header can carry"))?;
        Ok(HttpConfig {
            name: self.name,
            endpoint,
            health,
            names_health: !self.health.is_empty(),
            credentials,
            connection: self.connection,
            version: self.version,
            max_request: self.max_request,
            max_response: self.max_response,
            json: Limits::new(),
            check_limit: Duration::from_secs(5),
            request_timeout: self.request_timeout,
            resolver: self.resolver,
            user_agent,
            #[cfg(feature = "tls")]
            shared_tls: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use plugin_core::Code;

    use super::*;

    fn code(builder: HttpConfigBuilder) -> (Code, String) {
        let error = builder.build().expect_err("a fault");
        assert_eq!(error.plugin(), Some("p"));
        (error.code(), error.to_string())
    }

    fn at(endpoint: &str) -> HttpConfigBuilder {
        HttpConfig::builder("p", endpoint)
    }

    #[test]
    fn credentials_in_plain_text_stay_on_the_machine() {
        let key = || AuthConfig::api_key("s3cret");
        assert!(at("http://127.0.0.1:1/").with_auth(key()).build().is_ok());
        assert!(at("http://10.0.0.1/").with_auth(key()).with_plaintext_credentials(true).build().is_ok());
        assert!(at("http://10.0.0.1/").build().is_ok());
        for auth in [key(), AuthConfig::bearer("t"), AuthConfig::custom().with_header("X-K", "s3cret")] {
            let (code, text) = code(at("http://10.0.0.1/").with_auth(auth));
            assert_eq!(code, Code::UnsupportedAuthMethod);
            assert!(text.contains("use TLS") && !text.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        assert_eq!(code(at("")).0, Code::MissingEndpoint);
        assert_eq!(code(at("http://h/").with_auth(AuthConfig::mtls("c", "k"))).0, Code::UnsupportedAuthMethod);
        assert_eq!(code(at("http://h/").with_auth(AuthConfig::api_key(""))).0, Code::MissingApiKey);
        assert_eq!(code(at("http://h/").with_max_request(1)).0, Code::ConfigValue);
        assert_eq!(code(at("http://h/").with_max_response(usize::MAX)).0, Code::ConfigValue);
        assert_eq!(code(at("http://h/").with_user_agent("a\nb")).0, Code::ConfigValue);
        let single = ConnectionConfig::builder().with_keep_alive(false).build().expect("valid");
        let (fault, text) = code(at("http://h/").with_version(HttpVersion::Http2).with_connection(single));
        assert_eq!(fault, Code::ConfigValue);
        assert!(text.contains("`connection.keep_alive`"), "{text}");
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn https_without_the_feature_says_which_is_missing() {
        let (fault, text) = code(at("https://h/"));
        assert_eq!(fault, Code::UnsupportedTransport);
        assert!(text.contains("`tls`"), "{text}");
    }
}
