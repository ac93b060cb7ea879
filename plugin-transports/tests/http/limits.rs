//! Bounds of size and of time.

use std::{io::Write, sync::Arc, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use plugin_core::{Call, Code, Sent};
use tokio::sync::Semaphore;

use crate::support::{Act, Scripted, call, connect, connection, listener, ok, send};

#[tokio::test]
async fn a_payload_that_is_not_json_is_never_sent() {
    let plugin = Scripted::answering(ok("{}")).await;
    let instance = connect(plugin.config());
    for payload in ["", "hello", "{\"a\":}", "1,\"timeout\":\"9h\"", "{}{}", "\u{0}", "nul"] {
        let error = call(&instance, payload).await.expect_err(payload);
        assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::InvalidPayload, Sent::Nothing, false));
        assert_eq!(error.plugin(), Some("p"));
    }
    let error = send(&instance, Call::new(Bytes::from_static(b"\"\xff\""))).await.expect_err("not UTF-8");
    assert_eq!(error.code(), Code::InvalidPayload);
    assert_eq!(plugin.accepted(), 0);
}

#[tokio::test]
async fn a_payload_of_a_hundred_mebibytes_is_never_sent() {
    let plugin = Scripted::answering(ok("{}")).await;
    let error = send(&connect(plugin.config()), Call::new(vec![b' '; 100 << 20].into())).await.expect_err("too large");
    assert_eq!((error.code(), error.sent()), (Code::PayloadTooLarge, Sent::Nothing));
    assert!(error.message().contains("104857600") && error.message().contains("10485760"), "{error}");
    assert_eq!(plugin.accepted(), 0);
}

#[tokio::test]
async fn an_answer_that_announces_too_much_is_not_read() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n".to_vec();
    let plugin = Scripted::start(move |_, _| Act::Stall(head.clone())).await;
    let error = call(&connect(plugin.config()), "1").await.expect_err("too large");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::PayloadTooLarge, Sent::Maybe, false));
    plugin.until_open(0).await;
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off_at_the_bound() {
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let plugin = Scripted::start(move |_, _| Act::Flood(head.clone(), chunk.clone())).await;
    let error = call(&connect(plugin.config()), "1").await.expect_err("too large");
    assert_eq!(error.code(), Code::PayloadTooLarge);
    plugin.until_open(0).await;
}

#[tokio::test]
async fn an_answer_that_unfolds_into_too_much_is_cut_off_at_the_bound() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; 100 << 20]).expect("into memory");
    let body = encoder.finish().expect("into memory");
    assert!(body.len() < 1 << 20);
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend(body);
    let plugin = Scripted::answering(bytes).await;
    let error = call(&connect(plugin.config()), "1").await.expect_err("too large");
    assert_eq!(error.code(), Code::PayloadTooLarge);
}

#[tokio::test]
async fn large_payloads_within_the_bound_go_both_ways() {
    let plugin = Scripted::start(|_, request| {
        let data = request.split(r#"{"data":"#).nth(1).and_then(|rest| rest.split(",\"request_id\"").next());
        Act::Answer(ok(&format!(r#"{{"data":{}}}"#, data.expect("a payload"))))
    })
    .await;
    let text = format!("\"{}\"", "x".repeat(5 << 20));
    let reply = send(&connect(plugin.config()), Call::new(text.clone().into())).await.expect("a reply");
    assert_eq!(reply.payload(), &text);
}

#[tokio::test]
async fn a_slow_plugin_costs_an_attempt_and_a_late_one_the_call() {
    let plugin = Scripted::start(|_, _| Act::Stall(Vec::new())).await;
    let quick = connection(|config| config.with_request_timeout(Duration::from_millis(50)));
    let instance = connect(plugin.config().with_connection(quick));
    let error = call(&instance, "1").await.expect_err("too slow");
    assert_eq!((error.code(), error.is_retryable(), error.sent()), (Code::Timeout, true, Sent::Maybe));
    assert_eq!(error.rejected().and_then(|rejected| rejected.stage()), Some("waiting for the plugin's answer"));

    let request = Call::new(Bytes::from_static(b"1")).with_timeout(Duration::from_millis(20));
    let error = send(&instance, request).await.expect_err("too late");
    assert_eq!((error.code(), error.is_retryable(), error.sent()), (Code::Timeout, false, Sent::Maybe));
    assert_eq!(error.rejected().and_then(|rejected| rejected.stage()), Some("waiting for the plugin's answer"));
    // Neither connection can be used again: an answer may still come on it.
    plugin.until_open(0).await;
}

#[tokio::test]
async fn an_answer_that_trickles_is_no_way_round_the_limit() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_vec();
    let plugin = Scripted::start(move |_, _| Act::Stall(head.clone())).await;
    let quick = connection(|config| config.with_request_timeout(Duration::from_millis(50)));
    let error = call(&connect(plugin.config().with_connection(quick)), "1").await.expect_err("too slow");
    assert_eq!((error.code(), error.is_retryable()), (Code::Timeout, true));
    assert_eq!(error.rejected().and_then(|rejected| rejected.stage()), Some("reading the plugin's answer"));
}

#[tokio::test]
async fn a_call_whose_deadline_has_passed_is_not_sent() {
    let plugin = Scripted::answering(ok("{}")).await;
    let request = Call::new(Bytes::from_static(b"1")).with_timeout(Duration::ZERO);
    let error = send(&connect(plugin.config()), request).await.expect_err("too late");
    assert_eq!((error.code(), error.is_retryable(), error.sent()), (Code::Timeout, false, Sent::Nothing));
    assert_eq!(plugin.accepted(), 0);
}

#[tokio::test]
async fn the_limit_of_an_attempt_can_be_left_to_a_layer_outside() {
    let told = Arc::new(Semaphore::new(0));
    let script = Arc::clone(&told);
    let plugin = Scripted::start(move |_, _| Act::Wait(Arc::clone(&script), ok(r#"{"data":1}"#))).await;
    let quick = connection(|config| config.with_request_timeout(Duration::from_millis(1)));
    let instance = connect(plugin.config().with_connection(quick).without_request_timeout());
    let (reply, ()) = tokio::join!(call(&instance, "1"), async {
        plugin.until_seen(1).await;
        // Long past the limit that the plugin was told.
        tokio::time::sleep(Duration::from_millis(20)).await;
        told.add_permits(1);
    });
    assert_eq!(reply.expect("a reply").payload(), "1");
    assert!(plugin.seen()[0].contains(r#""timeout":"1ms""#));
}

#[tokio::test]
async fn nobody_there_is_told_at_once_and_nothing_was_sent() {
    let (listening, address) = listener().await;
    drop(listening);
    let refused = format!("http://{address}/");
    for endpoint in [refused.as_str(), "http://no-such-name.invalid/"] {
        let quick = connection(|config| config.with_connection_timeout(Duration::from_secs(5)));
        let config = plugin_transports::http::HttpConfig::builder("p", endpoint).with_connection(quick);
        let error = call(&connect(config), "1").await.expect_err("nobody there");
        assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, true));
        assert!(error.message().contains(endpoint.trim_end_matches('/')), "{error}");
    }
}

#[tokio::test]
async fn a_plugin_that_keeps_the_limit_itself_is_no_other_error() {
    // It answers 504 when the time that it was told is over, which may be before the host's own timer fires.
    let told = Arc::new(Semaphore::new(0));
    let script = Arc::clone(&told);
    let late = crate::support::answer("504 Gateway Timeout", "", "");
    let plugin = Scripted::start(move |_, _| Act::Wait(Arc::clone(&script), late.clone())).await;
    let instance = connect(
        plugin
            .config()
            .without_request_timeout()
            .with_connection(connection(|config| config.with_request_timeout(Duration::from_millis(10)))),
    );
    let request = Call::new(Bytes::from_static(b"1")).with_timeout(Duration::from_secs(20));
    let (error, ()) = tokio::join!(send(&instance, request), async {
        plugin.until_seen(1).await;
        tokio::time::sleep(Duration::from_millis(15)).await;
        told.add_permits(1);
    });
    let error = error.expect_err("too late");
    assert_eq!((error.code(), error.is_retryable()), (Code::Timeout, true), "the attempt's limit, not the deadline");

    let early = Scripted::answering(crate::support::answer("504 Gateway Timeout", "", "")).await;
    let error = call(&connect(early.config()), "1").await.expect_err("a limit of the plugin's own");
    assert_eq!((error.code(), error.is_retryable()), (Code::HttpTransport, true));

    // A plugin that keeps a margin, under a caller in a hurry: no evidence, and not worth another attempt.
    let early = Scripted::answering(crate::support::answer("504 Gateway Timeout", "", "")).await;
    let hurry = Call::new(Bytes::from_static(b"1")).with_timeout(Duration::from_secs(10));
    let error = send(&connect(early.config()), hurry).await.expect_err("too late");
    assert_eq!((error.code(), error.is_retryable()), (Code::Timeout, false));
    assert!(!error.rejected().expect("a refusal").is_evidence());
}
