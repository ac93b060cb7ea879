//! go-plugins' lines over a Unix socket.

use plugin_core::{BoxError, PluginInstance};
use plugin_transports::{
    ConnectionConfig,
    conformance::{Ability, Fault, Faulty, Island, Scripted, Settings, Subject},
    unix::{UnixClient, UnixConfig, UnixPlugin, UnixServerOptions, serve},
};

use crate::{
    Running, all,
    http::{Bound, Held, Place},
    unix_faults,
};

pub(crate) struct Lines;

fn at(place: &Place, settings: &Settings) -> Result<PluginInstance<UnixClient>, BoxError> {
    let Place::Unix(path) = place else { return Err("it is no socket".into()) };
    let connections = if settings.is_single { 1 } else { 10 };
    let connection = ConnectionConfig::builder().with_max_connections(connections);
    let config = UnixConfig::builder("scripted", path.to_string())
        .with_connection(connection.with_request_timeout(settings.limit).build()?)
        .with_max_line(settings.max_request.min(settings.max_reply));
    Ok(UnixPlugin::connect(config.build()?)?)
}

impl Subject for Lines {
    type Service = UnixClient;
    type Server = Running<Held>;

    fn name(&self) -> &str {
        "lines over a Unix socket"
    }

    fn lacks(&self) -> Vec<(Ability, &'static str)> {
        let status = [Ability::Status, Ability::Fault(Fault::Unavailable)];
        [
            all([Ability::Addresses], "a socket has one address"),
            all(status, "an error has a code, and the protocol no status beside it"),
        ]
        .concat()
    }

    async fn serve(&self, plugin: Scripted, _: &Settings) -> Result<Running<Held>, BoxError> {
        let held = Held::unix()?;
        let place = held.place.clone();
        let start = move || {
            let (place, plugin) = (place.clone(), plugin.clone());
            async move {
                let Bound::Unix(socket) = place.bind().await? else { return Err("it is no socket".into()) };
                Ok(serve(plugin, socket, UnixServerOptions::new())?)
            }
        };
        Ok(Running { island: Island::start(start).await?, kept: held })
    }

    async fn connect(
        &self,
        server: &Running<Held>,
        settings: &Settings,
    ) -> Result<PluginInstance<UnixClient>, BoxError> {
        at(&server.kept.place, settings)
    }

    async fn faulty(&self, fault: Fault, settings: &Settings) -> Result<Option<Faulty<UnixClient>>, BoxError> {
        let held = Held::unix()?;
        let (place, most) = (held.place.clone(), settings.max_reply);
        let start = move || {
            let place = place.clone();
            async move {
                if fault != Fault::Refuses {
                    let Place::Unix(path) = &place else { return Err("it is no socket".into()) };
                    unix_faults::listen(fault, most, path.file().ok_or("an abstract name")?)?;
                }
                Ok(())
            }
        };
        let island = Island::start(start).await?;
        let instance = at(&held.place, settings)?;
        Ok(Some(Faulty::new(instance, Running { island, kept: held })))
    }
}
