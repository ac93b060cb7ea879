//! The settings of a gateway.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use plugin_core::{Code, PluginError};
use plugin_ratelimit::ClientIpConfig;
use plugin_transports::{
    auth::Verifier,
    json,
    listen::{ListenOptions, SocketPath, UnixSocketOptions},
    tls::ServerTls,
};

use super::{
    access_log::{self, AccessLog, ClientAddress},
    admin::Access,
    bounds,
    client_limit::ClientLimit,
    problem::ErrorDetail,
};

/// Connections of the admin plane: a few people and programs look at a gateway, and theirs are not to take the files that plugins
/// need.
const ADMIN_CONNECTIONS: usize = 128;

/// The settings of a gateway.
///
/// | setting | default |
/// |---|---|
/// | `listen` | 127.0.0.1:8080 |
/// | `admin_listen` | 127.0.0.1:9090 |
/// | `max_body` | 10 MiB |
/// | `max_bodies`, of payloads over 16 KiB held at once, and of replies; a quarter for several of one connection, once half is taken | 256 MiB |
/// | `body_timeout`, for the whole body of a request | 30 s |
/// | what bounds the connections of each plane | [`ListenOptions::default`]; 128 connections of the admin plane |
/// | `max_json_depth`, of a payload | 128 |
/// | `allowed_hosts`, of each plane | on loopback only names of this machine, elsewhere any name |
/// | `error_detail` | [`ErrorDetail::Message`] |
/// | `access_log` | [`AccessLog::Off`] |
/// | `client_address`, in the access log | [`ClientAddress::Truncated`] |
/// | `client_ip`, how the address of a client is found | that of its connection |
/// | `client_limit`, on the calls of each client | none |
/// | `tell_callers`, whether calls say who has sent them | they do |
/// | `drain_timeout`, of one plugin | 30 s |
/// | TLS, who may call, who may operate | no TLS, everybody who can reach it |
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until a gateway is started"]
pub struct GatewaySettings {
    pub(super) listen: SocketAddr,
    pub(super) unix: Option<(SocketPath, UnixSocketOptions)>,
    pub(super) admin_listen: SocketAddr,
    pub(super) data: bounds::Bounds,
    pub(super) connections: ListenOptions,
    pub(super) admin_connections: ListenOptions,
    pub(super) hosts: Vec<String>,
    pub(super) admin_hosts: Vec<String>,
    pub(super) drain_timeout: Duration,
    pub(super) tls: Option<ServerTls>,
    pub(super) admin_tls: Option<ServerTls>,
    pub(super) verifier: Option<Verifier>,
    pub(super) access: Option<Access>,
    pub(super) client_ip: Arc<ClientIpConfig>,
    pub(super) client_limit: Option<ClientLimit>,
    pub(super) tells_callers: bool,
    pub(super) insecure: bool,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            unix: None,
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            data: bounds::Bounds {
                max_body: 10 << 20,
                max_bodies: 256 << 20,
                body_timeout: Duration::from_secs(30),
                json: json::Limits::new(),
                error_detail: ErrorDetail::default(),
                access_log: access_log::Wanted::default(),
            },
            connections: ListenOptions::new(),
            admin_connections: ListenOptions::new().with_max_connections(ADMIN_CONNECTIONS),
            hosts: Vec::new(),
            admin_hosts: Vec::new(),
            drain_timeout: Duration::from_secs(30),
            tls: None,
            admin_tls: None,
            verifier: None,
            access: None,
            client_ip: Arc::default(),
            client_limit: None,
            tells_callers: true,
            insecure: false,
        }
    }
}

impl GatewaySettings {
    /// Where the data plane listens. Port 0 takes any free port.
    pub fn with_listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Serves the data plane on this Unix socket too, without TLS.
    pub fn with_unix(mut self, path: SocketPath, options: UnixSocketOptions) -> Self {
        self.unix = Some((path, options));
        self
    }

    /// Where the admin plane listens. Port 0 takes any free port.
    pub fn with_admin_listen(mut self, address: SocketAddr) -> Self {
        self.admin_listen = address;
        self
    }

    /// The largest payload, in bytes.
    pub fn with_max_body(mut self, bytes: u64) -> Self {
        self.data.max_body = bytes;
        self
    }

    /// What the payloads come to that are held at once, in bytes, from the head of a request until its reply. One that would
    /// go beyond it is 503, `OVERLOAD_2002`. Payloads up to 16 KiB are not counted.
    ///
    /// Replies may come to as much besides, until their clients have taken them; one is taken whatever its size where no other
    /// is held. A call whose reply would go beyond it is 503, `OVERLOAD_2002`, though the plugin has done its work.
    pub fn with_max_bodies(mut self, bytes: u64) -> Self {
        self.data.max_bodies = bytes;
        self
    }

    /// How long a request's body may take from its head to its end; a slower one is 408, `PLUGIN_1204`.
    pub fn with_body_timeout(mut self, timeout: Duration) -> Self {
        self.data.body_timeout = timeout;
        self
    }

    /// What bounds the connections of the data plane: their number, and how long each may wait. Its TLS is that of
    /// [`with_tls`](Self::with_tls).
    pub fn with_connections(mut self, options: ListenOptions) -> Self {
        self.connections = options;
        self
    }

    /// Bounds the connections of the admin plane, whose TLS is that of [`with_admin_tls`](Self::with_admin_tls).
    pub fn with_admin_connections(mut self, options: ListenOptions) -> Self {
        self.admin_connections = options;
        self
    }

    /// How deep lists and objects may stand in each other in a payload; one beyond it is 400. The bound on what a plugin
    /// replies is that of its transport, such as `HttpConfig::with_json_limits`.
    pub fn with_max_json_depth(mut self, depth: usize) -> Self {
        self.data.json = self.data.json.with_max_depth(depth);
        self
    }

    /// How much the data plane says of what went wrong.
    pub fn with_error_detail(mut self, detail: ErrorDetail) -> Self {
        self.data.error_detail = detail;
        self
    }

    /// Which requests of the data plane have a line in the log.
    pub fn with_access_log(mut self, log: AccessLog) -> Self {
        self.data.access_log.requests = log;
        self
    }

    /// How much of a client's address these lines have.
    pub fn with_client_address(mut self, address: ClientAddress) -> Self {
        self.data.access_log.address = address;
        self
    }

    /// Names, without a port, that `Host` may have at the data plane besides those of this machine; any other is 403. Without
    /// any, a plane on loopback serves only names of this machine, and one elsewhere every name.
    pub fn with_allowed_hosts<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.hosts = names.into_iter().map(Into::into).collect();
        self
    }

    /// The same for the admin plane, whose probes and metrics answer under every name.
    pub fn with_admin_allowed_hosts<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.admin_hosts = names.into_iter().map(Into::into).collect();
        self
    }

    /// How long a plugin may take to drain when the request does not say.
    pub fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Serves the data plane over TLS.
    pub fn with_tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Serves the admin plane over TLS.
    pub fn with_admin_tls(mut self, tls: ServerTls) -> Self {
        self.admin_tls = Some(tls);
        self
    }

    /// Who may call plugins.
    pub fn with_verifier(mut self, verifier: Verifier) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Who may use the admin plane.
    pub fn with_access(mut self, access: Access) -> Self {
        self.access = Some(access);
        self
    }

    /// How the address of a client is found, where proxies stand before the gateway.
    pub fn with_client_ip(mut self, rules: ClientIpConfig) -> Self {
        self.client_ip = Arc::new(rules);
        self
    }

    /// Limits how many calls each client may make; another one is 429, `RATELIMIT_1501`, and is not counted as a call of the plugin.
    pub fn with_client_limit(mut self, limit: ClientLimit) -> Self {
        self.client_limit = Some(limit);
        self
    }

    /// Whether each call has its [`Caller`](crate::stack::Caller) among its extensions, for limits by who calls.
    pub fn tell_callers(mut self, tell: bool) -> Self {
        self.tells_callers = tell;
        self
    }

    /// Allows a data plane off loopback without TLS and without credentials.
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.insecure = insecure;
        self
    }

    /// What would let anybody on the network in.
    pub(super) fn check(&self) -> Result<(), PluginError> {
        let open = |plane: &str, address: SocketAddr, missing: &str| {
            let problem = format!(
                "the {plane} plane would listen on {address}, which is not loopback, without {missing}; set that up or \
                 listen on 127.0.0.1"
            );
            Err(PluginError::new(Code::ConfigValue, problem))
        };
        if !self.listen.ip().is_loopback() && !self.insecure && (self.tls.is_none() || self.verifier.is_none()) {
            return open("data", self.listen, "both TLS (`server.tls`) and credentials (`server.auth`)");
        }
        if !self.admin_listen.ip().is_loopback() && (self.admin_tls.is_none() || self.access.is_none()) {
            return open("admin", self.admin_listen, "both TLS (`admin.tls`) and a token (`admin.tokens`)");
        }
        Ok(())
    }
}
