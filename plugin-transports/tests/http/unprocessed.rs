//! What becomes of a request that a plugin did not take over HTTP/2.

use std::net::SocketAddr;

use futures_util::future::join_all;
use plugin_core::{ByErrorType, Classify, Code, Sent, Verdict};
use plugin_transports::http::{HttpConfig, HttpVersion};

use crate::{
    frames::{Act, Frames},
    refusing::{REFUSALS, serve},
    support::{call, connect, within},
};

fn config(address: SocketAddr) -> plugin_transports::http::HttpConfigBuilder {
    HttpConfig::builder("p", format!("http://{address}/run")).with_version(HttpVersion::Http2)
}

#[tokio::test]
async fn a_stream_that_was_refused_or_came_after_a_goaway_was_never_sent() {
    for (refusal, is_unsent) in REFUSALS {
        let address = within(serve(refusal)).await;
        let error = call(&connect(config(address)), "1").await.expect_err("it is not taken");
        let sent = if is_unsent { Sent::Nothing } else { Sent::Maybe };
        assert_eq!((error.code(), error.sent()), (Code::ConnectionFailed, sent), "{refusal:?}: {error:?}");
        assert_eq!(ByErrorType.classify(Err::<&(), _>(&error)).sent(), sent, "{refusal:?}, as it is judged");
    }
}

#[tokio::test]
async fn what_comes_after_the_last_stream_of_a_connection_is_sent_on_the_next_one() {
    const EACH: u32 = 10;
    let plugin = Frames::start(|_, stream| match stream {
        1..=EACH => Act::Answer,
        _ => Act::GoAway(EACH),
    })
    .await;
    let instance = connect(config(plugin.address));
    for reply in join_all((0..20).map(|_| call(&instance, "1"))).await {
        reply.expect("no call is lost");
    }
    assert_eq!((plugin.answered(), plugin.accepted()), (20, 20 / EACH));
}

#[tokio::test]
async fn a_stream_that_is_refused_once_is_sent_again_on_its_connection() {
    let plugin = Frames::start(|_, stream| if stream == 1 { Act::Refuse } else { Act::Answer }).await;
    call(&connect(config(plugin.address)), "1").await.expect("a reply");
    assert_eq!((plugin.answered(), plugin.accepted()), (1, 1));
}

#[tokio::test]
async fn a_peer_that_has_no_room_is_asked_once_more_and_keeps_its_connection() {
    let plugin = Frames::start(|_, _| Act::Refuse).await;
    let error = call(&connect(config(plugin.address)), "1").await.expect_err("no room");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, true));
    assert_eq!((plugin.seen(), plugin.accepted()), (2, 1), "streams, and connections");
}

#[tokio::test]
async fn calls_that_two_ending_connections_refuse_are_one_piece_of_evidence() {
    // The second connection has them all too, before it ends.
    let plugin = Frames::start(|connection, stream| match (connection, stream) {
        (1, 13) => Act::GoAway(1),
        (2, 12) => Act::GoAway(0),
        (1, 2..) | (2, _) => Act::Hold,
        _ => Act::Answer,
    })
    .await;
    let instance = connect(config(plugin.address));
    call(&instance, "1").await.expect("a reply");
    let outcomes = join_all((0..12).map(|_| call(&instance, "1"))).await;
    let refused: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 12);
    assert!(refused.iter().all(|error| error.sent() == Sent::Nothing && error.is_retryable()), "{refused:?}");
    let failures =
        refused.iter().filter(|error| ByErrorType.classify(Err::<&(), _>(*error)).verdict() == Verdict::Failure);
    assert_eq!(failures.count(), 1);
    call(&instance, "1").await.expect("a reply on the next one");
}
