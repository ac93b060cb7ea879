//! Calls over HTTP/2 to a plugin that takes few at once.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, future::join_all};
use plugin_core::{
    ByErrorType, Call, Classify, Code, PluginInstance, Rejected, Sent, Verdict, deadline::AttemptTimeoutLayer,
};
use plugin_transports::http::{HttpClient, HttpConfig, HttpVersion};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
};
use tower::{ServiceBuilder, ServiceExt, util::Oneshot};

use crate::{
    frames::{Act, Frames, Shut},
    support::{PATIENCE, call, connect, connection, listener, settle, within},
};

type Waiting = Pin<Box<Oneshot<HttpClient, Call<Bytes>>>>;

fn instance(plugin: &Frames, max_connections: usize) -> PluginInstance<HttpClient> {
    let config = HttpConfig::builder("p", format!("http://{}/run", plugin.address)).with_version(HttpVersion::Http2);
    let limits =
        connection(|config| config.with_max_connections(max_connections).with_request_timeout(Duration::from_secs(5)));
    connect(config.with_connection(limits))
}

fn request() -> Call<Bytes> {
    Call::new(Bytes::from_static(b"1"))
}

/// A call that has begun, and is not answered at once.
fn begun(instance: &PluginInstance<HttpClient>) -> Waiting {
    let mut call = Box::pin(instance.service().clone().oneshot(request()));
    assert!((&mut call).now_or_never().is_none(), "it waits");
    call
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_wait_for_a_stream_is_evidence_only_where_nobody_was_answered() {
    for answers in [true, false] {
        let plugin = match answers {
            true => Frames::allowing(1, |_, stream| if stream <= 2 { Act::Answer } else { Act::Hold }).await,
            false => Frames::allowing(1, |_, stream| if stream == 1 { Act::Answer } else { Act::Hold }).await,
        };
        let instance = instance(&plugin, 1);
        call(&instance, "1").await.expect("a reply");
        // Before the one in front of it is cut, which gives its stream back.
        let sooner = ServiceBuilder::new()
            .layer(AttemptTimeoutLayer::new(Duration::from_secs(4)))
            .service(instance.service().clone());
        let third = within(sooner.oneshot(request()));
        let (first, second, third) = tokio::join!(call(&instance, "1"), call(&instance, "1"), third);
        assert_eq!(first.is_ok(), answers);
        let hung = if answers { second } else { first }.expect_err("it hangs on this one");
        assert!(hung.rejected().is_some_and(Rejected::is_evidence), "{hung}");
        let third = third.expect_err("no stream is free");
        let stage = third.rejected().and_then(Rejected::stage);
        assert_eq!((third.sent(), stage), (Sent::Nothing, Some("waiting for a free connection")));
        assert_eq!(third.rejected().map(Rejected::is_evidence), Some(!answers), "{third}");
    }
}

#[tokio::test]
async fn calls_have_a_stream_in_the_order_in_which_they_came_and_who_leaves_gives_his_place_on() {
    let plugin = Frames::allowing(1, |_, _| Act::Hold).await;
    let instance = instance(&plugin, 1);
    let mut calls: Vec<_> = (0..4).map(|_| begun(&instance)).collect();
    within(async {
        tokio::select! {
            _ = join_all(calls.iter_mut()) => panic!("nobody answers"),
            () = plugin.until_seen(1) => {}
        }
        // The second goes while it waits, and the first on its stream: so it is the third's turn.
        drop(calls.remove(1));
        drop(calls.remove(0));
        let (third, fourth) = calls.split_at_mut(1);
        tokio::select! {
            _ = &mut third[0] => panic!("nobody answers"),
            () = plugin.until_seen(2) => {}
        }
        assert!((&mut fourth[0]).now_or_never().is_none());
        settle().await;
        assert_eq!(plugin.seen(), 2, "the fourth waits on this side");
    })
    .await;
}

#[tokio::test]
async fn who_comes_when_a_stream_is_given_back_does_not_overtake_who_waits_for_it() {
    let plugin = Frames::allowing(1, |_, stream| if stream == 1 { Act::Hold } else { Act::Answer }).await;
    let instance = instance(&plugin, 1);
    let (mut first, second) = (begun(&instance), begun(&instance));
    tokio::select! {
        _ = &mut first => panic!("nobody answers"),
        () = plugin.until_seen(1) => {}
    }
    drop(first);
    // There is a stream, and who waits for it has not looked yet.
    let _third = begun(&instance);
    within(second).await.expect("its turn, whatever becomes of the third");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_for_a_stream_is_judged_by_the_time_that_the_plugin_had() {
    const SECOND: Duration = Duration::from_secs(1);
    for (waits, is_evidence) in [(2, true), (4, false)] {
        let plugin = Frames::allowing(1, |_, _| Act::Hold).await;
        let instance = instance(&plugin, 1);
        let mut first = begun(&instance);
        tokio::select! {
            _ = &mut first => panic!("nobody answers"),
            () = plugin.until_seen(1) => {}
        }
        let second = tokio::spawn(instance.service().clone().oneshot(request()));
        settle().await;
        tokio::time::advance(waits * SECOND).await;
        drop(first);
        let error = within(second).await.expect("no panic").expect_err("it hangs");
        assert_eq!((error.code(), error.sent()), (Code::Timeout, Sent::Maybe));
        assert_eq!(error.rejected().map(Rejected::is_evidence), Some(is_evidence), "{waits}: {error}");
    }
}

#[tokio::test]
async fn of_two_connections_the_one_that_is_left_counts_as_the_first_and_holds_no_place() {
    let script = |connection, stream| match (connection, stream) {
        (1, 2) => Act::Close,
        (1 | 2, _) => Act::Hold,
        _ => Act::Answer,
    };
    let plugin = Frames::allowing(1, script).await;
    let instance = instance(&plugin, 3);
    let mut calls = [begun(&instance), begun(&instance)];
    tokio::select! {
        _ = join_all(&mut calls) => panic!("nobody answers"),
        () = plugin.until_seen(2) => {}
    }
    assert_eq!(instance.service().free_connections(), 2);
    let [first, _second] = calls;
    drop(first);
    call(&instance, "1").await.expect_err("its connection is closed");
    call(&instance, "1").await.expect("a reply on the third");
    assert_eq!((plugin.accepted(), instance.service().free_connections()), (3, 2), "one beside the first");
}

#[tokio::test]
async fn another_connection_is_opened_for_want_of_a_stream_as_far_as_the_cap_allows_one() {
    const MOST: u32 = 3;
    let plugin = Frames::allowing(2, |_, _| Act::Hold).await;
    let instance = instance(&plugin, 3);
    let mut calls: Vec<_> = (0..10).map(|_| begun(&instance)).collect();
    within(async {
        tokio::select! {
            _ = join_all(calls.iter_mut()) => panic!("nobody answers"),
            () = plugin.until_seen(2 * MOST) => {}
        }
        settle().await;
        let all = join_all(calls.iter_mut()).now_or_never();
        assert!(all.is_none(), "the others wait on this side");
        assert_eq!((plugin.seen(), plugin.accepted()), (2 * MOST, MOST));
        assert_eq!(instance.service().free_connections(), 1, "the first one holds no place");
        calls.clear();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_allows_no_stream_is_told_to_all_who_wait_within_a_second() {
    let plugin = Frames::with_each(|connection| if connection == 1 { 0 } else { 8 }, |_, _| Act::Answer).await;
    let instance = instance(&plugin, 3);
    let started = tokio::time::Instant::now();
    let mut evidence = 0;
    for refused in join_all((0..8).map(|_| call(&instance, "1"))).await {
        let error = refused.expect_err("no stream");
        assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, true));
        assert!(error.message().starts_with("the plugin takes no calls: "), "{error}");
        let judged = ByErrorType.classify(Err::<&(), _>(&error)).verdict();
        evidence += usize::from(judged == Verdict::Failure);
    }
    assert!(started.elapsed() < Duration::from_millis(1_100), "{:?}", started.elapsed());
    assert_eq!((evidence, plugin.seen()), (1, 0), "one finding, and nothing was sent");
    // Whoever comes later has another connection.
    call(&instance, "1").await.expect("a reply");
    assert_eq!(plugin.accepted(), 2);
}

/// However long it was that a call waited for others before.
#[tokio::test(start_paused = true)]
async fn a_plugin_that_takes_no_more_for_a_moment_keeps_those_who_wait() {
    let (after, moment) = (Duration::from_millis(1_500), Duration::from_millis(300));
    let plugin = Frames::allowing(1, |_, stream| match stream {
        1 => Act::Shuts(Duration::from_millis(1_500), Duration::from_millis(300)),
        _ => Act::Answer,
    })
    .await;
    let instance = instance(&plugin, 1);
    let started = tokio::time::Instant::now();
    let calls = join_all((0..3).map(|_| call(&instance, "1"))).await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
    assert!(started.elapsed() >= after + moment, "{:?}", started.elapsed());
    assert_eq!((plugin.accepted(), plugin.seen()), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn the_second_for_which_a_plugin_may_allow_no_stream_begins_when_it_has_said_so() {
    let begin = Arc::new(Notify::new());
    let plugin = Frames::shut(Shut::Begins(Arc::clone(&begin)), |_, _| Act::Answer).await;
    let instance = instance(&plugin, 1);
    let started = tokio::time::Instant::now();
    let (refused, ()) = tokio::join!(call(&instance, "1"), async {
        plugin.until_accepted(1).await;
        tokio::time::advance(Duration::from_secs(2)).await;
        begin.notify_one();
    });
    let error = refused.expect_err("no stream");
    assert!(error.message().contains("it has allowed no stream of HTTP/2 for "), "{error}");
    assert_eq!(started.elapsed().as_secs(), 3, "two of them until it began");
}

#[tokio::test]
async fn a_plugin_that_allows_no_stream_for_a_moment_loses_no_call() {
    let plugin = Frames::shut(Shut::Allows(8), |_, _| Act::Answer).await;
    let instance = instance(&plugin, 3);
    let calls = within(join_all((0..8).map(|_| call(&instance, "1")))).await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
    assert_eq!(plugin.accepted(), 1);
}

#[tokio::test]
async fn a_plugin_that_allows_no_stream_and_closes_is_not_connected_to_again_and_again() {
    let plugin = Frames::shut(Shut::Closes, |_, _| Act::Answer).await;
    let instance = instance(&plugin, 3);
    let error = within(call(&instance, "1")).await.expect_err("no stream");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, true));
    assert!(error.message().ends_with("it allows no stream of HTTP/2 on a new connection"), "{error}");
    assert!(plugin.accepted() <= 2, "{}", plugin.accepted());
}

#[tokio::test]
async fn a_connection_that_takes_longer_than_each_caller_has_comes_about_all_the_same() {
    let (plugin, begin) = Frames::held(|_, _| Act::Answer).await;
    let instance = instance(&plugin, 3);
    for _ in 0..3 {
        let mut hurried = begun(&instance);
        within(async {
            tokio::select! {
                ended = &mut hurried => panic!("nobody answers it: {ended:?}"),
                () = plugin.until_accepted(1) => {}
            }
        })
        .await;
    }
    begin.notify_one();
    within(call(&instance, "1")).await.expect("a reply");
    assert_eq!((plugin.accepted(), plugin.seen()), (1, 1), "on the connection that the first one began");
}

#[test]
fn a_call_outside_of_a_runtime_hangs_no_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let instance = runtime.block_on(async { instance(&Frames::start(|_, _| Act::Answer).await, 3) });
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut call = Box::pin(instance.service().clone().oneshot(request()));
        // Nothing runs it, which is a fault of the program's and says so.
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (&mut call).now_or_never().is_some()));
        let _ = done.send(panicked.is_err());
    });
    assert!(ended.recv_timeout(PATIENCE).expect("it hangs"), "it panics");
}

#[tokio::test]
async fn a_connection_that_nobody_waits_for_any_more_is_closed_with_its_client() {
    let (plugin, begin) = Frames::held(|_, _| Act::Answer).await;
    let instance = instance(&plugin, 3);
    let mut hurried = begun(&instance);
    within(async {
        tokio::select! {
            ended = &mut hurried => panic!("nobody answers it: {ended:?}"),
            () = plugin.until_accepted(1) => {}
        }
    })
    .await;
    drop((hurried, instance));
    begin.notify_one();
    within(plugin.until_ended(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_does_not_begin_http2_has_seen_no_call() {
    let (listener, address) = listener().await;
    let _silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let config = HttpConfig::builder("p", format!("http://{address}/run")).with_version(HttpVersion::Http2);
    let limits = connection(|config| {
        config.with_connection_timeout(Duration::from_secs(2)).with_request_timeout(Duration::from_secs(30))
    });
    let error = call(&connect(config.with_connection(limits)), "1").await.expect_err("nothing comes");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, true));
    assert!(error.message().contains("HTTP/2 was not begun within 2s"), "{error}");
}

#[tokio::test]
async fn a_plugin_that_says_something_else_than_http2_is_told_by_name_and_not_quoted() {
    for (said, told) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "it speaks HTTP/1.1, and was asked in HTTP/2"),
        ("hello\r\n", "it does not speak HTTP/2, nor anything else"),
        ("<!DOCTYPE HTML>\n", "it speaks HTTP/1.1, and was asked in HTTP/2"),
        ("{\"id\":\"1\"}\n", "it speaks JSON by lines, and was asked in HTTP/2"),
    ] {
        let (listener, address) = listener().await;
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                // What was not read when a connection is closed may cost what was written.
                let _ = stream.read_exact(&mut [0; 24]).await;
                // Byte by byte, as far as the host listens.
                for byte in said.as_bytes() {
                    let _ = stream.write_all(&[*byte]).await;
                }
                held.push(stream);
            }
        });
        let config = HttpConfig::builder("p", format!("http://{address}/run")).with_version(HttpVersion::Http2);
        let error = within(call(&connect(config), "1")).await.expect_err("no HTTP/2");
        assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, true));
        assert!(error.message().contains(told), "{error}");
        assert!(!format!("{error:?}").contains("hello"), "nobody is shown it: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_allows_no_stream_beside_a_full_one_keeps_nobody_from_another() {
    let plugin = Frames::with_each(|connection| if connection == 2 { 0 } else { 1 }, |_, _| Act::Hold).await;
    let instance = instance(&plugin, 4);
    let mut calls: Vec<_> = (0..3).map(|_| begun(&instance)).collect();
    within(async {
        tokio::select! {
            _ = join_all(calls.iter_mut()) => panic!("nobody answers"),
            () = plugin.until_seen(2) => {}
        }
    })
    .await;
    assert!(plugin.accepted() >= 3, "another was opened");
}

#[tokio::test]
async fn a_head_that_is_too_long_is_no_lost_connection() {
    // Few frames end their stream, and many the connection.
    for script in [
        |connection, _| if connection == 1 { Act::Head(6, 15_000) } else { Act::Answer },
        |connection, _| if connection == 1 { Act::Head(80, 1_000) } else { Act::Answer },
    ] {
        let plugin = Frames::start(script).await;
        let instance = instance(&plugin, 3);
        let error = call(&instance, "1").await.expect_err("80 KiB");
        assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::HttpTransport, Sent::Maybe, false));
        assert!(error.message().ends_with("or its head is longer than 64 KiB"), "{error}");
    }
}

#[tokio::test]
async fn no_connection_is_opened_beside_one_whose_peer_takes_all_calls() {
    let plugin = Frames::start(|_, stream| if stream <= 50 { Act::Hold } else { Act::Answer }).await;
    let instance = instance(&plugin, 10);
    let mut calls: Vec<_> = (0..50).map(|_| begun(&instance)).collect();
    within(async {
        tokio::select! {
            _ = join_all(calls.iter_mut()) => panic!("nobody answers"),
            () = plugin.until_seen(50) => {}
        }
    })
    .await;
    call(&instance, "1").await.expect("a reply");
    assert_eq!(plugin.accepted(), 1);
}
