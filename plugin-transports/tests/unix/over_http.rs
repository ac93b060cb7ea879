//! HTTP on a Unix socket: the same plugin, over either version, and who it is that asks.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use plugin_core::{Call, Code, PluginError, Reply};
use plugin_transports::{
    http::{HttpConfig, HttpPlugin, HttpVersion, ServerOptions, serve},
    inproc::plugin_fn,
    listen::{ListenOptions, PeerCredentials, UnixSocket, UnixSocketOptions, serve_http},
};
use tower::{ServiceExt, service_fn};

use crate::support::{Place, millis, within};

#[tokio::test]
async fn a_plugin_over_http_is_served_and_called_on_a_socket_in_both_versions() {
    let place = Place::new();
    let plugin = plugin_fn(async |call: Call<Bytes>| Ok::<_, PluginError>(Reply::new(call.into_payload())));
    let server = serve(plugin, place.bind().await.expect("free"), ServerOptions::new()).expect("it listens");
    assert_eq!(server.local_addr().file(), Some(place.path().as_path()));
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let endpoint = format!("unix:{}", place.path().display());
        let config = HttpConfig::builder("p", endpoint).with_version(version).build().expect("a socket");
        let instance = HttpPlugin::connect(config).expect("nothing to read");
        for number in 0..20 {
            let call = Call::new(Bytes::from(number.to_string()));
            let reply = within(instance.service().clone().oneshot(call)).await.expect("a reply");
            assert_eq!(reply.into_payload(), number.to_string());
        }
        within(instance.close(millis(1000))).await.expect("nothing is in flight");
    }
    within(server.shutdown(millis(5000))).await.expect("nothing is in flight");
    assert!(!place.path().exists());
}

#[tokio::test]
async fn who_asks_is_in_the_extensions_of_a_request() {
    let place = Place::new();
    let service = service_fn(async |request: Request<_>| {
        let _: &hyper::body::Incoming = request.body();
        let peer = request.extensions().get::<PeerCredentials>().map(|peer| (peer.uid, peer.gid, peer.pid));
        Ok::<_, Infallible>(Response::new(format!("{{\"data\":\"{peer:?}\"}}")))
    });
    let _server = serve_http(service, place.bind().await.expect("free"), ListenOptions::new()).expect("it listens");
    let config = HttpConfig::builder("p", format!("unix:{}", place.path().display())).build().expect("a socket");
    let instance = HttpPlugin::connect(config).expect("nothing to read");
    let reply = within(instance.service().clone().oneshot(Call::new(Bytes::from_static(b"1")))).await.expect("a reply");
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    assert_eq!(reply.into_payload(), format!("\"Some(({uid}, {gid}, Some({})))\"", std::process::id()));
}

#[tokio::test]
async fn who_may_not_connect_gets_no_answer_and_the_socket_is_there_for_others() {
    let place = Place::new();
    let options = UnixSocketOptions::new().with_allowed_uids([rustix::process::geteuid().as_raw() + 1]);
    let path = place.path();
    let socket = UnixSocket::bind(&path.as_path().try_into().expect("short"), options).await.expect("free");
    let plugin = plugin_fn(async |call: Call<Bytes>| Ok::<_, PluginError>(Reply::new(call.into_payload())));
    let _server = serve(plugin, socket, ServerOptions::new()).expect("it listens");
    let config = HttpConfig::builder("p", format!("unix:{}", path.display())).build().expect("a socket");
    let instance = HttpPlugin::connect(config).expect("nothing to read");
    let error =
        within(instance.service().clone().oneshot(Call::new(Bytes::from_static(b"1")))).await.expect_err("refused");
    assert_eq!(error.code(), Code::ConnectionFailed);
    let error = crate::support::call(&crate::support::connect(place.config()), "1").await.expect_err("refused");
    assert_eq!(error.code(), Code::ConnectionFailed);
}
