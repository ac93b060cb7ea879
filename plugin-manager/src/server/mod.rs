//! The gateway: a data plane that carries calls, and an admin plane to look and to operate.

mod access_log;
mod admin;
mod body_memory;
mod bounds;
mod certificates;
mod context;
mod data;
mod data_routes;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod guard;
mod lifecycle;
mod metrics;
mod payload;
mod problem;
mod rejections;
mod request_target;
mod second_look;

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::HttpBody,
    http::{Request, Response},
    middleware,
};
use bytes::Bytes;
use hyper::body::Incoming;
use plugin_core::{BoxError, Code, PluginError, clock};
use plugin_transports::{
    auth::{Verifier, VerifyLayer},
    json,
    listen::{Listen, ListenOptions, Serving, SocketPath, UnixSocket, UnixSocketOptions, serve_http},
    tls::ServerTls,
};
use tokio::net::TcpListener;
use tower::Service;
use tower_http::{
    catch_panic::CatchPanicLayer,
    trace::{DefaultMakeSpan, DefaultOnFailure, TraceLayer},
};
use tracing::Level;

pub use access_log::{AccessLog, ClientAddress};
pub use admin::{Access, Role};
pub use metrics::{Metrics, PageRecorder, Publisher};
pub use problem::ErrorDetail;

use self::{
    certificates::{Certificates, Watch},
    data_routes::DataRoutes,
    guard::Guard,
    lifecycle::{CutOff, Lifecycle},
    rejections::Rejections,
};
use crate::manager::{DrainReport, Manager};

/// What those are given to take their answer whose calls are not waited for any longer.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

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
/// | `drain_timeout`, of one plugin | 30 s |
/// | TLS, who may call, who may operate | no TLS, everybody who can reach it |
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until a gateway is started"]
pub struct GatewaySettings {
    listen: SocketAddr,
    unix: Option<(SocketPath, UnixSocketOptions)>,
    admin_listen: SocketAddr,
    data: bounds::Bounds,
    connections: ListenOptions,
    admin_connections: ListenOptions,
    hosts: Vec<String>,
    admin_hosts: Vec<String>,
    drain_timeout: Duration,
    tls: Option<ServerTls>,
    admin_tls: Option<ServerTls>,
    verifier: Option<Verifier>,
    access: Option<Access>,
    insecure: bool,
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

    /// Allows a data plane off loopback without TLS and without credentials.
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.insecure = insecure;
        self
    }

    /// What would let anybody on the network in.
    fn check(&self) -> Result<(), PluginError> {
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

/// A gateway that is serving.
pub struct Gateway {
    manager: Manager<Bytes, Bytes>,
    metrics: Metrics,
    lifecycle: Arc<Lifecycle>,
    data: Serving,
    unix: Option<Serving<SocketPath>>,
    admin: Serving,
    certificates: Certificates,
    _watch: Watch,
    _cut_off: CutOff,
}

impl Gateway {
    /// Binds the listeners and serves the manager's plugins. Not ready before [`set_ready`](Self::set_ready), so that
    /// plugins can be registered meanwhile.
    ///
    /// # Errors
    ///
    /// `CONFIG_1802` when an address is in use or cannot be bound, and when a plane off loopback would let anybody in.
    pub async fn start(manager: Manager<Bytes, Bytes>, settings: GatewaySettings) -> Result<Self, PluginError> {
        settings.check()?;
        let metrics = Metrics::new();
        let lifecycle = Arc::new(Lifecycle::new());
        let listeners = [("server", &settings.tls), ("admin", &settings.admin_tls)].into_iter();
        let listeners = listeners.filter_map(|(name, tls)| Some((name, tls.clone()?))).collect();
        let certificates = Certificates::new(listeners, manager.clone());
        let admin_plane = admin::AdminPlane {
            manager: manager.clone(),
            metrics: metrics.clone(),
            started: clock::now(),
            drain_timeout: settings.drain_timeout,
            lifecycle: Arc::clone(&lifecycle),
            certificates: certificates.clone(),
        };
        let plane = data::DataPlane::new(manager.clone(), settings.data, Arc::clone(&lifecycle));
        let routes = data::routes(Arc::clone(&plane));
        let routes = match &settings.verifier {
            Some(verifier) => routes.layer(VerifyLayer::new(verifier.clone())),
            None => routes,
        };
        let rejections = Rejections::new(metrics.recorder());
        let guard = Guard::new(settings.listen, settings.hosts, Some(rejections));
        let routes = finish(routes, Arc::clone(&guard));
        // Outside of all that may refuse a request, and not there at all when nothing is to be written.
        let writes = match settings.data.access_log {
            access_log::Wanted { requests: AccessLog::Off, .. } => None,
            wanted => Some(access_log::Writes { wanted, lifecycle: Arc::clone(&lifecycle) }),
        };
        let routes = match &writes {
            Some(writes) => routes.layer(middleware::from_fn_with_state(writes.clone(), access_log::write)),
            None => routes,
        };
        let data = DataRoutes { plane, guard, verifier: settings.verifier, writes, routes }.into_service();
        let guard = Guard::new(settings.admin_listen, settings.admin_hosts, None);
        let admin = finish(admin::routes(admin_plane, settings.access), guard);
        // All are bound before any serves: a gateway that cannot be operated does not take calls.
        let data_listener = bind("server.listen", settings.listen).await?;
        let admin_listener = bind("admin.listen", settings.admin_listen).await?;
        let unix = match &settings.unix {
            Some((path, options)) => Some(bind_socket(path, options).await?),
            None => None,
        };
        let unix = unix.map(|socket| serve(data.clone(), socket, settings.connections.clone(), None)).transpose()?;
        let data = serve(data, data_listener, settings.connections, settings.tls)?;
        let admin = serve(admin, admin_listener, settings.admin_connections, settings.admin_tls)?;
        let cut_off = CutOff(Arc::clone(&lifecycle));
        let watch = certificates.watch(&metrics.recorder());
        Ok(Self { manager, metrics, lifecycle, data, unix, admin, certificates, _watch: watch, _cut_off: cut_off })
    }

    /// Says that every plugin has been registered: `/readyz` answers 200 from now on, once none of them is
    /// [announced](Manager::announce) and still to come.
    pub fn set_ready(&self) {
        self.lifecycle.set_ready();
        // Of plugins too, which have come by now.
        self.certificates.tell();
    }

    /// Says that the gateway is about to stop: `/readyz` answers 503 from now on, and it goes on serving until it is
    /// [shut down](Self::shutdown), so that whoever sends calls to it can turn to another. `false`: it was not ready, so nobody
    /// does.
    #[allow(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn leave(&self) -> bool {
        self.lifecycle.leave()
    }

    /// Where the data plane listens.
    #[must_use]
    pub fn data_addr(&self) -> SocketAddr {
        self.data.local_addr()
    }

    /// The Unix socket on which the data plane listens too.
    #[must_use]
    pub fn data_socket(&self) -> Option<SocketPath> {
        self.unix.as_ref().map(Serving::local_addr)
    }

    /// Where the admin plane listens.
    #[must_use]
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin.local_addr()
    }

    /// The metrics, for a recorder that is to be installed globally.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Stops within `limit`: `/readyz` says so at once, the data plane takes no new connection and lets requests end,
    /// then every plugin is drained and closed, and the admin plane goes last.
    ///
    /// A request whose payload has not come yet is answered at once, and a call that runs at the end of `limit` then: 503,
    /// `LIFECYCLE_2102`. The report lists every plugin, and what did not finish.
    pub async fn shutdown(self, limit: Duration) -> ShutdownReport {
        let start = clock::now();
        self.lifecycle.leave();
        self.lifecycle.closed.raise();
        // Side by side: a request that is in flight at the plane is a call in flight at its plugin.
        let planes = limit.saturating_add(LAST_ANSWERS);
        let socket = async {
            match self.unix {
                Some(unix) => unix.shutdown(planes).await,
                None => Ok(()),
            }
        };
        let (data, socket, plugins) = tokio::join!(
            self.data.shutdown(planes),
            socket,
            self.manager.shutdown_with(limit, || self.lifecycle.over.raise())
        );
        let left = limit.saturating_sub(start.elapsed()).max(Duration::from_secs(1));
        let admin = self.admin.shutdown(left.min(Duration::from_secs(2))).await;
        ShutdownReport { plugins, data_error: data.and(socket).err(), admin_error: admin.err(), took: start.elapsed() }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("data", &self.data_addr())
            .field("admin", &self.admin_addr())
            .finish_non_exhaustive()
    }
}

/// The report of a shutdown.
#[derive(Debug)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Every plugin.
    pub plugins: Vec<DrainReport>,
    /// What had to be cut off at the data plane.
    pub data_error: Option<PluginError>,
    /// What had to be cut off at the admin plane.
    pub admin_error: Option<PluginError>,
    /// How long it took.
    pub took: Duration,
}

impl ShutdownReport {
    /// Whether every call ended and everything was closed in time. A scrape that was cut off does not count.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.data_error.is_none() && self.plugins.iter().all(DrainReport::is_clean)
    }
}

fn finish(routes: Router, guard: Arc<Guard>) -> Router {
    routes
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(DefaultMakeSpan::new().level(Level::DEBUG))
                // A 5xx answer is counted by its plugin; one line for each would bury the log when a plugin is down.
                .on_failure(DefaultOnFailure::new().level(Level::DEBUG)),
        )
        .layer(CatchPanicLayer::custom(problem::has_panicked))
}

async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, PluginError> {
    TcpListener::bind(address).await.map_err(|error| {
        let problem = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("`{key}`: {address} is in use by another process; choose another port")
            }
            io::ErrorKind::AddrNotAvailable => format!("`{key}`: {address} is no address of this machine"),
            io::ErrorKind::PermissionDenied => format!("`{key}`: this user may not listen on {address}"),
            _ => format!("`{key}`: {address} cannot be listened on"),
        };
        PluginError::new(Code::ConfigValue, problem).with_source(error)
    })
}

async fn bind_socket(path: &SocketPath, options: &UnixSocketOptions) -> Result<UnixSocket, PluginError> {
    UnixSocket::bind(path, options.clone())
        .await
        .map_err(|error| PluginError::new(Code::ConfigValue, format!("`server.unix`: {error}")).with_source(error))
}

fn serve<S, B, L>(
    service: S,
    listener: L,
    mut options: ListenOptions,
    tls: Option<ServerTls>,
) -> Result<Serving<L::Addr>, PluginError>
where
    L: Listen,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    if let Some(tls) = tls {
        options = options.with_tls(tls);
    }
    serve_http(service, listener, options)
        .map_err(|error| PluginError::new(Code::ConfigValue, "a listener has no address").with_source(error))
}
