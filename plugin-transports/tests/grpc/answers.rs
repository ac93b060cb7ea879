//! What a host makes of an answer that is wrong in its frame, in its status, or in what it holds.

use std::{io::Write, time::Duration};

use flate2::{Compression, write::GzEncoder};
use h2::Reason;
use plugin_core::{Code, Sent};
use plugin_transports::{auth::AuthConfig, grpc::GrpcConfigBuilder};

use crate::{
    peer::{Act, Answer, Peer, fault, framed, message},
    support::{call, config, connect},
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("into memory");
    encoder.finish().expect("into memory")
}

#[tokio::test]
async fn a_frame_with_a_flaw_ends_its_call_at_once_and_says_which() {
    let good = framed(0, &message("1"));
    let longer = [&[0, 0, 0, 0, 9][..], &message("1")].concat();
    let huge = vec![0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3];
    for (data, code, says) in [
        (longer, Code::GrpcTransport, "ends 6 bytes too early"),
        (good[..3].to_vec(), Code::GrpcTransport, "ends 2 bytes too early"),
        (good.repeat(2), Code::GrpcTransport, "more than its one message"),
        ([&good[..], b"x"].concat(), Code::GrpcTransport, "more than its one message"),
        (framed(1, &gzip(&message("1"))), Code::GrpcTransport, "no `grpc-encoding`"),
        (framed(7, &message("1")), Code::GrpcTransport, "begins with 7"),
        (huge, Code::PayloadTooLarge, "has 4294967295 bytes, more than `max_response`"),
        (framed(0, b"\xff\xff"), Code::GrpcTransport, "not the one of `plugin.v1`"),
        (framed(0, &message("NaN")), Code::GrpcTransport, "is not JSON"),
        (framed(0, &message("")), Code::GrpcTransport, "is not JSON"),
        (framed(0, b"\x12\x0atext/plain"), Code::GrpcTransport, "\"text/plain\", and not \"application/json\""),
        (Vec::new(), Code::GrpcTransport, "no message"),
    ] {
        let error = fault(Answer::of(data.clone())).await;
        assert_eq!((error.code(), error.is_retryable(), error.sent()), (code, false, Sent::Maybe), "{data:?}: {error}");
        assert!(error.message().contains(says), "{error} does not say {says:?}");
        assert_eq!(error.is_of_reply(), code == Code::PayloadTooLarge, "the caller is not at fault");
    }
}

#[tokio::test]
async fn an_answer_in_pieces_and_a_compressed_one_are_read() {
    let pieces = framed(0, &message("[1,2]")).chunks(1).map(<[u8]>::to_vec).collect();
    let peer = Peer::answering(Answer { data: pieces, ..Answer::reply("0") }).await;
    assert_eq!(call(&peer.instance(), "1").await.expect("a reply").payload(), "[1,2]");
    let coded = Answer::of(framed(1, &gzip(&message("[1]")))).with_header("grpc-encoding", "gzip");
    let peer = Peer::answering(coded).await;
    assert_eq!(call(&peer.instance(), "1").await.expect("a reply").payload(), "[1]");
    let broken = Answer::of(framed(1, b"no gzip")).with_header("grpc-encoding", "gzip");
    assert!(fault(broken).await.message().contains("is gzip, and is not"));
    let other = Answer::reply("1").with_header("grpc-encoding", "deflate");
    assert!(fault(other).await.message().contains("\"deflate\", and only gzip"));
}

#[tokio::test]
async fn an_answer_is_bounded_before_it_is_read_and_after_it_is_unfolded() {
    // A thousand zeros unfold out of some twenty bytes.
    let zeros = [&[0x1a, 0xb8, 0x17][..], &[0; 3000]].concat();
    let bomb = Answer::of(framed(1, &gzip(&zeros))).with_header("grpc-encoding", "gzip");
    let small = |builder: GrpcConfigBuilder| connect(builder.with_max_response(1024));
    for answer in [bomb, Answer::of(framed(0, &zeros))] {
        let peer = Peer::answering(answer).await;
        let error = call(&small(config(peer.address)), "1").await.expect_err("too long");
        assert_eq!((error.code(), error.is_of_reply()), (Code::PayloadTooLarge, true), "{error}");
    }
}

#[tokio::test]
async fn compression_is_asked_for_unless_it_is_off() {
    let peer = Peer::answering(Answer::reply("1")).await;
    call(&peer.instance(), "1").await.expect("a reply");
    let off = plugin_transports::ConnectionConfig::builder().with_disable_compression(true).build().expect("valid");
    call(&connect(config(peer.address).with_connection(off)), "1").await.expect("a reply");
    let asked: Vec<_> = peer.seen().iter().map(|seen| seen.headers.contains_key("grpc-accept-encoding")).collect();
    assert_eq!(asked, [true, false]);
}

#[tokio::test]
async fn a_status_that_lacks_or_is_garbage_is_told() {
    let none = Answer { trailers: None, ..Answer::reply("1") };
    for (answer, says) in [
        (none, "without a `grpc-status`"),
        (Answer::reply("1").with_trailers(&[]), "without a `grpc-status`"),
        (Answer::reply("1").with_trailers(&[("grpc-status", "x")]), "`grpc-status` is \"x\""),
        (Answer::reply("1").with_trailers(&[("grpc-status", "+0")]), "`grpc-status` is \"+0\""),
        (Answer::status(&[("grpc-status", "300")]), "`grpc-status` is \"300\""),
        (Answer::status(&[("grpc-status", "0")]), "has no message, and says that all is well"),
    ] {
        let error = fault(answer).await;
        assert_eq!(
            (error.code(), error.is_retryable(), error.sent()),
            (Code::GrpcTransport, false, Sent::Maybe),
            "{error}"
        );
        assert!(error.message().contains(says), "{error} does not say {says:?}");
    }
}

#[tokio::test]
async fn a_status_behind_half_a_message_is_what_became_of_the_call() {
    let half = framed(0, &message("1"))[..6].to_vec();
    let error = fault(Answer::of(half).with_trailers(&[("grpc-status", "2"), ("grpc-message", "disk full")])).await;
    assert_eq!((error.code(), error.message()), (Code::ExecutionFailed, "disk full"));
}

#[tokio::test]
async fn what_is_wrong_in_the_text_or_the_details_of_a_status_costs_nothing_but_itself() {
    let coded: String = "50%25 of caf%E9 %zz %".to_owned();
    let error = fault(Answer::status(&[
        ("grpc-status", "2"),
        ("grpc-message", &coded),
        ("grpc-status-details-bin", "!not base64!"),
    ]))
    .await;
    assert_eq!((error.code(), error.message()), (Code::ExecutionFailed, "50% of caf\u{fffd} %zz %"));
    let latin = h2_value(b"caf\xe9");
    let mut answer = Answer::status(&[("grpc-status", "2")]);
    answer.headers.insert("grpc-message", latin);
    assert_eq!(fault(answer).await.message(), "caf\u{fffd}");
    // Base64 of what is no message of protobuf.
    let error = fault(Answer::status(&[("grpc-status", "14"), ("grpc-status-details-bin", "////")])).await;
    assert_eq!((error.code(), error.is_retryable()), (Code::GrpcTransport, true));
    let long = "x".repeat(10_000);
    assert!(fault(Answer::status(&[("grpc-status", "2"), ("grpc-message", &long)])).await.message().len() <= 4096);
}

fn h2_value(bytes: &[u8]) -> http::HeaderValue {
    http::HeaderValue::from_bytes(bytes).expect("a value")
}

#[tokio::test]
async fn a_stream_that_is_reset_and_a_server_that_ends_the_connection_lose_the_call_and_no_other() {
    let peer = Peer::start(|seen| match &seen.body[..] {
        body if body.ends_with(b"1") => Act::Reset(Answer::reply("1"), Reason::INTERNAL_ERROR),
        _ => Act::Answer(Answer::reply("2")),
    })
    .await;
    let instance = peer.instance();
    let error = call(&instance, "1").await.expect_err("it is reset");
    assert_eq!(
        (error.code(), error.sent(), error.is_retryable()),
        (Code::ConnectionFailed, Sent::Maybe, true),
        "{error}"
    );
    assert_eq!(error.message(), "the plugin reset the call's stream in the middle of the answer");
    assert_eq!(call(&instance, "2").await.expect("a reply").payload(), "2");
    assert_eq!(peer.accepted(), 1, "the connection is as good as it was");
}

#[tokio::test]
async fn what_a_server_says_that_does_not_speak_grpc_is_shown() {
    let page = |status: u16, kind: &'static str, text: &str| {
        Answer { status, data: vec![text.as_bytes().to_vec()], ..Answer::default() }.with_header("content-type", kind)
    };
    for (status, retryable, says) in [
        (200, false, "the content-type \"text/html\""),
        (404, false, "404 Not Found, which is HTTP and not gRPC"),
        (415, false, "is it a server of gRPC?"),
        (500, false, "500 Internal Server Error"),
        (503, true, "503 Service Unavailable"),
    ] {
        let error = fault(page(status, "text/html", "<h1>nginx</h1>")).await;
        assert_eq!((error.code(), error.is_retryable()), (Code::GrpcTransport, retryable), "{status}: {error}");
        assert!(error.message().contains(says), "{error} does not say {says:?}");
        assert_eq!(error.detail(), Some("<h1>nginx</h1>"));
        assert_eq!(error.http_status(), (status != 200).then_some(status));
    }
    let later = page(503, "text/plain", "").with_header("retry-after", "7");
    assert_eq!(fault(later).await.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_server_that_repeats_the_credentials_that_it_was_sent_does_not_tell_them() {
    const SECRET: &str = "token-m3Hn8Rk2";
    let repeating = |make: fn(&str) -> Answer| {
        Peer::start(move |seen| {
            let sent = seen.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
            Act::Answer(make(sent))
        })
    };
    for peer in [
        repeating(|sent| Answer::status(&[("grpc-status", "16"), ("grpc-message", sent)])).await,
        repeating(|sent| Answer::status(&[("grpc-status", "2"), ("grpc-message", sent)])).await,
        repeating(|sent| {
            let page = Answer { status: 500, data: vec![sent.as_bytes().to_vec()], ..Answer::default() };
            page.with_header("content-type", "text/plain")
        })
        .await,
    ] {
        let instance = connect(config(peer.address).with_auth(AuthConfig::bearer(SECRET)));
        let error = call(&instance, "1").await.expect_err("a fault");
        assert!(
            peer.seen().iter().any(|seen| seen.headers["authorization"].to_str().is_ok_and(|it| it.ends_with(SECRET)))
        );
        let text = format!("{error} {error:?}");
        assert!(text.contains("***") && !text.contains(SECRET), "{text}");
    }
}
