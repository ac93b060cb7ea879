//! From the settings of a plugin to its instances.

use bytes::Bytes;
use plugin_core::{Code, Plugin, PluginError, PluginInfo, Rejected, Reply, Sent};
use plugin_transports::{
    http::HttpPlugin,
    json::Limits,
    process::{self, ProcessHandle},
};

use super::{Factories, Factory};
use crate::{
    config::{InstanceConfig, PluginConfig, TransportConfig, TransportKind},
    manager::Registration,
    stack::{Instance, Transport},
};

/// The instances of a plugin, and its process when it has one.
pub(super) struct Connected {
    pub(super) instances: Vec<Instance<Transport>>,
    pub(super) process: Option<ProcessHandle>,
    /// Why its process is not ready, and will be tried again.
    pub(super) late: Option<PluginError>,
}

/// The name of the one instance of a plugin that has no list of them.
const ONLY: &str = "default";

/// A process that does not start is a fault where it `must`, and otherwise supervised all the same.
pub(super) async fn connect(
    plugin: &PluginConfig,
    must: bool,
    json: Limits,
    factories: &Factories,
) -> Result<Connected, PluginError> {
    // A registered factory is what makes the plugin, whatever its `transport` says.
    if let Some(factory) = factory(plugin, factories) {
        return create(plugin, factory).await;
    }
    match plugin.transport() {
        TransportConfig::InProcess => Err(unknown(plugin, factories)),
        TransportConfig::Exec(config) => {
            let mut config = (**config).clone().with_json_limits(json);
            if let Some(check) = plugin.health_check() {
                config = config.with_check_limit(check.timeout());
            }
            let (instance, late) = match must {
                true => (process::connect(config).await?, None),
                false => process::supervise(config).await,
            };
            let process = instance.service().handle();
            let instance = Instance::new(ONLY, instance.map(Transport::Process));
            Ok(Connected { instances: vec![instance], process: Some(process), late })
        }
        TransportConfig::Http(instances) | TransportConfig::Https(instances) => {
            let instances = instances.iter().map(|instance| http(instance, json)).collect::<Result<_, _>>()?;
            Ok(Connected { instances, process: None, late: None })
        }
    }
}

/// The factory that makes a plugin, where its `type` names one.
pub(super) fn factory<'f>(plugin: &PluginConfig, factories: &'f Factories) -> Option<&'f dyn Factory> {
    plugin.kind().and_then(|kind| factories.get(kind))
}

fn unknown(plugin: &PluginConfig, factories: &Factories) -> PluginError {
    let names = factories.names();
    let problem = match plugin.kind() {
        Some(kind) => format!("this program has no plugin of type {kind:?}; it has: {names}"),
        None => format!("`transport: inproc` needs the `type` of a plugin in this program: {names}"),
    };
    PluginError::new(Code::InvalidTransport, problem)
}

async fn create(plugin: &PluginConfig, factory: &dyn Factory) -> Result<Connected, PluginError> {
    factory.validate(plugin.options())?;
    let instance = factory.create(plugin.name(), plugin.options()).await?;
    Ok(Connected { instances: vec![Instance::new(ONLY, instance.map(Transport::Custom))], process: None, late: None })
}

fn http(config: &InstanceConfig, json: Limits) -> Result<Instance<Transport>, PluginError> {
    let connected = HttpPlugin::connect(config.http().clone().with_json_limits(json))?.map(Transport::Http);
    let mut instance = Instance::new(config.name(), connected)
        .with_weight(config.weight())
        .with_priority(config.priority())
        .with_enabled(config.enabled());
    if let Some(zone) = config.zone() {
        instance = instance.with_zone(zone);
    }
    Ok(instance)
}

/// Told to callers, and to whoever wants to switch it on.
const OFF: &str = "the configuration says `enabled: false`, so nothing of it was started; set `enabled: true` there and start \
                   the gateway again";

/// A plugin that the configuration switches off is known by its name, and nothing of it is started.
pub(super) fn switched_off(plugin: &PluginConfig) -> Registration<Bytes, Bytes> {
    let transport = plugin.transport().kind();
    Registration::new(never()).with_info(complete(PluginInfo::default(), plugin, transport)).switched_off(OFF)
}

/// What stands for a plugin that is not there.
fn never() -> impl Plugin<Bytes, Bytes> {
    tower::service_fn(|_: plugin_core::Call<Bytes>| {
        let error = PluginError::from(Rejected::new(Code::NotEnabled)).with_sent(Sent::Nothing).with_detail(OFF);
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
