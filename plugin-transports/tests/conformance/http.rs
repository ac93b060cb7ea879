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
    tls::ServerTlsConfig,
};
use tokio::net::{TcpListener, TcpSocket};

use crate::{Running, all, http_faults, test_files::Files};

pub(crate) struct Http {
    name: &'static str,
    version: HttpVersion,
    files: Option<Arc<Files>>,
    is_unix: bool,
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

type Kept = Box<dyn Any + Send>;

impl Http {
    fn new(name: &'static str, version: u8) -> Self {
        let version = if version == 1 { HttpVersion::Http1 } else { HttpVersion::Http2 };
        Self { name, version, files: None, is_unix: false }
    }

    pub(crate) fn plain(name: &'static str, version: u8) -> Self {
        Self::new(name, version)
    }

    pub(crate) fn tls(name: &'static str, version: u8) -> Self {
        let files = Files::new();
        files.leaf("server");
        Self { files: Some(Arc::new(files)), ..Self::new(name, version) }
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

    fn listen(&self) -> Result<ListenOptions, BoxError> {
        let options = ListenOptions::new();
        Ok(match &self.files {
            Some(files) => {
                options.with_tls(ServerTlsConfig::new(files.path("server.pem"), files.path("server.key")).build()?)
            }
            None => options,
        })
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
        if let Place::Tcp(address) = *place {
            let dead = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 10), address.port()));
            let addresses = if settings.has_dead_address { vec![dead, address] } else { vec![address] };
            config = config.with_resolver(Resolver::new(move |_, _| {
                let addresses = addresses.clone();
                async move { Ok(addresses) }
            }));
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
            lacks.extend(all([Ability::Fault(Fault::Twice)], "a stream has one answer"));
        } else if self.is_unix || self.files.is_some() {
            lacks.extend(all([Ability::Fault(Fault::Twice)], "as HTTP/1.1, which does not see what is below it"));
        }
        lacks
    }

    async fn serve(&self, plugin: Scripted, _: &Settings) -> Result<Running<Held>, BoxError> {
        let (held, listen) = (self.hold()?, self.listen()?);
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
        let (held, listen, most) = (self.hold()?, self.listen()?, settings.max_reply);
        let place = held.place.clone();
        let start = move || {
            let (place, listen) = (place.clone(), listen.clone());
            async move {
                Ok(match fault {
                    Fault::Refuses => Box::new(()) as Kept,
                    _ => http_faults::serve(fault, most, place.bind().await?, listen)?,
                })
            }
        };
        let island = Island::start(start).await?;
        let instance = self.at(&held.place, settings)?;
        Ok(Some(Faulty::new(instance, Running { island, kept: held })))
    }
}
