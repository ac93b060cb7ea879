//! From the settings of a plugin to its instances.

use bytes::Bytes;
use plugin_core::{Code, Plugin, PluginError, PluginInfo, Rejected, Reply, Sent};
use plugin_transports::{
    Reach,
    grpc::GrpcPlugin,
    http::HttpPlugin,
    json::Limits,
    process::{self, ProcessConfig, ProcessHandle},
    tls::ClientTls,
    unix::UnixPlugin,
};

use super::{Factories, Factory, reading::Reading};
use crate::{
    config::{Fault, InstanceConfig, InstanceTransport, PluginConfig, TransportConfig, TransportKind, no_such_type},
    manager::Registration,
    stack::{self, Instance, Transport},
};

/// The instances of a plugin, and its process when it has one.
pub(super) struct Connected {
    pub(super) instances: Vec<Instance<Transport>>,
    pub(super) process: Option<ProcessHandle>,
    /// Whether its instances can be reached, where they are on another machine or may be.
    pub(super) reach: Vec<Reach>,
    /// What its clients use of TLS, where it is reached over that.
    pub(super) tls: Option<ClientTls>,
    /// Why its process is not ready, and will be tried again.
    pub(super) late: Option<PluginError>,
}

/// The name of the one instance of a plugin that has no list of them.
const ONLY: &str = "default";

/// Who makes a plugin.
pub(super) enum Maker<'a> {
    Factory(&'a dyn Factory),
    Process(&'a ProcessConfig),
    Network(TransportKind, &'a [InstanceConfig]),
}

impl<'a> Maker<'a> {
    /// The registered factory that its `type` names, whatever its `transport` says and lacks; otherwise its transport.
    pub(super) fn of(plugin: &'a PluginConfig, factories: &'a Factories) -> Result<Self, PluginError> {
        if let Some(factory) = plugin.kind().and_then(|kind| factories.get(kind)) {
            return Ok(Self::Factory(factory));
        }
        match plugin.transport() {
            TransportConfig::InProcess => Err(PluginError::new(Code::InvalidTransport, unknown(plugin, factories))),
            TransportConfig::Exec(config) => Ok(Self::Process(config)),
            TransportConfig::Network(kind, instances) => Ok(Self::Network(*kind, instances)),
            TransportConfig::Unusable(_, faults) => {
                let code = faults.iter().find_map(Fault::code).unwrap_or(Code::InvalidTransport);
                Err(PluginError::new(code, format!("{faults}; and {}", unknown(plugin, factories))))
            }
        }
    }

    /// Whether it can make this plugin, as far as that is known without starting anything.
    pub(super) fn check(&self, plugin: &PluginConfig) -> Result<(), PluginError> {
        match self {
            Self::Factory(factory) => factory.validate(plugin.options()),
            Self::Process(_) | Self::Network(..) => Ok(()),
        }
    }

    /// How the plugin is reached that it makes.
    pub(super) fn transport(&self) -> TransportKind {
        match self {
            Self::Factory(_) => TransportKind::InProcess,
            Self::Process(_) => TransportKind::Exec,
            Self::Network(kind, _) => *kind,
        }
    }
}

/// A process that does not start is a fault where it `must`, and otherwise supervised all the same.
pub(super) async fn connect(
    plugin: &PluginConfig,
    maker: &Maker<'_>,
    must: bool,
    json: Limits,
    reading: &Reading,
) -> Result<Connected, PluginError> {
    match *maker {
        Maker::Factory(factory) => create(plugin, factory).await,
        Maker::Process(config) => {
            let mut config = config.clone().with_json_limits(json);
            if let Some(check) = plugin.health_check() {
                config = config.with_check_limit(check.timeout());
            }
            let (instance, late) = match must {
                true => (process::connect(config).await?, None),
                false => process::supervise(config).await,
            };
            let process = instance.service().handle();
            let instance = Instance::new(ONLY, instance.map(Transport::Process));
            Ok(Connected { instances: vec![instance], process: Some(process), reach: Vec::new(), tls: None, late })
        }
        Maker::Network(_, instances) if instances.iter().any(InstanceConfig::uses_tls) => {
            let instances = instances.to_vec();
            reading.have(move || over_network(&instances, json)).await
        }
        Maker::Network(_, instances) => over_network(instances, json),
    }
}

/// Reads the files of TLS, where that is spoken: once for all instances, which have the same.
fn over_network(instances: &[InstanceConfig], json: Limits) -> Result<Connected, PluginError> {
    let mut connected = Connected { instances: Vec::new(), process: None, reach: Vec::new(), tls: None, late: None };
    for instance in instances {
        let Network { instance, reach, tls } = network(instance, json, connected.tls.clone())?;
        connected.instances.push(instance);
        connected.reach.push(reach);
        connected.tls = connected.tls.or(tls);
    }
    Ok(connected)
}

fn unknown(plugin: &PluginConfig, factories: &Factories) -> String {
    let names = factories.names();
    match plugin.kind() {
        Some(kind) => format!("{}; it has: {names}", no_such_type(kind)),
        None => format!("`transport: inproc` needs the `type` of a plugin in this program: {names}"),
    }
}

async fn create(plugin: &PluginConfig, factory: &dyn Factory) -> Result<Connected, PluginError> {
    let instance = factory.create(plugin.name(), plugin.options()).await?;
    let instances = vec![Instance::new(ONLY, instance.map(Transport::custom))];
    Ok(Connected { instances, process: None, reach: Vec::new(), tls: None, late: None })
}

/// One of the places where a plugin is reached.
struct Network {
    instance: Instance<Transport>,
    reach: Reach,
    tls: Option<ClientTls>,
}

/// With the side of TLS of another instance, where there is one.
fn network(config: &InstanceConfig, json: Limits, tls: Option<ClientTls>) -> Result<Network, PluginError> {
    let (connected, reach, tls) = match config.transport() {
        InstanceTransport::Http(http) => {
            let http = http.clone().with_json_limits(json);
            let connected = HttpPlugin::connect(match tls {
                Some(tls) => http.with_shared_tls(tls),
                None => http,
            })?;
            let (reach, tls) = (connected.service().reach(), connected.service().tls());
            (connected.map(Transport::Http), reach, tls)
        }
        InstanceTransport::Grpc(grpc) => {
            let grpc = grpc.clone().with_json_limits(json);
            let connected = GrpcPlugin::connect(match tls {
                Some(tls) => grpc.with_shared_tls(tls),
                None => grpc,
            })?;
            let (reach, tls) = (connected.service().reach(), connected.service().tls());
            (connected.map(Transport::Grpc), reach, tls)
        }
        InstanceTransport::Unix(unix) => {
            let connected = UnixPlugin::connect(unix.clone().with_json_limits(json))?;
            let reach = connected.service().reach();
            (connected.map(Transport::Unix), reach, None)
        }
    };
    let mut instance = Instance::new(config.name(), connected)
        .with_concurrency(config.concurrency())
        .with_weight(config.weight())
        .with_priority(config.priority())
        .with_enabled(config.enabled());
    if let Some(zone) = config.zone() {
        instance = instance.with_zone(zone);
    }
    Ok(Network { instance, reach, tls })
}

/// Told to callers, and to whoever wants to switch it on.
const OFF: &str = "the configuration says `enabled: false`, so nothing of it was started; set `enabled: true` there and start \
                   the gateway again";

/// A plugin that the configuration switches off is known by its name, and nothing of it is started.
pub(super) fn switched_off(plugin: &PluginConfig) -> Registration<Bytes, Bytes> {
    let transport = plugin.transport().kind();
    Registration::new(never())
        .with_info(complete(PluginInfo::default(), plugin, transport))
        .with_telemetry(stack::counts(plugin.name()).handle())
        .switched_off(OFF)
}

/// What stands for a plugin that is not there.
fn never() -> impl Plugin<Bytes, Bytes> {
    tower::service_fn(|_: plugin_core::Call<Bytes>| {
        let error =
            PluginError::from(Rejected::new(Code::NotEnabled)).with_sent(Sent::Nothing).with_detail_for_operators(OFF);
        std::future::ready(Err::<Reply<Bytes>, _>(error))
    })
}

/// What the configuration knows where the plugin says nothing, and the operator's labels.
pub(super) fn complete(mut info: PluginInfo, plugin: &PluginConfig, transport: TransportKind) -> PluginInfo {
    match plugin.version() {
        Some(version) if info.version.is_empty() => info.version = version.to_owned(),
        Some(version) if info.version != version => tracing::warn!(
            plugin = plugin.name(),
            configured = version,
            version = info.version,
            "the plugin says that it is another version than the configuration does"
        ),
        _ => {}
    }
    info.transport = transport.as_str().to_owned();
    let notes = plugin.annotations().iter().chain(plugin.labels());
    info.metadata.extend(notes.map(|(key, value)| (key.clone(), value.clone())));
    info
}

#[cfg(test)]
mod tests;
