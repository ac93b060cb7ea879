//! When a call is retried and when not, on a paused clock.
#![cfg(not(loom))]

#[path = "../common/mod.rs"]
mod common;
mod readiness;
mod sent;
mod waits;

use std::convert::Infallible;

use bytes::Bytes;
use common::{SECOND, Script, call, config, failed, lost, ms, refused, silent_call};
use plugin_core::{
    BoxError, ByErrorChain, ByErrorType, Call, Code, InstanceId, PluginError, Rejected, Reply, Verdict, clock,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
};
use plugin_retry::{GaveUp, Retry, RetryConfig, RetryHandle, RetryLayer};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

static_assertions::assert_impl_all!(RetryLayer: Clone, Send, Sync, std::fmt::Debug);
static_assertions::assert_impl_all!(Retry<Script>: Clone, Send, Sync);
static_assertions::assert_impl_all!(RetryHandle: Clone, Send, Sync, std::fmt::Debug);

fn over(script: &Script, config: RetryConfig) -> Retry<Script> {
    RetryLayer::new(config).layer(script.clone())
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_not_be_repeated_is_retried_only_when_nothing_was_sent() {
    let script = Script::default().then(|| Err(lost()));
    let layer = RetryLayer::default();
    layer.layer(script.clone()).oneshot(silent_call()).await.expect_err("it may have been sent");
    assert_eq!((script.calls(), layer.handle().stats().gave_up(GaveUp::NotIdempotent)), (1, 1));

    let script = Script::default().then(|| Err(refused()));
    layer.layer(script.clone()).oneshot(silent_call()).await.expect("nothing was sent");
    assert_eq!(script.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_settings_allow_a_repetition_unless_the_caller_says_otherwise() {
    let idempotent = || config(|set| set.with_idempotent(true));
    let script = Script::default().then(|| Err(lost()));
    over(&script, idempotent()).oneshot(silent_call()).await.expect("recovers");
    assert_eq!(script.calls(), 2);

    let script = Script::default().then(|| Err(lost()));
    let mut once = silent_call();
    once.context_mut().set_idempotent(false);
    over(&script, idempotent()).oneshot(once).await.expect_err("the caller said no");
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_an_error_is_not_retried() {
    let script = Script::failing_with(failed);
    let layer = RetryLayer::default();
    layer.layer(script.clone()).oneshot(call()).await.expect_err("the plugin's own");
    assert_eq!((script.calls(), layer.handle().stats().gave_up(GaveUp::Final)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_list_of_the_settings_replaces_what_the_policy_says() {
    let only_1203 = || config(|set| set.with_retry_on(["PLUGIN_1203".parse().expect("a code")]));
    let script = Script::default().then(|| Err(failed()));
    over(&script, only_1203()).oneshot(call()).await.expect("recovers");
    assert_eq!(script.calls(), 2);
    let script = Script::default().then(|| Err(lost()));
    over(&script, only_1203()).oneshot(call()).await.expect_err("not on the list");
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn retry_of_the_callers_own_cancellation() {
    // Its deadline, which a layer further in noticed, even when the list names the code.
    let gone = || PluginError::from(Rejected::deadline_exceeded(SECOND, None));
    let script = Script::failing_with(gone);
    let listed = config(|set| set.with_retry_on([Code::Timeout.into()]));
    over(&script, listed).oneshot(call()).await.expect_err("the deadline passed");
    assert_eq!(script.calls(), 1);

    // It goes away: nothing is called afterwards.
    let script = Script::failing_with(lost);
    let mut retrying = Box::pin(over(&script, RetryConfig::default()).oneshot(call()));
    assert!(tokio::time::timeout(ms(50), &mut retrying).await.is_err(), "it waits between attempts");
    drop(retrying);
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_caller_may_lower_the_number_of_retries_and_not_raise_it() {
    for (cap, attempts) in [(0, 1), (1, 2), (9, 4)] {
        let script = Script::failing_with(lost);
        let mut capped = call();
        capped.context_mut().limit_retries(cap);
        over(&script, RetryConfig::default()).oneshot(capped).await.expect_err("never succeeds");
        assert_eq!(script.calls(), attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_has_its_own_limit_inside_the_deadline_over_all() {
    let hung = || Script::default().then_after(60 * SECOND, || Ok(Reply::new(Bytes::new())));
    let stack = |script: &Script| {
        ServiceBuilder::new()
            .layer(DeadlineLayer::new(10 * SECOND))
            .layer(RetryLayer::default())
            .layer(AttemptTimeoutLayer::new(SECOND))
            .service(script.clone())
    };
    let script = hung();
    stack(&script).oneshot(call()).await.expect("the second attempt answers");
    assert_eq!((script.calls(), script.running()), (2, 0));
    // Three attempts that hang leave no time for a fourth before a deadline of 3.5 s.
    let script =
        (0..9).fold(Script::default(), |script, _| script.then_after(60 * SECOND, || Ok(Reply::new(Bytes::new()))));
    let start = clock::now();
    let error = stack(&script).oneshot(call().with_timeout(ms(3_500))).await.expect_err("all hang");
    assert_eq!((error.code(), error.is_retryable()), (Code::Timeout, true));
    assert!(start.elapsed() < ms(3_500) && script.calls() == 3, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_is_told_which_instances_were_tried() {
    let [first, second] = [InstanceId::next(), InstanceId::next()];
    let script = Script::default()
        .then(move || Err(lost().with_instance(first)))
        .then(move || Err(lost().with_instance(second)))
        .then(move || Err(lost().with_instance(second)));
    over(&script, RetryConfig::default()).oneshot(call()).await.expect("recovers");
    let tried: Vec<_> = script.seen().into_iter().map(|seen| seen.tried).collect();
    assert_eq!(tried, [vec![], vec![first], vec![first, second], vec![first, second]]);
}

#[tokio::test(start_paused = true)]
async fn an_overload_inside_is_retried_and_an_open_circuit_is_not() {
    for (refusal, attempts) in [
        (Rejected::overloaded(), 2),
        (Rejected::new(Code::QueueFull), 2),
        (Rejected::probes_running(ms(10)), 2),
        (Rejected::circuit_open(Some(ms(10))), 1),
        (Rejected::too_short_for_a_probe(ms(10)), 1),
        (Rejected::rate_limited(ms(10)), 1),
        (Rejected::unhealthy(), 1),
        (Rejected::new(Code::Draining), 1),
    ] {
        let script = Script::default().then(move || Err(refusal.into()));
        let _ = over(&script, RetryConfig::default()).oneshot(silent_call()).await;
        assert_eq!(script.calls(), attempts, "{refusal}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_is_disabled_passes_calls_through_and_can_be_enabled() {
    let layer = RetryLayer::disabled();
    let handle = layer.handle();
    let script = Script::failing_with(lost);
    let mut retry = layer.layer(script.clone());
    retry.ready().await.expect("ready").call(call()).await.expect_err("passes through");
    assert_eq!((script.calls(), handle.is_enabled()), (1, false));
    handle.reconfigure(config(|set| set.with_max_retries(1)));
    retry.ready().await.expect("ready").call(call()).await.expect_err("still disabled");
    assert_eq!(script.calls(), 2);
    handle.enable();
    retry.ready().await.expect("ready").call(call()).await.expect_err("one retry");
    assert_eq!((script.calls(), handle.config().max_retries()), (4, 1));
    handle.disable();
    retry.ready().await.expect("ready").call(call()).await.expect_err("disabled");
    assert_eq!(script.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_settings_counts_for_a_call_that_runs() {
    let script = Script::failing_with(lost);
    let layer = RetryLayer::default();
    let running = tokio::spawn(layer.layer(script.clone()).oneshot(call()));
    tokio::time::sleep(ms(50)).await;
    layer.handle().reconfigure(config(|set| set.with_max_retries(1)));
    running.await.expect("no panic").expect_err("never succeeds");
    assert_eq!(script.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn all_services_of_a_layer_count_together() {
    let layer = RetryLayer::default();
    for _ in 0..3 {
        let script = Script::default().then(|| Err(lost()));
        layer.clone().layer(script).oneshot(call()).await.expect("recovers");
    }
    let stats = layer.handle().stats();
    assert_eq!((stats.retries, stats.recovered), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn any_error_type_will_do_and_closures_decide_for_any_type() {
    // An error that nobody knows is retried where the request may be repeated: a closure copies only such requests.
    let calls = std::sync::atomic::AtomicU32::new(0);
    let calls = std::sync::Arc::new(calls);
    let counted = calls.clone();
    let flaky = service_fn(move |word: &'static str| {
        let n = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move { if n < 2 { Err(BoxError::from("flaky")) } else { Ok(word.len()) } }
    });
    let layer = RetryLayer::default().replay_with(|word: &&'static str| Some(*word));
    assert_eq!(layer.layer(flaky).oneshot("four").await.expect("recovers"), 4);

    // A response that says "not yet".
    let polls = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = polls.clone();
    let job = service_fn(move |(): ()| {
        let n = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move { Ok::<_, Infallible>((n == 2).then_some("finished")) }
    });
    let until_done =
        RetryLayer::default().replay_with(|(): &()| Some(())).classify(|result: Result<&Option<&str>, &Infallible>| {
            match result {
                Ok(None) => Verdict::Failure,
                _ => Verdict::Success,
            }
        });
    assert_eq!(until_done.layer(job).oneshot(()).await.expect("infallible"), Some("finished"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_inside_an_enum_of_the_users_own_is_found_in_the_chain() {
    #[derive(Debug)]
    struct Own(Rejected);
    impl std::fmt::Display for Own {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("own")
        }
    }
    impl std::error::Error for Own {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = calls.clone();
    let open = service_fn(move |_: Call<()>| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async { Err::<(), _>(Own(Rejected::circuit_open(None))) }
    });
    RetryLayer::default().classify(ByErrorChain).layer(open).oneshot(Call::new(())).await.expect_err("open");
    assert_eq!(calls.load(std::sync::atomic::Ordering::SeqCst), 1);
    let _: RetryLayer<ByErrorType> = RetryLayer::default();
}

#[test]
fn a_call_that_succeeds_at_once_needs_no_runtime() {
    let mut retry = over(&Script::default(), RetryConfig::default());
    let reply = tokio_test::block_on(async { retry.ready().await.expect("ready").call(call()).await });
    assert_eq!(reply.expect("an answer").into_payload(), "done");
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_is_switched_off_while_an_attempt_runs_makes_no_other() {
    let script = Script::failing_with(lost).then_after(ms(20), || Err(lost()));
    let layer = RetryLayer::default();
    let running = tokio::spawn(layer.layer(script.clone()).oneshot(call()));
    tokio::time::sleep(ms(10)).await;
    layer.handle().disable();
    running.await.expect("no panic").expect_err("it was the only one");
    assert_eq!(script.calls(), 1);
}
