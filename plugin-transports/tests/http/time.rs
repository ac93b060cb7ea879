//! Who owns the time of a call, and what is said of a call whose time was up.

use std::{sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use plugin_core::{
    Call, Code, PluginError, Rejected, Sent, clock,
    deadline::{AttemptTimeoutLayer, DeadlineLayer, timer},
};
use tokio::sync::Semaphore;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::support::{Act, Scripted, answer, call, connect, connection, ok, send, settle, within};

fn request() -> Call<Bytes> {
    Call::new(Bytes::from_static(b"1"))
}

fn stage(error: &PluginError) -> Option<&'static str> {
    error.rejected().and_then(|rejected| rejected.stage())
}

#[tokio::test(start_paused = true)]
async fn a_request_that_leaves_at_the_last_poll_is_never_called_unsent() {
    let plugin = Scripted::start(|_, _| Act::Stall(Vec::new())).await;
    let quick = connection(|config| config.with_request_timeout(Duration::from_millis(50)));
    let instance = connect(plugin.config().with_connection(quick));
    let mut call = Box::pin(instance.service().clone().oneshot(request()));
    assert!(futures_util::poll!(call.as_mut()).is_pending(), "it connects");
    settle().await;
    assert!(futures_util::poll!(call.as_mut()).is_pending(), "the connection is there, and nobody drives it yet");
    settle().await;
    // The limit has passed, and the connection could take the request, before the call is polled again.
    tokio::time::advance(Duration::from_millis(50)).await;
    let Poll::Ready(Err(error)) = futures_util::poll!(call.as_mut()) else { panic!("its time is up") };
    assert_eq!((error.code(), error.sent()), (Code::Timeout, Sent::Maybe));
    assert_eq!(stage(&error), Some("waiting for the plugin's answer"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_in_line_or_was_never_polled_is_called_unsent() {
    let plugin = Scripted::start(|_, _| Act::Stall(Vec::new())).await;
    let one = connection(|config| config.with_max_connections(1).with_request_timeout(Duration::from_secs(5)));
    let instance = connect(plugin.config().with_connection(one));
    let mut first = Box::pin(instance.service().clone().oneshot(request()));
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    let error = send(&instance, request()).await.expect_err("no connection is free");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::Timeout, Sent::Nothing, true));
    assert_eq!((stage(&error), error.plugin()), (Some("waiting for a free connection"), Some("p")));

    let future = instance.service().clone().call(request());
    let cut = plugin_core::deadline::cut::Cut::new(clock::now(), clock::now(), None);
    let progress = plugin_core::deadline::cut::drop_under(cut, || drop(future));
    assert_eq!(progress.sent, Sent::Nothing);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_wait_in_line_is_evidence_only_where_nobody_was_answered() {
    for answers in [true, false] {
        let plugin = Scripted::start(move |number, _| match number {
            0 if answers => Act::Answer(ok("{}")),
            _ => Act::Stall(Vec::new()),
        })
        .await;
        let one = connection(|config| config.with_max_connections(1).with_request_timeout(Duration::from_secs(5)));
        let instance = connect(plugin.config().with_connection(one));
        let calls = [(); 3].map(|()| instance.service().clone().oneshot(request()));
        let [first, second, third] = <[_; 3]>::try_from(futures_util::future::join_all(calls).await).expect("three");
        assert_eq!(first.is_ok(), answers);
        let second = second.expect_err("it hangs on this one");
        assert!(second.rejected().is_some_and(Rejected::is_evidence), "{second}");
        let third = third.expect_err("no connection is free");
        assert_eq!((third.sent(), stage(&third)), (Sent::Nothing, Some("waiting for a free connection")));
        assert_eq!(third.rejected().map(Rejected::is_evidence), Some(!answers), "{third}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_in_line_is_judged_by_the_time_that_the_plugin_had_and_told_it() {
    const SECOND: Duration = Duration::from_secs(1);
    for says_so in [true, false] {
        for (waits, told, is_evidence) in [(2, "3s", true), (4, "1s", false)] {
            let go = Arc::new(Semaphore::new(0));
            let answers = Arc::clone(&go);
            let plugin = Scripted::start(move |number, _| match number {
                0 => Act::Wait(Arc::clone(&answers), ok("{}")),
                _ if says_so => Act::Wait(Arc::clone(&answers), answer("504 Gateway Timeout", "", "")),
                _ => Act::Stall(Vec::new()),
            })
            .await;
            let one = connection(|config| config.with_max_connections(1).with_request_timeout(5 * SECOND));
            let instance = connect(plugin.config().with_connection(one));
            let calls = [(); 2].map(|()| tokio::spawn(instance.service().clone().oneshot(request())));
            plugin.until_seen(1).await;
            tokio::time::advance(waits * SECOND).await;
            go.add_permits(1);
            plugin.until_seen(2).await;
            assert!(plugin.seen()[1].contains(&format!("x-request-timeout: {told}")), "{}", plugin.seen()[1]);
            if says_so {
                // A moment before the layer that owns the limit.
                tokio::time::advance((5 - waits) * SECOND - Duration::from_millis(1)).await;
                go.add_permits(1);
            }
            let [first, second] = calls;
            within(first).await.expect("no panic").expect("an answer");
            let error = within(second).await.expect("no panic").expect_err("its time was up");
            assert_eq!((error.code(), error.sent()), (Code::Timeout, Sent::Maybe));
            assert_eq!(error.rejected().map(Rejected::is_evidence), Some(is_evidence), "{says_so} {waits}: {error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_arms_one_timer_whoever_stands_outside() {
    let plugin = Scripted::start(|_, _| Act::Stall(Vec::new())).await;
    let limit = |seconds| connection(|config| config.with_request_timeout(Duration::from_secs(seconds)));
    for own in [5, 9] {
        let instance = connect(plugin.config().with_connection(limit(own)));
        let bare = connect(plugin.config().with_connection(limit(own)).without_request_timeout());
        let outside = || {
            ServiceBuilder::new()
                .layer(DeadlineLayer::new(Duration::from_secs(30)))
                .layer(AttemptTimeoutLayer::new(Duration::from_secs(9)))
        };
        let before = timer::armed();
        let error = within(outside().service(bare.service().clone()).oneshot(request())).await.expect_err("it hangs");
        assert_eq!((timer::armed() - before, error.sent()), (1, Sent::Maybe));
        assert!(error.rejected().is_some_and(plugin_core::Rejected::is_evidence), "{error}");
        let before = timer::armed();
        let error =
            within(outside().service(instance.service().clone()).oneshot(request())).await.expect_err("it hangs");
        assert_eq!((timer::armed() - before, error.sent()), (1, Sent::Maybe));
        let before = timer::armed();
        let error = send(&instance, request()).await.expect_err("it hangs");
        assert_eq!((timer::armed() - before, error.is_retryable()), (1, true));
        assert!(error.rejected().is_some_and(plugin_core::Rejected::is_evidence), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_reads_the_clock_when_it_begins_and_when_it_gives_its_connection_back() {
    let plugin = Scripted::answering(ok(r#"{"data":1}"#)).await;
    let instance = connect(plugin.config());
    call(&instance, "1").await.expect("a reply");
    let request = request();
    let before = clock::readings();
    send(&instance, request).await.expect("a reply");
    assert_eq!(clock::readings() - before, 2);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_keeps_the_limit_itself_tells_what_the_layer_outside_would() {
    let plugin = Scripted::start(|_, _| Act::Answer(answer("504 Gateway Timeout", "", ""))).await;
    let instance = connect(plugin.config().without_request_timeout());
    let mut request = request().with_timeout(Duration::from_secs(1));
    request.context_mut().limit_configured_timeout(Duration::from_secs(1));
    tokio::time::advance(Duration::from_secs(1)).await;
    let error = send(&instance, request).await.expect_err("no time was left");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::Timeout, Sent::Nothing, false));
    assert!(!error.rejected().expect("a refusal").is_evidence(), "the plugin had no time at all");
}

/// Whether a call that its caller gave too little time, and that hangs after this, is evidence beside another that is answered
/// like that.
async fn is_evidence_beside(begun: &'static str, answered: Vec<u8>) -> Option<bool> {
    let plugin = Scripted::start(move |number, _| match number {
        0 => Act::Stall(begun.into()),
        _ => Act::Answer(answered.clone()),
    })
    .await;
    let limit = connection(|config| config.with_request_timeout(Duration::from_secs(2)));
    let instance = connect(plugin.config().with_connection(limit));
    let (hung, ()) = tokio::join!(send(&instance, request().with_timeout(Duration::from_millis(1500))), async {
        plugin.until_seen(1).await;
        let _ = call(&instance, "1").await;
    });
    hung.expect_err("it hangs").rejected().map(Rejected::is_evidence)
}

#[tokio::test]
async fn a_caller_in_a_hurry_is_no_evidence_beside_answers_though_its_own_had_begun_and_to_be_late_is_no_answer() {
    let problem = |code: &str| {
        let body = format!(r#"{{"code":"{code}"}}"#);
        answer("503 Service Unavailable", "content-type: application/problem+json\r\n", &body)
    };
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{";
    let judged = futures_util::join!(
        is_evidence_beside("", ok("{}")),
        is_evidence_beside(half, ok("{}")),
        is_evidence_beside("", problem("PLUGIN_1203")),
        is_evidence_beside("", problem("PLUGIN_1204")),
        is_evidence_beside("", answer("504 Gateway Timeout", "", "")),
        is_evidence_beside(half, answer("504 Gateway Timeout", "", "")),
    );
    assert_eq!(<[_; 6]>::from(judged), [false, false, false, true, true, true].map(Some));
}
