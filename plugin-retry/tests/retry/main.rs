//! When a call is retried and when not, on a paused clock.
#![cfg(not(loom))]

mod common;

use std::{collections::BTreeSet, convert::Infallible, time::Duration};

use bytes::Bytes;
use common::{SECOND, Script, call, config, failed, lost, ms, refused, silent_call};
use plugin_core::{
    AnyError, BoxError, Call, Code, ErrorChain, InstanceId, PluginError, Rejected, Reply, Sent, Verdict, clock,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
};
use plugin_retry::{GaveUp, Jitter, Retry, RetryConfig, RetryHandle, RetryLayer};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

static_assertions::assert_impl_all!(RetryLayer: Clone, Send, Sync, std::fmt::Debug);
static_assertions::assert_impl_all!(Retry<Script>: Clone, Send, Sync);
static_assertions::assert_impl_all!(RetryHandle: Clone, Send, Sync, std::fmt::Debug);

fn over(script: &Script, config: RetryConfig) -> Retry<Script> {
    RetryLayer::new(config).layer(script.clone())
}

#[tokio::test(start_paused = true)]
async fn three_retries_are_four_attempts_after_about_100_200_and_400_ms() {
    let script = Script::failing_with(lost);
    let error = over(&script, RetryConfig::default()).oneshot(call()).await.expect_err("never succeeds");
    assert_eq!(error.code(), Code::ConnectionFailed);
    assert_eq!(script.seen().iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [0, 1, 2, 3]);
    for (wait, middle) in script.waits().into_iter().zip([100, 200, 400]) {
        // A timer of tokio fires on the next whole millisecond.
        assert!((middle * 9 / 10..=middle * 11 / 10 + 1).contains(&wait.as_millis()), "{wait:?}");
    }
    assert!(script.seen().iter().all(|seen| seen.payload == "payload"));
}

#[tokio::test(start_paused = true)]
async fn jitter_differs_for_every_call() {
    let first_waits: BTreeSet<_> = {
        let mut waits = BTreeSet::new();
        for _ in 0..50 {
            let script = Script::default().then(|| Err(lost()));
            over(&script, config(|set| set.with_initial_interval(SECOND))).oneshot(call()).await.expect("recovers");
            waits.insert(script.waits()[0]);
        }
        waits
    };
    // 50 of some 200 milliseconds: by chance at least 20 differ in all but one of many millions of runs.
    assert!(first_waits.len() >= 20, "{first_waits:?}");
    assert!(first_waits.iter().all(|wait| (900..=1101).contains(&wait.as_millis())), "{first_waits:?}");
}

#[tokio::test(start_paused = true)]
async fn waits_can_be_constant_and_can_be_anything() {
    let script = Script::failing_with(lost);
    let constant = config(|set| set.with_constant_interval(ms(70)));
    over(&script, constant).oneshot(call()).await.expect_err("never succeeds");
    assert_eq!(script.waits(), [ms(70); 3]);

    let script = Script::failing_with(lost);
    let custom = config(|set| set.with_intervals(|retry| [ms(5), Duration::ZERO, ms(30)][retry as usize]));
    over(&script, custom).oneshot(call()).await.expect_err("never succeeds");
    assert_eq!(script.waits(), [ms(5), ms(0), ms(30)]);
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
    let only_1203 = || config(|set| set.with_on(["PLUGIN_1203".parse().expect("a code")]));
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
    let listed = config(|set| set.with_on([Code::Timeout.into()]));
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
async fn no_attempt_starts_that_cannot_finish() {
    let script = Script::failing_with(lost);
    let layer = RetryLayer::new(config(|set| set.with_jitter(Jitter::None)));
    let start = clock::now();
    let error = layer.layer(script.clone()).oneshot(call().with_timeout(ms(300))).await.expect_err("never succeeds");
    // The second wait of 200 ms would end at the deadline: the last error comes at once, and is not a time-out.
    assert_eq!((error.code(), start.elapsed(), script.calls()), (Code::ConnectionFailed, ms(100), 2));
    assert_eq!(layer.handle().stats().gave_up(GaveUp::Deadline), 1);
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
async fn the_service_may_say_when_it_can_be_called_again() {
    let script = Script::default().then(|| Err(refused().with_retry_after(7 * SECOND)));
    over(&script, RetryConfig::default()).oneshot(call()).await.expect("recovers");
    let between = |waits: Vec<Duration>, least, most| waits.len() == 1 && (least..=most).contains(&waits[0]);
    assert!(between(script.waits(), 7 * SECOND, ms(7_701)), "{:?}", script.waits());

    let script = Script::default().then(|| Err(refused().with_retry_after(3600 * SECOND)));
    let capped = config(|set| set.with_max_retry_after(9 * SECOND));
    over(&script, capped).oneshot(call()).await.expect("recovers");
    assert!(between(script.waits(), 9 * SECOND, ms(9_901)), "{:?}", script.waits());
}

#[tokio::test(start_paused = true)]
async fn a_push_back_makes_no_wait_shorter_than_the_backoff() {
    let steady = || config(|set| set.with_constant_interval(ms(100)));
    for (asked, waited) in [(Duration::ZERO, ms(100)), (ms(99), ms(100)), (ms(101), ms(101))] {
        let script = Script::failing_with(refused)
            .then(move || Err(refused().with_retry_after(asked)))
            .then(move || Err(refused().with_retry_after(asked)));
        over(&script, steady()).oneshot(call()).await.expect_err("never succeeds");
        assert_eq!(script.waits()[..2], [waited; 2], "{asked:?}");
    }
    // What caps the push-back does not cap the backoff.
    let script = Script::default().then(|| Err(refused().with_retry_after(SECOND)));
    let capped = config(|set| set.with_constant_interval(ms(100)).with_max_retry_after(ms(50)));
    over(&script, capped).oneshot(call()).await.expect("recovers");
    assert_eq!(script.waits(), [ms(100)]);
}

#[tokio::test(start_paused = true)]
async fn callers_that_were_told_the_same_moment_do_not_come_at_it_together_and_none_before_it() {
    let mut waits = BTreeSet::new();
    for _ in 0..50 {
        let script = Script::default().then(|| Err(Rejected::probes_running(SECOND).into()));
        over(&script, RetryConfig::default()).oneshot(call()).await.expect("recovers");
        waits.extend(script.waits());
    }
    assert!(waits.len() > 20 && waits.iter().all(|wait| (SECOND..=ms(1_101)).contains(wait)), "{waits:?}");
    // Who has no time for more comes in time.
    let script = Script::default().then(|| Err(Rejected::probes_running(SECOND).into()));
    over(&script, RetryConfig::default()).oneshot(call().with_timeout(ms(1_010))).await.expect("in time");
    assert!(script.waits()[0] <= ms(1_006), "{:?}", script.waits());
    // Settings without jitter are kept to the letter.
    let script = Script::default().then(|| Err(Rejected::probes_running(SECOND).into()));
    over(&script, config(|set| set.with_jitter(Jitter::None))).oneshot(call()).await.expect("recovers");
    assert_eq!(script.waits(), [SECOND]);
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
    let until_done = RetryLayer::default().replay_with(|(): &()| Some(())).classify_with(
        |result: Result<&Option<&str>, &Infallible>| match result {
            Ok(None) => Verdict::Failure,
            _ => Verdict::Success,
        },
    );
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
    RetryLayer::default().classify(ErrorChain).layer(open).oneshot(Call::new(())).await.expect_err("open");
    assert_eq!(calls.load(std::sync::atomic::Ordering::SeqCst), 1);
    let _: RetryLayer<AnyError> = RetryLayer::default();
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_made_by_a_service_that_was_polled_ready() {
    // The mock panics when it is called without having been polled ready.
    let (mut retry, mut handle) = tower_test::mock::spawn_layer::<Call<u8>, &'static str, _>(
        RetryLayer::new(config(|set| set.with_idempotent(true).with_constant_interval(ms(10)))).classify_with(
            |result: Result<&&str, &BoxError>| match result {
                Ok(&"again") => Verdict::Failure,
                _ => Verdict::Success,
            },
        ),
    );
    handle.allow(1);
    tokio_test::assert_ready_ok!(retry.poll_ready());
    let answer = tokio::spawn(retry.call(Call::new(7)));
    let (first, send) = handle.next_request().await.expect("a first attempt");
    assert_eq!(first.into_payload(), 7);
    send.send_response("again");
    tokio::time::sleep(ms(50)).await;
    assert!(!answer.is_finished(), "the second attempt waits for the service to be ready");
    handle.allow(1);
    let (second, send) = handle.next_request().await.expect("a second attempt");
    assert_eq!((second.context().attempt(), second.into_payload()), (1, 7));
    send.send_response("done");
    assert_eq!(answer.await.expect("no panic").expect("an answer"), "done");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_its_readiness_is_asked_again_though_the_call_may_not_be_repeated() {
    #[derive(Clone)]
    struct Moody(std::sync::Arc<std::sync::atomic::AtomicU32>);
    impl Service<Call<()>> for Moody {
        type Response = &'static str;
        type Error = PluginError;
        type Future = std::future::Ready<Result<&'static str, PluginError>>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), PluginError>> {
            // Ready, not ready, ready.
            let n = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            std::task::Poll::Ready(if n == 1 { Err(lost()) } else { Ok(()) })
        }
        fn call(&mut self, call: Call<()>) -> Self::Future {
            std::future::ready(match call.context().attempt() {
                0 => Err(PluginError::connection("refused", Sent::Nothing)),
                _ => Ok("done"),
            })
        }
    }
    let layer = RetryLayer::default();
    let answer = layer.layer(Moody(Default::default())).oneshot(Call::new(())).await;
    assert_eq!(answer.expect("recovers"), "done");
    assert_eq!(layer.handle().stats().retries, 1, "an attempt that never began is not counted");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_lost_to_a_failed_readiness_counts() {
    /// Ready once, and never again.
    #[derive(Clone)]
    struct Gone(std::sync::Arc<std::sync::atomic::AtomicU32>);
    impl Service<Call<()>> for Gone {
        type Response = ();
        type Error = PluginError;
        type Future = std::future::Ready<Result<(), PluginError>>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), PluginError>> {
            let n = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            std::task::Poll::Ready(if n == 0 { Ok(()) } else { Err(refused()) })
        }
        fn call(&mut self, _: Call<()>) -> Self::Future {
            std::future::ready(Err(refused()))
        }
    }
    let layer = RetryLayer::new(config(|set| set.with_constant_interval(ms(10)).with_max_retries(2).without_budget()));
    let polls = std::sync::Arc::<std::sync::atomic::AtomicU32>::default();
    let answer = tokio::time::timeout(SECOND, layer.layer(Gone(polls.clone())).oneshot(Call::new(()))).await;
    answer.expect("two attempts, and no more").expect_err("never ready again");
    let stats = layer.handle().stats();
    assert_eq!((stats.retries, stats.gave_up(GaveUp::Attempts)), (0, 1));
    assert_eq!(polls.load(std::sync::atomic::Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_towers_load_shed_refused_was_not_sent() {
    // One at a time: the first call holds the place for 150 ms.
    let limited = ServiceBuilder::new()
        .layer(RetryLayer::new(config(|set| set.with_jitter(Jitter::None))))
        .load_shed()
        .concurrency_limit(1)
        .service(service_fn(|call: Call<u32>| async move {
            tokio::time::sleep(ms(150)).await;
            Ok::<_, BoxError>(call.into_payload())
        }));
    let first = tokio::spawn(limited.clone().oneshot(Call::new(1)));
    tokio::task::yield_now().await;
    let start = clock::now();
    assert_eq!(limited.oneshot(Call::new(2)).await.expect("there is a place by then"), 2);
    assert_eq!(start.elapsed(), ms(450), "refused at once and after 100 ms, and 150 ms of work after 300 ms");
    assert_eq!(first.await.expect("no panic").expect("an answer"), 1);
}

#[test]
fn a_call_that_succeeds_at_once_needs_no_runtime() {
    let mut retry = over(&Script::default(), RetryConfig::default());
    let reply = tokio_test::block_on(async { retry.ready().await.expect("ready").call(call()).await });
    assert_eq!(reply.expect("an answer").into_payload(), "done");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_between_attempts_says_so() {
    /// Ready once.
    #[derive(Clone)]
    struct Once(std::sync::Arc<std::sync::atomic::AtomicBool>);
    impl Service<Call<()>> for Once {
        type Response = ();
        type Error = PluginError;
        type Future = std::future::Ready<Result<(), PluginError>>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), PluginError>> {
            if self.0.swap(true, std::sync::atomic::Ordering::SeqCst) {
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Call<()>) -> Self::Future {
            std::future::ready(Err(refused()))
        }
    }
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(SECOND))
        .layer(RetryLayer::default())
        .service(Once(Default::default()));
    let error = stack.oneshot(Call::new(())).await.expect_err("never ready again");
    assert!(error.to_string().contains("waiting for the service to be ready again"), "{error}");

    // A closure knows no deadline, so the wait runs into it.
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(ms(50)))
        .layer(RetryLayer::default().replay_with(|call: &Call<()>| Some(call.clone())))
        .service(service_fn(|_: Call<()>| async { Err::<(), _>(refused()) }));
    let start = clock::now();
    let error = stack.oneshot(Call::new(())).await.expect_err("too late");
    assert!(error.to_string().contains("waiting between attempts"), "{error}");
    assert_eq!(start.elapsed(), ms(50));
}

/// What a process that is being restarted, or a circuit that this very call has opened, answers to its second attempt.
fn away() -> PluginError {
    PluginError::refused(Rejected::circuit_open(Some(30 * SECOND)), "away")
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_been_sent_fails_for_its_own_reason_when_a_later_attempt_is_refused() {
    let script = Script::failing_with(away).then(|| Err(lost()));
    let error = over(&script, RetryConfig::default()).oneshot(call()).await.expect_err("lost, then refused");
    assert_eq!((script.calls(), error.sent(), error.message()), (2, Sent::Maybe, lost().message()));
    assert_eq!(error.retry_after(), Some(30 * SECOND), "when to come back is what the refusal says");

    // An attempt that failed before anything of it was sent hides as much.
    let script = Script::failing_with(refused).then(|| Err(failed()));
    let named = config(|set| set.with_on(vec!["PLUGIN".parse().expect("a condition")]));
    let error = over(&script, named).oneshot(call()).await.expect_err("four attempts");
    assert_eq!((script.calls(), error.sent(), error.code()), (4, Sent::Maybe, Code::ExecutionFailed));

    // Where nothing was sent, the last word is the last failure.
    let script = Script::failing_with(away).then(|| Err(refused()));
    let error = over(&script, RetryConfig::default()).oneshot(call()).await.expect_err("refused twice");
    assert_eq!((error.sent(), error.code()), (Sent::Nothing, Code::CircuitOpen));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_time_was_up_says_so_and_what_an_attempt_before_had_sent() {
    let up = || PluginError::from(Rejected::deadline_exceeded(SECOND, None).with_sent(Sent::Nothing));
    let script = Script::failing_with(lost).then(|| Err(lost())).then(move || Err(up()));
    let error = over(&script, RetryConfig::default()).oneshot(call()).await.expect_err("the time was up");
    assert_eq!((script.calls(), error.code(), error.sent()), (2, Code::Timeout, Sent::Maybe));
    assert_eq!(error.rejected().map(Rejected::sent), Some(Sent::Maybe));
}

#[tokio::test(start_paused = true)]
async fn a_readiness_that_fails_does_not_hide_what_an_attempt_before_had_sent() {
    /// Is ready once.
    #[derive(Clone)]
    struct Once(Script, std::sync::Arc<std::sync::atomic::AtomicBool>);

    impl Service<Call<Bytes>> for Once {
        type Response = Reply<Bytes>;
        type Error = PluginError;
        type Future = plugin_core::BoxFuture<Result<Reply<Bytes>, PluginError>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), PluginError>> {
            let was_ready = self.1.swap(true, std::sync::atomic::Ordering::Relaxed);
            std::task::Poll::Ready(if was_ready { Err(away()) } else { Ok(()) })
        }

        fn call(&mut self, call: Call<Bytes>) -> Self::Future {
            self.0.call(call)
        }
    }

    let once = Once(Script::failing_with(lost), std::sync::Arc::default());
    let retried = RetryLayer::new(RetryConfig::default()).layer(once.clone());
    let error = retried.oneshot(call()).await.expect_err("lost, then not ready");
    assert_eq!((once.0.calls(), error.sent(), error.message()), (1, Sent::Maybe, lost().message()));
}
