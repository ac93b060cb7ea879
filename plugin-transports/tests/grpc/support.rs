//! A plugin that is served over gRPC, a client of it, and waits that are bounded.

use std::{future::Future, net::SocketAddr, time::Duration};

use bytes::Bytes;
use plugin_core::{Call, Plugin, PluginError, PluginInstance, Reply};
use plugin_transports::{
    grpc::{GrpcClient, GrpcConfig, GrpcConfigBuilder, GrpcPlugin, GrpcServerOptions, serve},
    inproc::plugin_fn,
    listen::Serving,
};
use tokio::net::TcpListener;
use tower::ServiceExt;

/// No test waits longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it hangs")
}

pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// Answers with its payload.
pub(crate) fn echo() -> impl Plugin<Bytes, Bytes> {
    plugin_fn(|call: Call<Bytes>| async move { Ok(Reply::new(call.into_payload())) })
}

pub(crate) async fn serving(plugin: impl Plugin<Bytes, Bytes>, options: GrpcServerOptions) -> Serving {
    serve(plugin, listener().await.0, options).expect("an address")
}

pub(crate) fn config(address: SocketAddr) -> GrpcConfigBuilder {
    GrpcConfig::builder("p", address.to_string())
}

pub(crate) fn connect(config: GrpcConfigBuilder) -> PluginInstance<GrpcClient> {
    GrpcPlugin::connect(config.build().expect("valid settings")).expect("nothing to read")
}

pub(crate) async fn call(
    instance: &PluginInstance<GrpcClient>,
    payload: &'static str,
) -> Result<Reply<Bytes>, PluginError> {
    send(instance, Call::new(Bytes::from_static(payload.as_bytes()))).await
}

pub(crate) async fn send(
    instance: &PluginInstance<GrpcClient>,
    call: Call<Bytes>,
) -> Result<Reply<Bytes>, PluginError> {
    within(instance.service().clone().oneshot(call)).await
}
