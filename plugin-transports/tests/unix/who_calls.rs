//! A plugin on a Unix socket knows which process calls it, whatever is spoken there.

use bytes::Bytes;
use plugin_core::{Call, PluginError, PluginInstance, Reply};
use plugin_transports::{
    CallFuture,
    grpc::{GrpcConfig, GrpcPlugin, GrpcServerOptions},
    http::{HttpConfig, HttpPlugin, HttpVersion, ServerOptions},
    inproc::plugin_fn,
    listen::PeerCredentials,
    unix::{self, UnixServerOptions},
};
use tower::{Service, ServiceExt};

use crate::support::{Place, connect, within};

/// Answers with who calls.
fn plugin() -> impl plugin_core::Plugin<Bytes, Bytes> {
    plugin_fn(async |call: Call<Bytes>| {
        let peer = call.context().extension::<PeerCredentials>().copied();
        let peer = peer.map(|PeerCredentials { uid, gid, pid }| (uid, gid, pid));
        Ok::<_, PluginError>(Reply::new(Bytes::from(serde_json::to_vec(&peer).expect("numbers"))))
    })
}

async fn says<S>(instance: &PluginInstance<S>, protocol: &str)
where
    S: Service<Call<Bytes>, Response = Reply<Bytes>, Error = PluginError, Future = CallFuture> + Clone,
{
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let us = format!("[{uid},{gid},{}]", std::process::id());
    for _ in 0..2 {
        let call = Call::new(Bytes::from_static(b"1"));
        let reply = within(instance.service().clone().oneshot(call)).await.expect("a reply");
        assert_eq!(reply.into_payload(), us, "{protocol}");
    }
}

#[tokio::test]
async fn the_process_that_calls_is_in_each_call_over_lines() {
    let place = Place::new();
    let socket = place.bind().await.expect("free");
    let _server = unix::serve(plugin(), socket, UnixServerOptions::new()).expect("it listens");
    says(&connect(place.config()), "lines").await;
}

#[tokio::test]
async fn the_process_that_calls_is_in_each_call_over_http() {
    let place = Place::new();
    let socket = place.bind().await.expect("free");
    let _server = plugin_transports::http::serve(plugin(), socket, ServerOptions::new()).expect("it listens");
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let endpoint = format!("unix:{}", place.path().display());
        let config = HttpConfig::builder("p", endpoint).with_version(version).build().expect("a socket");
        says(&HttpPlugin::connect(config).expect("nothing to read"), version.as_str()).await;
    }
}

#[tokio::test]
async fn the_process_that_calls_is_in_each_call_over_grpc() {
    let place = Place::new();
    let socket = place.bind().await.expect("free");
    let _server = plugin_transports::grpc::serve(plugin(), socket, GrpcServerOptions::new()).expect("it listens");
    let config = GrpcConfig::builder("p", format!("unix:{}", place.path().display())).build().expect("a socket");
    says(&GrpcPlugin::connect(config).expect("nothing to read"), "gRPC").await;
}
