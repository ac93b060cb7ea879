//! Plugins over each transport, alone and through the manager.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{Call, Plugin, PluginInstance};
use plugin_manager::{
    manager::Manager,
    stack::{Instance, StackSettings},
};
use plugin_transports::{
    ConnectionConfig,
    auth::AuthConfig,
    grpc::{self, GrpcClient, GrpcConfig, GrpcConfigBuilder, GrpcPlugin, GrpcServerOptions},
    http::{self, HttpClient, HttpConfig, HttpConfigBuilder, HttpPlugin, HttpVersion, ServerOptions},
    listen::ListenOptions,
    process::{self, ProcessConfig, ProcessConfigBuilder, ProcessService},
    unix::{self, UnixClient, UnixConfig, UnixConfigBuilder, UnixPlugin, UnixServerOptions},
};
use tower::ServiceExt;

use super::{
    child::PLUGIN,
    load::{Load, MOST_CALLERS},
    site::{At, Over, Site},
};
use crate::{groups::child, harness::Caller};

/// Longer than a group is measured: a connection that is closed meanwhile and made anew would be in the figures of the next row.
const KEPT: Duration = Duration::from_secs(60 * 60);

fn listen() -> ListenOptions {
    ListenOptions::new().with_idle_timeout(KEPT)
}

/// A plugin over HTTP.
pub(super) fn serve_http(site: &Site, over: Over, plugin: impl Plugin<Bytes, Bytes>) -> At {
    let options = match over {
        Over::Tls => ServerOptions::new().with_listen(listen()).with_tls(site.certificate.serves()),
        Over::Tcp | Over::Unix => ServerOptions::new().with_listen(listen()),
    };
    match over {
        Over::Unix => {
            let (listener, path) = site.socket();
            site.serve(async move { keep(http::serve(plugin, listener, options).expect("an address")) });
            At::Socket(path)
        }
        Over::Tcp | Over::Tls => {
            let (listener, address) = site.port();
            site.serve(async move { keep(http::serve(plugin, listener, options).expect("an address")) });
            At::Port(address)
        }
    }
}

/// A plugin over gRPC.
pub(super) fn serve_grpc(site: &Site, over: Over, plugin: impl Plugin<Bytes, Bytes>) -> At {
    let options = GrpcServerOptions::new().with_listen(listen());
    if over == Over::Unix {
        let (listener, path) = site.socket();
        site.serve(async move { keep(grpc::serve(plugin, listener, options).expect("an address")) });
        return At::Socket(path);
    }
    let (listener, address) = site.port();
    let options = if over == Over::Tls { options.with_tls(site.certificate.serves()) } else { options };
    site.serve(async move { keep(grpc::serve(plugin, listener, options).expect("an address")) });
    At::Port(address)
}

/// A plugin over lines on a socket.
pub(super) fn serve_lines(site: &Site, plugin: impl Plugin<Bytes, Bytes>) -> PathBuf {
    let (socket, path) = site.socket();
    site.serve(async move {
        keep(unix::serve(plugin, socket, UnixServerOptions::new().with_listen(listen())).expect("an address"))
    });
    path
}

/// Serves for as long as there is the runtime: a server stops when it is dropped.
pub(super) fn keep<T: Send + 'static>(serving: T) {
    tokio::spawn(async move {
        let _serving = serving;
        std::future::pending::<()>().await;
    });
}

/// The settings of a client of `at`.
pub(super) fn http_config(site: &Site, at: &At, over: Over, version: HttpVersion) -> HttpConfigBuilder {
    let (endpoint, auth) = reached(site, at, over);
    HttpConfig::builder("echo", endpoint).with_auth(auth).with_connection(connection()).with_version(version)
}

/// Likewise, over gRPC.
pub(super) fn grpc_config(site: &Site, at: &At, over: Over) -> GrpcConfigBuilder {
    let (endpoint, auth) = reached(site, at, over);
    GrpcConfig::builder("echo", endpoint).with_auth(auth).with_connection(connection())
}

/// Likewise, over lines.
pub(super) fn lines_config(path: &Path) -> UnixConfigBuilder {
    UnixConfig::builder("echo", path.display().to_string()).with_connection(connection())
}

/// An endpoint, and what is trusted there.
fn reached(site: &Site, at: &At, over: Over) -> (String, AuthConfig) {
    match (at, over) {
        (At::Socket(path), _) => (format!("unix:{}", path.display()), AuthConfig::none()),
        (At::Port(address), Over::Tls) => (format!("https://{address}/"), site.certificate.trusted()),
        (At::Port(address), _) => (format!("http://{address}/"), AuthConfig::none()),
    }
}

/// A connection for each of those who call at once, and kept.
pub(super) fn connection() -> ConnectionConfig {
    let builder = ConnectionConfig::builder().with_max_connections(MOST_CALLERS);
    let builder = builder.with_max_idle_connections(MOST_CALLERS).with_idle_timeout(KEPT);
    builder.build().expect("within the bounds")
}

pub(super) fn connect_http(config: HttpConfigBuilder) -> PluginInstance<HttpClient> {
    HttpPlugin::connect(config.build().expect("good settings")).expect("good files")
}

pub(super) fn connect_grpc(config: GrpcConfigBuilder) -> PluginInstance<GrpcClient> {
    GrpcPlugin::connect(config.build().expect("good settings")).expect("good files")
}

pub(super) fn connect_lines(config: UnixConfigBuilder) -> PluginInstance<UnixClient> {
    UnixPlugin::connect(config.build().expect("good settings")).expect("a socket")
}

pub(super) fn process_config() -> ProcessConfigBuilder {
    ProcessConfig::builder("echo", child::program()).with_args([child::ARGUMENT, PLUGIN])
}

pub(super) async fn connect_process(config: ProcessConfigBuilder) -> PluginInstance<ProcessService> {
    process::connect(config.build().expect("good settings")).await.expect("a plugin")
}

/// Calls a plugin's service as it is.
#[derive(Clone)]
pub(super) struct Alone<S> {
    service: S,
    load: Load,
}

impl<S: Plugin<Bytes, Bytes>> Alone<S> {
    pub(super) fn callers(instance: &PluginInstance<S>, load: &Load) -> Vec<Self> {
        vec![Self { service: instance.service().clone(), load: load.clone() }; load.callers]
    }
}

impl<S: Plugin<Bytes, Bytes>> Caller for Alone<S> {
    async fn call(&mut self) {
        let service = self.service.ready().await.expect("a plugin that is ready");
        let reply = service.call(Call::new(self.load.sent.clone())).await.expect("an answer");
        assert_eq!(Some(reply.payload().len()), self.load.back);
    }
}

/// Calls a plugin by its name, through the default stack.
#[derive(Clone)]
pub(super) struct Managed {
    manager: Arc<Manager<Bytes, Bytes>>,
    load: Load,
}

impl Managed {
    /// To be called within the clients' runtime, where the checks of health run.
    pub(super) fn callers<S: Plugin<Bytes, Bytes>>(instance: &PluginInstance<S>, load: &Load) -> Vec<Self> {
        let manager = Manager::new();
        let instances = vec![Instance::new("only", instance.clone())];
        let registration = StackSettings::default().build("echo", instances).expect("one instance");
        manager.register_with("echo", registration).expect("a free name");
        vec![Self { manager: Arc::new(manager), load: load.clone() }; load.callers]
    }
}

impl Caller for Managed {
    async fn call(&mut self) {
        let reply = self.manager.execute("echo", self.load.sent.clone()).await.expect("an answer");
        assert_eq!(Some(reply.payload().len()), self.load.back);
    }
}
