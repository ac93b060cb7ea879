//! gRPC, over TCP, TLS and a Unix socket.

use std::sync::Arc;

use plugin_core::{BoxError, PluginInstance};
use plugin_transports::{
    ConnectionConfig,
    auth::AuthConfig,
    conformance::{Ability, Fault, Faulty, Island, Scripted, Settings, Subject},
    grpc::{GrpcClient, GrpcConfig, GrpcPlugin, GrpcServerOptions, serve},
    listen::ListenOptions,
};

use crate::{
    Running, all, certified, each_way, grpc_faults,
    http::{Bound, Held, Kept, Place, resolver},
    server_tls,
    test_files::Files,
};

pub(crate) struct Grpc {
    name: &'static str,
    files: Option<Arc<Files>>,
    is_unix: bool,
    /// Which of the ways of a fault its peers take.
    way: usize,
}

impl Grpc {
    pub(crate) fn plain(name: &'static str) -> Self {
        Self { name, files: None, is_unix: false, way: 0 }
    }

    pub(crate) fn tls(name: &'static str) -> Self {
        Self { files: Some(certified()), ..Self::plain(name) }
    }

    pub(crate) fn unix(name: &'static str) -> Self {
        Self { is_unix: true, ..Self::plain(name) }
    }

    fn hold(&self) -> Result<Held, BoxError> {
        if self.is_unix { Held::unix() } else { Held::tcp() }
    }

    fn at(&self, place: &Place, settings: &Settings) -> Result<PluginInstance<GrpcClient>, BoxError> {
        let endpoint = match (place, &self.files) {
            (Place::Unix(path), _) => path.to_string(),
            (Place::Tcp(address), None) => format!("localhost:{}", address.port()),
            (Place::Tcp(address), Some(_)) => format!("https://localhost:{}", address.port()),
        };
        let connection = ConnectionConfig::builder().with_request_timeout(settings.limit);
        let mut config = GrpcConfig::builder("scripted", endpoint)
            .with_connection(connection.build()?)
            .with_max_request(settings.max_request)
            .with_max_response(settings.max_reply);
        if let Some(files) = &self.files {
            config = config.with_auth(AuthConfig::none().with_ca_file(files.ca()));
        }
        if let Some(resolver) = resolver(place, settings) {
            config = config.with_resolver(resolver);
        }
        Ok(GrpcPlugin::connect(config.build()?)?)
    }
}

impl Subject for Grpc {
    type Service = GrpcClient;
    type Server = Running<Held>;

    fn name(&self) -> &str {
        self.name
    }

    fn lacks(&self) -> Vec<(Ability, &'static str)> {
        let mut lacks = all([Ability::Fault(Fault::WrongId)], "the connection, or the stream, says whose answer it is");
        lacks.extend(all([Ability::Line], "calls share a connection, as many as the plugin takes: `http streams`"));
        if self.is_unix {
            lacks.extend(all([Ability::Addresses], "a socket has one address"));
        }
        lacks
    }

    async fn serve(&self, plugin: Scripted, _: &Settings) -> Result<Running<Held>, BoxError> {
        let (held, tls) = (self.hold()?, server_tls(self.files.as_deref())?);
        let listen = tls.into_iter().fold(ListenOptions::new(), ListenOptions::with_tls);
        let place = held.place.clone();
        let start = move || {
            let (place, plugin) = (place.clone(), plugin.clone());
            let options = GrpcServerOptions::new().with_listen(listen.clone());
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
    ) -> Result<PluginInstance<GrpcClient>, BoxError> {
        self.at(&server.kept.place, settings)
    }

    async fn faulty(&self, fault: Fault, settings: &Settings) -> Result<Option<Faulty<GrpcClient>>, BoxError> {
        let (held, tls, most) = (self.hold()?, server_tls(self.files.as_deref())?, settings.max_reply);
        let (place, way) = (held.place.clone(), grpc_faults::ways(fault)[self.way]);
        let start = move || {
            let (place, tls) = (place.clone(), tls.clone());
            async move {
                match fault {
                    Fault::Refuses => Ok(()),
                    _ => grpc_faults::serve(fault, way, most, &place, tls).await,
                }
            }
        };
        let island = Island::start(start).await?;
        let instance = self.at(&held.place, settings)?;
        Ok(Some(Faulty::new(instance, Running { island, kept: held })))
    }
}

#[tokio::test]
async fn each_way_of_a_fault_over_grpc_ends_as_the_fault_does() {
    each_way(grpc_faults::ways, |way| Grpc { way, ..Grpc::plain("gRPC") }).await;
}
