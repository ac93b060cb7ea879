//! A future that is polled after it has ended panics, and says which it was.

use bytes::Bytes;
use http_body_util::Empty;
use plugin_core::{Call, PluginError, Reply};
use plugin_transports::{
    http::{HttpConfig, PluginServer},
    inproc::plugin_fn,
};
use tower::Service;

use crate::{
    polled_again::{once_more, says},
    support::{connect, listener, within},
};

#[tokio::test]
async fn the_future_of_a_client_says_so_whoever_limits_its_time() {
    let (listener, address) = listener().await;
    drop(listener);
    let config = || HttpConfig::builder("p", format!("http://{address}"));
    for config in [config(), config().without_request_timeout()] {
        let mut client = connect(config).service().clone();
        let mut call = Box::pin(client.call(Call::new(Bytes::new())));
        within(call.as_mut()).await.expect_err("nobody is there");
        assert_eq!(once_more(call.as_mut()), says("plugin_transports::CallFuture"));
    }
}

#[tokio::test]
async fn so_does_that_of_a_server() {
    let plugin = plugin_fn(|_: Call<Bytes>| async { Ok::<_, PluginError>(Reply::new(Bytes::new())) });
    let mut server = PluginServer::new(plugin);
    let mut call = Box::pin(server.call(http::Request::get("/health").body(Empty::<Bytes>::new()).expect("valid")));
    assert_eq!(within(call.as_mut()).await.expect("infallible").status(), 200);
    assert_eq!(once_more(call.as_mut()), says("plugin_transports::http::PluginServerFuture"));
}
