//! HTTP, of both versions, over TCP, TLS and Unix sockets.

use std::{
    any::Any,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use plugin_core::{BoxError, PluginInstance};
use plugin_transports::{
    ConnectionConfig,
    auth::AuthConfig,
    conformance::{Ability, Fault, Faulty, Island, Scripted, Settings, Subject},
    dial::Resolver,
    http::{HttpClient, HttpConfig, HttpPlugin, HttpVersion, ServerOptions, serve},
    listen::{ListenOptions, SocketPath, UnixSocket, UnixSocketOptions},
};
use tokio::net::{TcpListener, TcpSocket};

use crate::{Running, all, certified, each_way, http_faults, server_tls, test_files::Files};

pub(crate) struct Http {
    name: &'static str,
    version: HttpVersion,
    files: Option<Arc<Files>>,
    is_unix: bool,
    /// Which of the ways of a fault its peers take.
    way: usize,
}

/// Where it listens.
#[derive(Clone)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(SocketPath),
}

/// A place that nobody else gets while this lives.
pub(crate) struct Held {
    pub(crate) place: Place,
    _port: Option<TcpSocket>,
    _dir: Option<tempfile::TempDir>,
}

impl Held {
    pub(crate) fn tcp() -> Result<Self, BoxError> {
        let port = Island::port()?;
        Ok(Self { place: Place::Tcp(port.local_addr()?), _port: Some(port), _dir: None })
    }

    pub(crate) fn unix() -> Result<Self, BoxError> {
        let dir = tempfile::tempdir()?;
        let path = format!("unix:{}", dir.path().join("p.sock").display()).parse()?;
        Ok(Self { place: Place::Unix(path), _port: None, _dir: Some(dir) })
    }
}

/// What listens there.
pub(crate) enum Bound {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

impl Place {
    pub(crate) async fn bind(&self) -> Result<Bound, BoxError> {
        Ok(match self {
            Self::Tcp(address) => Bound::Tcp(Island::listen(*address)?),
            Self::Unix(path) => Bound::Unix(UnixSocket::bind(path, UnixSocketOptions::new()).await?),
        })
    }
}

/// A server that runs until it is dropped.
pub(crate) type Kept = Box<dyn Any + Send>;

/// What a name stands for at a place that has names: its address, and one before it on which nobody listens where that is asked
/// for.
pub(crate) fn resolver(place: &Place, settings: &Settings) -> Option<Resolver> {
    let Place::Tcp(address) = *place else { return None };
    let dead = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 10), address.port()));
    let addresses = if settings.has_dead_address { vec![dead, address] } else { vec![address] };
    Some(Resolver::new(move |_, _| {
        let addresses = addresses.clone();
        async move { Ok(addresses) }
    }))
}

impl Http {
    fn new(name: &'static str, version: u8) -> Self {
        let version = if version == 1 { HttpVersion::Http1 } else { HttpVersion::Http2 };
        Self { name, version, files: None, is_unix: false, way: 0 }
    }

    pub(crate) fn plain(name: &'static str, version: u8) -> Self {
        Self::new(name, version)
    }

    pub(crate) fn tls(name: &'static str, version: u8) -> Self {
        Self { files: Some(certified()), ..Self::new(name, version) }
    }

    pub(crate) fn unix(name: &'static str, version: u8) -> Self {
        Self { is_unix: true, ..Self::new(name, version) }
    }

    fn is_http1(&self) -> bool {
        matches!(self.version, HttpVersion::Http1)
    }

    fn hold(&self) -> Result<Held, BoxError> {
        if self.is_unix { Held::unix() } else { Held::tcp() }
    }

    fn at(&self, place: &Place, settings: &Settings) -> Result<PluginInstance<HttpClient>, BoxError> {
        let endpoint = match (place, &self.files) {
            (Place::Unix(path), _) => path.to_string(),
            (Place::Tcp(address), None) => format!("http://localhost:{}/run", address.port()),
            (Place::Tcp(address), Some(_)) => format!("https://localhost:{}/run", address.port()),
        };
        let connections = if settings.is_single { 1 } else { 10 };
        let connection = ConnectionConfig::builder().with_max_connections(connections);
        let mut config = HttpConfig::builder("scripted", endpoint)
            .with_version(self.version)
            .with_connection(connection.with_request_timeout(settings.limit).build()?)
            .with_max_request(settings.max_request)
            .with_max_response(settings.max_reply);
        if let Some(files) = &self.files {
            config = config.with_auth(AuthConfig::none().with_ca_file(files.ca()));
        }
        if let Some(resolver) = resolver(place, settings) {
            config = config.with_resolver(resolver);
        }
        Ok(HttpPlugin::connect(config.build()?)?)
    }
}

impl Subject for Http {
    type Service = HttpClient;
    type Server = Running<Held>;

    fn name(&self) -> &str {
        self.name
    }

    fn lacks(&self) -> Vec<(Ability, &'static str)> {
        let mut lacks = all([Ability::Fault(Fault::WrongId)], "the connection, or the stream, says whose answer it is");
        if self.is_unix {
            lacks.extend(all([Ability::Addresses], "a socket has one address"));
        }
        if !self.is_http1() {
            lacks.extend(all([Ability::Line], "calls share a connection, as many as the plugin takes: `http streams`"));
        } else if self.is_unix || self.files.is_some() {
            lacks.extend(all([Ability::Fault(Fault::Twice)], "as HTTP/1.1, which does not see what is below it"));
        }
        lacks
    }

    async fn serve(&self, plugin: Scripted, _: &Settings) -> Result<Running<Held>, BoxError> {
        let (held, tls) = (self.hold()?, server_tls(self.files.as_deref())?);
        let listen = tls.into_iter().fold(ListenOptions::new(), ListenOptions::with_tls);
        let place = held.place.clone();
        let start = move || {
            let (place, plugin, options) =
                (place.clone(), plugin.clone(), ServerOptions::new().with_listen(listen.clone()));
            async move {
                Ok(match place.bind().await? {
                    Bound::Tcp(listener) => Box::new(serve(plugin, listener, options)?) as Kept,
                    Bound::Unix(listener) => Box::new(serve(plugin, listener, options)?),
                })
            }
        };
        Ok(Running { island: Island::start(start).await?, kept: held })
    }

    async fn connect(
        &self,
        server: &Running<Held>,
        settings: &Settings,
    ) -> Result<PluginInstance<HttpClient>, BoxError> {
        self.at(&server.kept.place, settings)
    }

    async fn faulty(&self, fault: Fault, settings: &Settings) -> Result<Option<Faulty<HttpClient>>, BoxError> {
        let (held, tls, most) = (self.hold()?, server_tls(self.files.as_deref())?, settings.max_reply);
        let (place, way) = (held.place.clone(), http_faults::ways(fault, self.is_http1())[self.way]);
        let start = move || {
            let (place, tls) = (place.clone(), tls.clone());
            async move {
                match fault {
                    Fault::Refuses => Ok(Box::new(()) as Kept),
                    _ => http_faults::serve(fault, way, most, &place, tls).await,
                }
            }
        };
        let island = Island::start(start).await?;
        let instance = self.at(&held.place, settings)?;
        Ok(Some(Faulty::new(instance, Running { island, kept: held })))
    }
}

#[tokio::test]
async fn each_way_of_a_fault_over_http_ends_as_the_fault_does() {
    for (name, version) in [("HTTP/1.1", 1), ("HTTP/2", 2)] {
        each_way(|fault| http_faults::ways(fault, version == 1), |way| Http { way, ..Http::plain(name, version) })
            .await;
    }
}
