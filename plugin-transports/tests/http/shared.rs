//! What befalls a connection of HTTP/2 that calls share.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, future::join_all};
use plugin_core::{ByErrorType, Call, Classify, Code, PluginInstance, Sent, Verdict, classify::Again};
use plugin_transports::http::{HttpClient, HttpConfig, HttpVersion};
use tower::ServiceExt;

use crate::{
    frames::{Act, Frames},
    support::{call, connect, connection, settle},
};

fn instance(plugin: &Frames, max_connections: usize) -> PluginInstance<HttpClient> {
    let config = HttpConfig::builder("p", format!("http://{}/run", plugin.address)).with_version(HttpVersion::Http2);
    connect(config.with_connection(connection(|config| config.with_max_connections(max_connections))))
}

/// How many of so many calls at once are failures of the plugin; all are lost.
async fn failures(plugin: &Frames, calls: usize) -> usize {
    let instance = instance(plugin, 10);
    let mut failures = 0;
    for outcome in join_all((0..calls).map(|_| call(&instance, "1"))).await {
        let error = outcome.expect_err("it is lost");
        assert_eq!((error.code(), error.sent()), (Code::ConnectionFailed, Sent::Maybe), "{error}");
        let judged = ByErrorType.classify(Err::<&(), _>(&error));
        assert_eq!(judged.again(), Again::Yes, "another attempt may help each of them");
        failures += usize::from(judged.verdict() == Verdict::Failure);
    }
    call(&instance, "1").await.expect("the next connection is as good as any");
    failures
}

#[tokio::test]
async fn calls_that_are_lost_with_one_connection_are_one_piece_of_evidence() {
    let closing = Frames::start(|connection, stream| match (connection, stream) {
        (1, 12) => Act::Close,
        (1, _) => Act::Hold,
        _ => Act::Answer,
    });
    assert_eq!(failures(&closing.await, 12).await, 1);
    // What ends a stream alone says as much each time.
    let resetting = Frames::start(|_, stream| if stream <= 12 { Act::Reset } else { Act::Answer });
    assert_eq!(failures(&resetting.await, 12).await, 12);
}

#[tokio::test]
async fn a_stream_that_is_reset_is_told_as_one_and_no_end_of_the_connection() {
    let resetting = Frames::start(|_, _| Act::Reset).await;
    let error = call(&instance(&resetting, 1), "1").await.expect_err("it is reset");
    assert_eq!(error.message(), "the plugin reset the call's stream before an answer came");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Maybe, true));
}

const SILENCE: Duration = Duration::from_secs(1);

/// A call is given up after this time on a connection that may have said something to another call meanwhile; how many
/// connections there were when the next call has its answer.
async fn connections_after(silence: Duration, is_heard: bool, max_connections: usize) -> u32 {
    let plugin = Frames::start(|_, stream| if stream == 2 { Act::Hold } else { Act::Answer }).await;
    let instance = instance(&plugin, max_connections);
    call(&instance, "1").await.expect("a reply");
    settle().await;
    let mut waiting = Box::pin(instance.service().clone().oneshot(Call::new(Bytes::from_static(b"2"))));
    assert!((&mut waiting).now_or_never().is_none(), "it waits");
    plugin.until_seen(2).await;
    if is_heard {
        call(&instance, "3").await.expect("a reply");
    }
    settle().await;
    tokio::time::pause();
    tokio::time::advance(silence).await;
    drop(waiting);
    tokio::time::resume();
    call(&instance, "4").await.expect("a reply");
    plugin.accepted()
}

#[tokio::test]
async fn a_call_that_is_given_up_on_a_silent_connection_takes_it_out_of_use() {
    assert_eq!(connections_after(SILENCE, false, 10).await, 2);
    // In a hurry; where somebody was answered meanwhile; and where there may be no second connection beside it.
    assert_eq!(connections_after(SILENCE / 2, false, 10).await, 1);
    assert_eq!(connections_after(SILENCE, true, 10).await, 1);
    assert_eq!(connections_after(SILENCE, false, 1).await, 1);
}

#[tokio::test]
async fn calls_on_a_connection_that_was_taken_out_of_use_may_end_on_it() {
    let plugin = Frames::start(|connection, stream| match (connection, stream) {
        (1, 2 | 3) => Act::Hold,
        (1, 4) => Act::Close,
        _ => Act::Answer,
    })
    .await;
    let instance = instance(&plugin, 10);
    call(&instance, "1").await.expect("a reply");
    settle().await;
    let send = || Box::pin(instance.service().clone().oneshot(Call::new(Bytes::from_static(b"2"))));
    let (mut given_up, mut patient) = (send(), pin!(send()));
    assert!((&mut given_up).now_or_never().is_none() && (&mut patient).now_or_never().is_none(), "they wait");
    plugin.until_seen(3).await;
    settle().await;
    tokio::time::pause();
    tokio::time::advance(SILENCE).await;
    drop(given_up);
    tokio::time::resume();
    call(&instance, "3").await.expect("a reply on another connection");
    assert!(patient.now_or_never().is_none(), "it still waits on its own");
    assert_eq!((plugin.accepted(), instance.service().free_connections()), (2, 9), "which counts");
}
