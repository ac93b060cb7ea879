//! The settings of a plugin that is reached over gRPC.

use std::{fmt, time::Duration};

use http::HeaderValue;
use plugin_core::{
    Code, ConfigError, PluginError, Sent,
    settings::{Given, Settings},
};
use serde_json::{Map, Value};

#[cfg(feature = "tls")]
use crate::tls::ClientTls;
use crate::{
    auth::{AuthConfig, Credentials},
    connection::ConnectionConfig,
    dial::Resolver,
    grpc::{content_type::JSON, proto},
    json::Limits,
    net::{
        connect::PeerConfig,
        endpoint::{ENDPOINT, Endpoint, EndpointForm, Place},
        plaintext,
        version::HttpVersion,
    },
};

/// Without a scheme it is that of plain text, or of TLS where that is asked for.
const GRPC: EndpointForm = EndpointForm {
    schemes: &[("http", false), ("https", true), ("grpc", false), ("grpcs", true)],
    default_scheme: Some("http"),
    example: "a host and a port such as \"127.0.0.1:50051\" or \"https://plugins.internal:443\", or a socket such as \
              \"unix:/run/plugin.sock\"",
};
const GRPC_TLS: EndpointForm = EndpointForm { default_scheme: Some("https"), ..GRPC };

/// A plugin that stands still is found out after this and twenty seconds, if no limit ends its calls before.
///
/// Servers of gRPC take a ping every five minutes from a connection on which nothing is said, and end one that sends more:
/// `GOAWAY`, `too_many_pings` (gRFC A8, and the defaults of grpc-core and grpc-go).
const PING_EVERY: Duration = Duration::from_secs(310);

/// Settings of a plugin that is reached over gRPC. Made by [`GrpcConfig::builder`].
///
/// The [page of the crate](crate#settings) has the keys, with their defaults and bounds. `Debug` shows no option's value.
///
/// ```
/// use plugin_transports::grpc::GrpcConfig;
///
/// let config = GrpcConfig::builder("billing", "https://billing.internal:8443").build()?;
/// assert!(config.is_tls());
/// assert!(!GrpcConfig::builder("billing", "127.0.0.1:50051").build()?.is_tls());
///
/// let fault = GrpcConfig::builder("billing", "http://billing.internal/v1").check().expect_err("a path");
/// assert!(fault.to_string().contains("has a path"), "{fault}");
/// # Ok::<(), plugin_transports::plugin_core::PluginError>(())
/// ```
#[derive(Clone)]
pub struct GrpcConfig {
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
    pub(super) credentials: Credentials,
    pub(super) connection: ConnectionConfig,
    pub(super) content_type: String,
    pub(super) options: Map<String, Value>,
    /// The one that the health check is asked for; empty: that of plugins, and none where that is not known.
    pub(super) health_service: String,
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

impl GrpcConfig {
    /// Settings for the plugin `name` at `endpoint`: `host:port`, one of the schemes `http`, `https`, `grpc` and `grpcs`, or
    /// `unix:` and the path of a socket.
    pub fn builder(name: impl Into<String>, endpoint: impl Into<String>) -> GrpcConfigBuilder {
        GrpcConfigBuilder {
            name: name.into(),
            endpoint: endpoint.into(),
            tls: false,
            auth: AuthConfig::none(),
            connection: ConnectionConfig::default(),
            content_type: JSON.to_owned(),
            options: Map::new(),
            health_service: String::new(),
            max_request: DEFAULT_MAX,
            max_response: DEFAULT_MAX,
            request_timeout: true,
            resolver: Resolver::default(),
            user_agent: concat!("plugin-transports/", env!("CARGO_PKG_VERSION")).to_owned(),
            allow_plaintext_credentials: false,
        }
    }

    /// Limits the depth and the numbers of payloads and results that are JSON. A payload that was
    /// [checked](crate::json::checked) before is not checked again.
    #[must_use]
    pub fn with_json_limits(mut self, limits: Limits) -> Self {
        self.json = limits;
        self
    }

    /// Says how long a health check of this plugin may take, which is bounded by whoever makes it; five seconds if nobody says
    /// so. A check that has had no answer for three quarters of that, while calls were answered, could not be made
    /// ([`HealthStatus::not_checked`](plugin_core::HealthStatus::not_checked)).
    #[must_use]
    pub fn with_check_limit(mut self, limit: Duration) -> Self {
        self.check_limit = limit;
        self
    }

    /// Speaks TLS as another instance of the same plugin does (`GrpcClient::tls`), with its files in the place of those of `auth`:
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
            version: HttpVersion::Http2,
            resolver: &self.resolver,
            code: Code::GrpcTransport,
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

    /// Whether it is called over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.endpoint.tls
    }
}

impl fmt::Debug for GrpcConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("GrpcConfig");
        debug
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .field("credentials", &self.credentials)
            .field("connection", &self.connection)
            .field("content_type", &self.content_type)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .field("health_service", &self.health_service)
            .field("max_request", &self.max_request)
            .field("max_response", &self.max_response)
            .field("user_agent", &self.user_agent);
        debug.finish_non_exhaustive()
    }
}

/// 10 MiB.
const DEFAULT_MAX: usize = 10 << 20;

/// The bounds of `max_request` and `max_response`.
pub(super) const LEAST_MAX: usize = 1 << 10;
pub(super) const MOST_MAX: usize = 1 << 30;

/// Collects the settings of a [`GrpcConfig`], each under the name of its key. JSON is bounded by
/// [`GrpcConfig::with_json_limits`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct GrpcConfigBuilder {
    name: String,
    endpoint: String,
    tls: bool,
    auth: AuthConfig,
    connection: ConnectionConfig,
    content_type: String,
    options: Map<String, Value>,
    health_service: String,
    max_request: usize,
    max_response: usize,
    request_timeout: bool,
    resolver: Resolver,
    user_agent: String,
    allow_plaintext_credentials: bool,
}

impl GrpcConfigBuilder {
    /// Speaks TLS with an endpoint that has no scheme. One that has says so itself, and must not say otherwise.
    pub fn with_tls(mut self, tls: bool) -> Self {
        self.tls = tls;
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

    /// Sets what payloads and results are. Those of another type than JSON are not looked into.
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = content_type.into();
        self
    }

    /// Sets what the plugin is told on each new connection, before any call on it.
    pub fn with_options(mut self, options: Map<String, Value>) -> Self {
        self.options = options;
        self
    }

    /// Sets the service that the standard health check is asked for. It must be known there then; by default it is
    /// `plugin.v1.PluginService`, and none where that is not known.
    pub fn with_health_service(mut self, service: impl Into<String>) -> Self {
        self.health_service = service.into();
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

    /// Lets credentials travel in plain text to another machine, for everybody on the way to read.
    pub fn with_plaintext_credentials(mut self, allow: bool) -> Self {
        self.allow_plaintext_credentials = allow;
        self
    }

    /// Checks the settings. Nothing is read, looked up or opened.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1003` to `PLUGIN_1005` for the endpoint, `PLUGIN_1008` for TLS in a build without the feature `tls`,
    /// `AUTH_1101` to `AUTH_1105` for the credentials, `CONFIG_1802` for the rest; each names the setting and what would
    /// be right. Its source is the [`ConfigError`] of [`check`](Self::check).
    pub fn build(self) -> Result<GrpcConfig, PluginError> {
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
    pub fn check(self) -> Result<GrpcConfig, ConfigError> {
        let form = if self.tls { &GRPC_TLS } else { &GRPC };
        let endpoint = Endpoint::parse(ENDPOINT, &self.endpoint, form)?;
        let malformed = |problem: String| {
            Err(ConfigError::new(ENDPOINT, format!("{problem}; it must be {}", GRPC.example))
                .with_code(Code::InvalidEndpointFormat))
        };
        if endpoint.path != "/" {
            return malformed(format!("{endpoint:?} has a path, and gRPC asks under paths of its own"));
        }
        match &endpoint.place {
            Place::Socket(_) if self.tls => {
                return malformed(format!("{endpoint:?} is a socket of this machine, over which no TLS is spoken"));
            }
            Place::Host { .. } if self.tls && !endpoint.tls => {
                return malformed(format!("{endpoint:?} is plain text by its scheme, and TLS is asked for"));
            }
            _ => {}
        }
        let credentials = self.auth.check().map_err(|error| error.within("auth"))?;
        endpoint.check_tls(ENDPOINT)?;
        plaintext::check(&credentials, &[&endpoint], self.allow_plaintext_credentials)?;
        if !self.connection.keep_alive() {
            let problem = "cannot be false with gRPC, whose connection carries all calls";
            return Err(ConfigError::new("keep_alive", problem).within("connection"));
        }
        if !is_service(&self.health_service) {
            let problem =
                format!("is {:?}, and not the name of a service such as {:?}", self.health_service, proto::SERVICE);
            return Err(ConfigError::new("health_service", problem));
        }
        GrpcConfig::TABLE.fits("max_request", Given::size(self.max_request))?;
        GrpcConfig::TABLE.fits("max_response", Given::size(self.max_response))?;
        let user_agent = HeaderValue::try_from(&self.user_agent)
            .map_err(|_| ConfigError::new("user_agent", "holds a character that no HTTP header can carry"))?;
        let content_type = if self.content_type.is_empty() { JSON.to_owned() } else { self.content_type };
        Ok(GrpcConfig {
            name: self.name,
            endpoint,
            credentials,
            connection: self.connection,
            content_type,
            options: self.options,
            health_service: self.health_service,
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

/// Whether it may be the name of a service, or is none.
fn is_service(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Values of options may be secrets: only their names are shown.
impl fmt::Debug for GrpcConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcConfigBuilder")
            .field("name", &self.name)
            .field("auth", &self.auth)
            .field("connection", &self.connection)
            .field("content_type", &self.content_type)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(endpoint: &str) -> GrpcConfigBuilder {
        GrpcConfig::builder("p", endpoint)
    }

    fn fault(builder: GrpcConfigBuilder) -> (Code, String) {
        let error = builder.build().expect_err("a fault");
        assert_eq!(error.plugin(), Some("p"));
        (error.code(), error.to_string())
    }

    #[test]
    fn an_endpoint_is_a_host_a_url_or_a_socket() {
        for (text, tls, shown) in [
            ("127.0.0.1:50051", false, "http://127.0.0.1:50051/"),
            ("[::1]:50051", false, "http://[::1]:50051/"),
            ("plugins.internal:50051", false, "http://plugins.internal:50051/"),
            ("grpc://h:1", false, "http://h:1/"),
            ("unix:/run/p.sock", false, "unix:/run/p.sock"),
        ] {
            let config = at(text).build().expect(text);
            assert_eq!((config.is_tls(), config.endpoint.without_query().as_str()), (tls, shown), "{text}");
        }
        #[cfg(feature = "tls")]
        for text in ["https://h:1", "grpcs://h:1"] {
            assert!(at(text).build().expect(text).is_tls());
        }
        #[cfg(feature = "tls")]
        assert!(at("h:1").with_tls(true).build().expect("TLS").is_tls());
        for (builder, code, says) in [
            (at(""), Code::MissingEndpoint, "is empty"),
            (at("ftp://h"), Code::InvalidEndpointUrl, "\"ftp\""),
            (at("h:1/v1"), Code::InvalidEndpointFormat, "has a path"),
            (at("http://h:1").with_tls(true), Code::InvalidEndpointFormat, "TLS is asked for"),
            (at("unix:/p.sock").with_tls(true), Code::InvalidEndpointFormat, "no TLS is spoken"),
            (at("me:s3cret@h:1"), Code::InvalidEndpointFormat, "`auth`"),
        ] {
            let (found, text) = fault(builder);
            assert!(found == code && text.contains(says) && text.contains("127.0.0.1:50051"), "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused_and_no_secret_is_shown() {
        let single = ConnectionConfig::builder().with_keep_alive(false).build().expect("valid");
        assert!(fault(at("h:1").with_connection(single)).1.contains("`connection.keep_alive`"));
        assert_eq!(fault(at("h:1").with_auth(AuthConfig::mtls("c", "k"))).0, Code::UnsupportedAuthMethod);
        assert_eq!(fault(at("h:1").with_max_request(1)).0, Code::ConfigValue);
        assert_eq!(fault(at("h:1").with_user_agent("a\nb")).0, Code::ConfigValue);
        assert!(fault(at("h:1").with_health_service("/health")).1.contains("not the name of a service"));
        let (code, text) = fault(at("10.0.0.1:1").with_auth(AuthConfig::bearer("s3cret")));
        assert!(code == Code::UnsupportedAuthMethod && text.contains("plain text"), "{text}");
        assert!(at("127.0.0.1:1").with_auth(AuthConfig::bearer("s3cret")).build().is_ok());
        assert!(at("unix:/p.sock").with_auth(AuthConfig::bearer("s3cret")).build().is_ok());
        let options = serde_json::json!({"password": "s3cret"}).as_object().cloned().expect("an object");
        let builder = at("h:1").with_options(options);
        let shown = format!("{builder:?} {:?}", builder.clone().build().expect("valid"));
        assert!(shown.contains("password") && !shown.contains("s3cret"), "{shown}");
    }
}
