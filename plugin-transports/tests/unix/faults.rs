//! What a host is told when a plugin does what it should not.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use plugin_core::{Call, Code, PluginError, Sent};
use serde_json::Value;
use tokio::{net::UnixListener, sync::Semaphore};

use crate::support::{Act, Place, Scripted, call, connect, connection, millis, ok, send};

/// The error of a call to a plugin that does this, and that the next call is answered.
async fn fault(act: impl Fn(&Value) -> Act + Send + Sync + 'static) -> PluginError {
    let plugin = Scripted::start(move |number, request| match number {
        0 => act(request),
        _ => Act::Write(ok(request, "\"next\"")),
    });
    let limits = connection(|build| build.with_max_connections(1));
    let instance = connect(plugin.config().with_connection(limits).with_max_line(64 << 10));
    let error = call(&instance, "1").await.expect_err("a fault");
    assert_eq!(error.plugin(), Some("p"));
    assert_eq!(call(&instance, "2").await.expect("the next one").payload(), "\"next\"");
    assert_eq!(plugin.accepted(), 2, "on another connection");
    error
}

fn line(text: &str) -> Act {
    Act::Write(format!("{text}\n").into_bytes())
}

#[tokio::test]
async fn nobody_there_is_said_with_the_path_and_nothing_was_sent() {
    let place = Place::new();
    let instance = connect(place.config());
    let error = call(&instance, "1").await.expect_err("no such file");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, true));
    assert!(error.message().contains(place.path().to_str().expect("text")), "{error}");
    drop(std::os::unix::net::UnixListener::bind(place.path()).expect("free"));
    let error = call(&instance, "1").await.expect_err("nobody listens");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, true));
    assert!(error.message().contains("refused"), "{error}");
    assert!(instance.service().reach().is_lost());
}

#[tokio::test]
async fn a_plugin_that_has_spoken_lines_speaks_no_other_protocol_however_a_line_begins() {
    let plugin = Scripted::start(|number, request| match number {
        0 => Act::Write(ok(request, "1")),
        _ => line("HTTP/1.1 done, and booked as number 2"),
    });
    let instance = plugin.connect();
    call(&instance, "1").await.expect("a reply");
    let error = call(&instance, "2").await.expect_err("no reply");
    assert_eq!((error.sent(), plugin.accepted()), (Sent::Maybe, 1), "{error}");
    let error = call(&instance, "3").await.expect_err("the first that is said on a new connection");
    assert_eq!((error.sent(), plugin.accepted()), (Sent::Maybe, 2), "it may have done what it was asked: {error}");
}

/// Frames have no line feed, and a server that speaks them may keep its connection open.
#[tokio::test]
async fn who_answers_in_frames_is_named_at_once_and_may_have_read_the_call() {
    for (frames, says) in [
        (&b"\0\0\0\x04\0\0\0\0\0"[..], "speaks HTTP/2"),
        (b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0", "speaks HTTP/2"),
        (b"\x15\x03\x03\0\x02\x02\x0a", "speaks TLS"),
    ] {
        let plugin = Scripted::start(move |_, _| Act::Write(frames.to_vec()));
        let error = call(&plugin.connect(), "1").await.expect_err("another protocol");
        assert_eq!((error.code(), error.sent()), (Code::ConnectionFailed, Sent::Maybe), "{error}");
        assert!(error.message().contains(says), "{error}");
        assert_eq!((error.message_for_callers(), plugin.accepted()), ("the plugin cannot be reached", 1));
    }
}

#[tokio::test]
async fn one_who_never_accepts_is_given_up_after_the_connection_timeout() {
    let place = Place::new();
    let listener = std::os::unix::net::UnixListener::bind(place.path()).expect("free");
    rustix::net::listen(&listener, 0).expect("a listener");
    let _waiting = std::os::unix::net::UnixStream::connect(place.path()).expect("the one that has room");
    let limits = connection(|build| build.with_connection_timeout(millis(100)));
    let error = call(&connect(place.config().with_connection(limits)), "1").await.expect_err("no room");
    assert_eq!((error.code(), error.sent()), (Code::ConnectionFailed, Sent::Nothing));
    assert!(error.message().contains("within 100ms"), "{error}");
}

#[tokio::test]
async fn a_connection_that_closes_before_an_answer_or_in_its_middle_may_have_sent_the_call() {
    for (said, bytes) in [
        ("the connection closed before an answer came", &b""[..]),
        ("the connection closed in the middle of the answer", b"{\"type\":\"execute\",\"request_id\":"),
    ] {
        for half in [false, true] {
            let error =
                fault(move |_| if half { Act::HalfClose(bytes.to_vec()) } else { Act::Close(bytes.to_vec()) }).await;
            assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Maybe, true));
            assert_eq!(error.message(), said);
        }
    }
}

#[tokio::test]
async fn a_document_that_is_whole_without_its_line_feed_is_an_answer() {
    let plugin = Scripted::start(|_, request| {
        let mut answer = ok(request, "7");
        answer.pop();
        Act::HalfClose(answer)
    });
    let instance = plugin.connect();
    for _ in 0..3 {
        assert_eq!(call(&instance, "1").await.expect("as go-plugins reads it").payload(), "7");
    }
    assert_eq!(plugin.accepted(), 3);
}

#[tokio::test]
async fn a_reply_to_another_request_ends_the_call_and_the_connection() {
    for (text, why) in [
        (r#"{"type":"execute","request_id":"other","success":true,"data":1}"#, "its `request_id` is \"other\""),
        (r#"{"type":"execute","success":true,"data":1}"#, "its `request_id` is \"\""),
    ] {
        let error = fault(move |_| line(text)).await;
        assert_eq!((error.code(), error.is_retryable(), error.sent()), (Code::UnixTransport, false, Sent::Maybe));
        assert_eq!(error.message(), format!("the plugin answered another request: {why}"));
    }
    let error = fault(|request| {
        let id = &request["request_id"];
        line(&format!("{{\"type\":\"ping\",\"request_id\":{id},\"success\":true}}"))
    })
    .await;
    assert!(error.message().contains("its `type` is \"ping\", where \"execute\" was asked"), "{error}");
}

#[tokio::test]
async fn garbage_ends_its_call_at_once_and_says_what_it_was() {
    for (bytes, why) in [
        (&b"SSH-2.0-OpenSSH_9.6\r\n"[..], "expected value at byte 1, \"SSH-2.0-OpenSSH_\""),
        (b"\x16\x03\x01\x00\n", "expected value at byte 1"),
        (b"{\"request_id\":\"\xff\"}\n", "it is no UTF-8: byte 16 is 0xff"),
        (b"[]\n", "a list stands where an object belongs"),
        (b"null\n", "invalid type: null, expected an object"),
        (b"<result>booked</result>\n", "expected value at byte 1, \"<result>booked</\""),
    ] {
        let error = fault(move |_| Act::Write(bytes.to_vec())).await;
        assert_eq!((error.code(), error.is_retryable(), error.sent()), (Code::UnixTransport, false, Sent::Maybe));
        assert!(error.message().contains(why), "{error}");
    }
    let error = fault(|request| line(&format!("{{\"request_id\":{}}}", request["request_id"]))).await;
    assert!(error.message().contains("it has no `success`"), "{error}");
    let error =
        fault(|request| line(&format!("{{\"request_id\":{},\"success\":true,\"dat\":1}}", request["request_id"])));
    assert!(error.await.message().contains("neither `data` nor `error`"));
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_never_ends_is_given_up_at_its_limit() {
    let long = fault(|request| Act::Write(ok(request, &format!("\"{}\"", "x".repeat(64 << 10))))).await;
    let endless = fault(|_| Act::Flood(vec![b'x'; 8 << 10])).await;
    for error in [long, endless] {
        assert_eq!((error.code(), error.is_retryable(), error.sent()), (Code::PayloadTooLarge, false, Sent::Maybe));
        assert!(error.is_of_reply(), "{error}");
        assert!(error.message().contains("longer than `max_line`, which is 65536 bytes"), "{error}");
    }
    let deep = fault(|request| Act::Write(ok(request, &("[".repeat(129) + &"]".repeat(129))))).await;
    assert!(deep.code() == Code::PayloadTooLarge && deep.message().contains("nested deeper"), "{deep}");
}

#[tokio::test]
async fn a_plugin_that_never_answers_or_byte_by_byte_is_cut_at_the_limit() {
    let never = Scripted::start(|_, _| Act::Stall(Vec::new()));
    let limits = connection(|build| build.with_request_timeout(millis(100)));
    let error = call(&connect(never.config().with_connection(limits.clone())), "1").await.expect_err("silence");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::Timeout, Sent::Maybe, true));
    assert!(error.rejected().is_some_and(|refusal| refusal.is_evidence()), "{error}");
    let bytes = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&bytes);
    let slow = Scripted::start(move |_, request| Act::Drip(Arc::clone(&told), ok(request, "1")));
    let dripping = async {
        loop {
            bytes.add_permits(1);
            tokio::time::sleep(millis(10)).await;
        }
    };
    let instance = connect(slow.config().with_connection(limits));
    let error = tokio::select! {
        result = call(&instance, "1") => result.expect_err("too slow"),
        () = dripping => unreachable!(),
    };
    assert_eq!((error.code(), error.sent()), (Code::Timeout, Sent::Maybe));
    assert!(error.message().contains("reading the plugin's answer"), "{error}");
    // What it writes next meets nobody.
    bytes.add_permits(1 << 10);
    slow.until_open(0).await;
}

#[tokio::test]
async fn a_plugin_that_does_not_read_its_request_is_cut_at_the_limit_too() {
    let place = Place::new();
    let listener = UnixListener::bind(place.path()).expect("free");
    let limits = connection(|build| build.with_request_timeout(millis(100)));
    let instance = connect(place.config().with_connection(limits));
    let large = format!("\"{}\"", "x".repeat(3 << 20));
    let (error, _) = tokio::join!(call(&instance, large), listener.accept());
    let error = error.expect_err("nobody reads");
    assert_eq!((error.code(), error.sent()), (Code::Timeout, Sent::Maybe));
}

#[tokio::test]
async fn what_a_plugin_says_before_it_cuts_off_a_request_that_is_too_long_for_it_is_heard() {
    use plugin_core::Reply;
    use plugin_transports::{inproc::plugin_fn, unix::UnixServerOptions};

    let place = Place::new();
    let plugin = plugin_fn(async |call: Call<Bytes>| Ok::<_, PluginError>(Reply::new(call.into_payload())));
    let _server = place.serve(plugin, UnixServerOptions::new().with_max_line(1 << 10)).await;
    let instance = connect(place.config());
    for length in [2 << 10, 3 << 20] {
        let error = call(&instance, format!("\"{}\"", "x".repeat(length))).await.expect_err("too long for it");
        assert_eq!(error.code(), Code::PayloadTooLarge, "{error}");
        assert_eq!(error.message(), "the request is longer than 1024 bytes");
        assert_eq!(call(&instance, "1").await.expect("another connection").payload(), "1");
    }
}

#[tokio::test]
async fn a_plugin_that_says_its_time_was_up_is_judged_by_the_time_that_it_was_told() {
    let says = |request: &Value| {
        let id = &request["request_id"];
        let headers = r#"{"X-Plugin-Code":"PLUGIN_1204"}"#;
        format!("{{\"request_id\":{id},\"success\":false,\"error\":\"late\",\"headers\":{headers}}}\n").into_bytes()
    };
    let early = Scripted::start(move |_, request| Act::Write(says(request)));
    let error = call(&early.connect(), "1").await.expect_err("a limit of its own");
    assert_eq!((error.code(), error.rejected().is_some(), error.is_retryable()), (Code::Timeout, false, true));
    let go = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&go);
    let late = Scripted::start(move |_, request| Act::Wait(Arc::clone(&told), says(request)));
    let instance = late.connect();
    let calling = send(&instance, Call::new(Bytes::from_static(b"1")).with_timeout(Duration::from_millis(200)));
    let answering = async {
        late.until_seen(1).await;
        tokio::time::sleep(millis(195)).await;
        go.add_permits(1);
    };
    let (error, ()) = tokio::join!(calling, answering);
    let error = error.expect_err("its time was up");
    assert!(error.code() == Code::Timeout && error.rejected().is_some(), "the end of that time: {error:?}");
}

#[tokio::test]
async fn line_feeds_without_end_are_no_answer() {
    let plugin = Scripted::start(|_, _| Act::Flood(b"\n".repeat(64 << 10)));
    let instance = plugin.connect();
    let error = call(&instance, "1").await.expect_err("nothing was said");
    assert_eq!((error.code(), error.is_retryable()), (Code::UnixTransport, false), "{error}");
    assert!(error.message().contains("it is empty"), "{error}");
}
