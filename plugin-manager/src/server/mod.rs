//! The gateway: a data plane that carries calls, and an admin plane to look and to operate.

mod access_log;
mod admin;
mod around;
mod body_memory;
mod bounds;
mod certificates;
mod client_limit;
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
mod settings;

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::HttpBody,
    http::{Request, Response},
};
use bytes::Bytes;
use hyper::body::Incoming;
use plugin_core::{BoxError, Code, PluginError, clock};
use plugin_transports::{
    listen::{Listen, ListenOptions, Serving, SocketPath, UnixSocket, UnixSocketOptions, serve_http},
    tls::ServerTls,
};
use tokio::net::{TcpListener, TcpSocket};
use tower::Service;

pub use access_log::{AccessLog, ClientAddress};
pub use admin::{Access, Role};
pub use client_limit::ClientLimit;
pub use metrics::{Metrics, PageRecorder, Publisher};
pub use problem::ErrorDetail;
pub use settings::GatewaySettings;

use self::{
    around::Around,
    certificates::{Certificates, Watch},
    data_routes::DataRoutes,
    guard::Guard,
    lifecycle::{CutOff, Lifecycle},
    rejections::Rejections,
};
use crate::manager::{DrainReport, Manager};

/// What those are given to take their answer whose calls are not waited for any longer.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

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
            client_limit: settings.client_limit.clone(),
        };
        let callers = data::Callers {
            client_ip: Arc::clone(&settings.client_ip),
            limit: settings.client_limit,
            are_told: settings.tells_callers,
        };
        let plane = data::DataPlane::new(manager.clone(), settings.data, callers, Arc::clone(&lifecycle));
        let rejections = Rejections::new(metrics.recorder());
        // Not there at all when nothing is to be written.
        let writes = match settings.data.access_log {
            access_log::Wanted { requests: AccessLog::Off, .. } => None,
            wanted => {
                let client_ip = Arc::clone(&settings.client_ip);
                Some(access_log::Writes { wanted, client_ip, lifecycle: Arc::clone(&lifecycle) })
            }
        };
        let guard = Guard::new(settings.listen, settings.hosts, Some(rejections));
        let data = DataRoutes::new(plane, Around { guard, verifier: settings.verifier, writes }).into_service();
        let guard = Guard::new(settings.admin_listen, settings.admin_hosts, None);
        let around = Around { guard, verifier: None, writes: None };
        let admin = around.layers(admin::routes(admin_plane, settings.access));
        // All are bound before any serves: a gateway that cannot be operated does not take calls.
        let data_listener = bind("server.listen", settings.listen)?;
        let admin_listener = bind("admin.listen", settings.admin_listen)?;
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

/// Connections that may wait to be accepted, as far as the system allows (`net.core.somaxconn`, 4096 by default on Linux). What tokio
/// asks for by itself is 128: clients that come at once after a pause would wait for a second, until they try again.
const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As tokio's `bind`: a gateway that is started again takes the port over from connections that are still closing.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, PluginError> {
    listen(address).map_err(|error| {
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn clients_that_come_at_once_are_there_before_anybody_accepts_them() {
        let allowed = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("a number");
        let most: usize = allowed.trim().parse().expect("a number");
        let listener = listen(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = listener.local_addr().expect("an address");
        let clients: Vec<_> = (0..most.min(300))
            .map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(900)).expect("there is room"))
            .collect();
        assert!(clients.len() == 300 || clients.len() == most);
    }
}
