//! What the program itself does not come to: a call that never ends, and a payload without bounds.

use std::time::Duration;

use bytes::Bytes;
use plugin_core::{Call, Code, PluginError, Reply, Sent};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::{frame, transport};

/// Accepts what the kernel accepts by itself, and never answers.
async fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    (listener, address)
}

fn failed(result: Result<Reply<Bytes>, PluginError>) -> (Code, Sent) {
    let error = result.expect_err("no answer");
    assert_eq!(error.plugin(), Some("silent"));
    (error.code(), error.sent())
}

#[tokio::test]
async fn closing_cuts_off_what_does_not_end_and_refuses_what_comes_later() {
    let (_listener, address) = silent().await;
    let instance = transport::connect("silent", &address).await.expect("it listens");
    let call = || instance.service().clone().oneshot(Call::new(Bytes::from_static(b"hello")));
    // The call is polled first, and so takes its place before the instance is closed.
    let (cut, closed) = tokio::join!(call(), instance.close(Duration::from_millis(1)));
    assert_eq!(closed.expect_err("a call was cut off").code(), Code::Draining);
    assert_eq!(failed(cut), (Code::ShuttingDown, Sent::Maybe));
    assert_eq!(failed(call().await), (Code::ShuttingDown, Sent::Nothing));
    instance.close(Duration::from_secs(1)).await.expect("closing twice does no harm");
}

#[tokio::test]
async fn a_payload_longer_than_a_frame_sends_nothing() {
    let (_listener, address) = silent().await;
    let instance = transport::connect("silent", &address).await.expect("it listens");
    let payload = Bytes::from(vec![0; frame::MAX + 1]);
    let result = instance.service().clone().oneshot(Call::new(payload)).await;
    assert_eq!(failed(result), (Code::PayloadTooLarge, Sent::Nothing));
}
