//! A service that hangs under a deadline: the breaker is dropped with the call, and asks whether the service had its time.
#![cfg(not(loom))]

use std::{future::Future, time::Duration};

use http::{Request, Response};
use plugin_breaker::{Breaker, Cancelled, CircuitBreakerConfig, CircuitBreakerLayer, CircuitState};
use plugin_core::{
    BoxError, BoxErrorLayer, ByGrpcStatus, Call, Code, PluginError, Reply, clock,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
};
use plugin_telemetry::{Status, TelemetryHandle, TelemetryLayer};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn breaker(cancelled: Cancelled) -> CircuitBreakerLayer {
    let config = CircuitBreakerConfig::builder().with_failure_threshold(3).with_cancelled(cancelled);
    CircuitBreakerLayer::new(config.build().expect("valid"))
}

/// Calls that telemetry has counted as failures of the service, and as in a hurry.
fn counted(telemetry: &TelemetryHandle) -> (u64, u64) {
    let counts = telemetry.stats();
    (counts.ended(Status::Failure), counts.ended(Status::Caller))
}

/// Calls one after the other of a service that never answers.
async fn call(timeout: Duration, breaker: &CircuitBreakerLayer, calls: usize, limit: Duration) -> Vec<Code> {
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(timeout))
        .layer(breaker)
        .service(service_fn(|_: Call<()>| std::future::pending::<Result<Reply<()>, PluginError>>()));
    let mut codes = Vec::new();
    for _ in 0..calls {
        codes.push(stack.clone().oneshot(Call::new(()).with_timeout(limit)).await.expect_err("no answer").code());
    }
    codes
}

#[tokio::test(start_paused = true)]
async fn a_hang_under_a_deadline_alone_opens_the_breaker() {
    let layer = breaker(Cancelled::Ignore);
    let start = clock::now();
    let codes = call(SECOND, &layer, 4, Duration::MAX).await;
    assert_eq!(codes, [Code::Timeout, Code::Timeout, Code::Timeout, Code::CircuitOpen]);
    assert_eq!(start.elapsed(), 3 * SECOND);
    let stats = layer.handle().stats();
    assert_eq!((stats.failures, stats.cancelled, stats.state), (3, 0, CircuitState::Open));
}

#[tokio::test(start_paused = true)]
async fn callers_in_a_hurry_open_it_only_when_it_shall_count_what_is_cancelled() {
    for (cancelled, opens) in [(Cancelled::Ignore, false), (Cancelled::Failure, true)] {
        let layer = breaker(cancelled);
        call(30 * SECOND, &layer, 10, Duration::from_millis(150)).await;
        let stats = layer.handle().stats();
        assert_eq!(stats.state == CircuitState::Open, opens, "{stats:?}");
        assert_eq!(stats.cancelled, if opens { 3 } else { 10 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_without_a_deadline_in_between_takes_nothing_from_the_evidence() {
    let layer = breaker(Cancelled::Ignore);
    let stack = ServiceBuilder::new()
        .layer(AttemptTimeoutLayer::new(SECOND))
        .layer(DeadlineLayer::enforce_only())
        .layer(&layer)
        .service(service_fn(|_: Call<()>| std::future::pending::<Result<Reply<()>, PluginError>>()));
    for _ in 0..3 {
        assert_eq!(stack.clone().oneshot(Call::new(())).await.expect_err("no answer").code(), Code::Timeout);
    }
    let stats = layer.handle().stats();
    assert_eq!((stats.failures, stats.cancelled, stats.state), (3, 0, CircuitState::Open));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_opens_the_circuit_again() {
    let layer = breaker(Cancelled::Ignore);
    layer.handle().force_open();
    layer.handle().reset();
    call(SECOND, &layer, 3, Duration::MAX).await;
    assert_eq!(layer.handle().state(), CircuitState::Open);
    tokio::time::advance(60 * SECOND).await;
    let codes = call(SECOND, &layer, 2, Duration::MAX).await;
    assert_eq!(codes, [Code::Timeout, Code::CircuitOpen], "one probe, and open again");
}

/// A service that reads the deadline which it was told and keeps it itself, a moment earlier, as tonic's channel does.
fn keeps_time(call: Call<()>) -> impl Future<Output = Result<Reply<()>, BoxError>> {
    let deadline = call.context().deadline().expect("it was told");
    async move {
        let left = deadline.saturating_since(clock::now());
        tokio::time::sleep(left - Duration::from_millis(1)).await;
        Err(tonic::TimeoutExpired(()).into())
    }
}

#[tokio::test(start_paused = true)]
async fn another_librarys_end_of_the_same_time_is_judged_by_the_same_rule() {
    for (limit, opens) in [(Duration::from_millis(150), false), (20 * SECOND, true)] {
        for watched_by_attempt in [false, true] {
            let layer = breaker(Cancelled::Ignore);
            let (timeout, attempt) = if watched_by_attempt {
                (None, AttemptTimeoutLayer::new(30 * SECOND))
            } else {
                (Some(30 * SECOND), AttemptTimeoutLayer::disabled())
            };
            let telemetry = TelemetryLayer::new("of the caller");
            let stack = ServiceBuilder::new()
                .layer(telemetry.clone())
                .option_layer(timeout.map(DeadlineLayer::new))
                .option_layer(watched_by_attempt.then_some(attempt))
                .layer(&layer)
                .layer(BoxErrorLayer)
                .service(service_fn(keeps_time));
            for _ in 0..3 {
                stack.clone().oneshot(Call::new(()).with_timeout(limit)).await.expect_err("no answer");
            }
            let stats = layer.handle().stats();
            assert_eq!(stats.state == CircuitState::Open, opens, "{limit:?}, {watched_by_attempt}: {stats:?}");
            let outside = counted(&telemetry.handle());
            assert_eq!(outside, if opens { (3, 0) } else { (0, 3) }, "{limit:?}, {watched_by_attempt}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_the_time_it_was_told_is_judged_by_the_same_rule() {
    // A caller in a hurry, also where the server keeps a margin; one who gives time; and a server that gave up by itself.
    for (limit, after, failures) in [(150, 149, 0), (150, 60, 0), (20_000, 19_999, 3), (20_000, 1_000, 3)] {
        let layer = breaker(Cancelled::Ignore);
        let telemetry = TelemetryLayer::new("of the caller").classify(ByGrpcStatus);
        let stack = ServiceBuilder::new()
            .layer(telemetry.clone())
            .layer(DeadlineLayer::new(30 * SECOND))
            .layer(layer.clone().classify(ByGrpcStatus))
            .service(service_fn(move |_: Request<()>| async move {
                tokio::time::sleep(Duration::from_millis(after)).await;
                Ok::<_, PluginError>(Response::builder().header("grpc-status", "4").body(()).expect("valid"))
            }));
        for _ in 0..3 {
            let request = Request::builder().header("content-type", "application/grpc");
            let request = request.header("grpc-timeout", format!("{limit}m")).body(()).expect("valid");
            stack.clone().oneshot(request).await.expect("a status");
        }
        let stats = layer.handle().stats();
        assert_eq!((stats.failures, stats.ignored), (failures, 3 - failures), "{after} of {limit} ms: {stats:?}");
        assert_eq!(counted(&telemetry.handle()), (failures, 3 - failures), "{after} of {limit} ms, outside");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_service_was_told_is_known_outside_to_nobody_but_in_the_poll_in_which_it_was_judged() {
    let telemetry = TelemetryLayer::new("of the caller");
    let late = || PluginError::new(Code::Timeout, "late");
    let in_a_hurry = || Call::new(()).with_timeout(SECOND);
    let told = ServiceBuilder::new()
        .layer(DeadlineLayer::new(30 * SECOND))
        .layer(breaker(Cancelled::Ignore))
        .service(service_fn(move |_: Call<()>| async move { Err::<Reply<()>, _>(late()) }));
    let handler = service_fn(move |waits: bool| {
        let told = told.clone();
        async move {
            let of_another = told.oneshot(in_a_hurry()).await;
            if waits {
                tokio::time::sleep(SECOND).await;
                return Err(late());
            }
            of_another
        }
    });
    let stack = telemetry.layer(handler);
    stack.clone().oneshot(false).await.expect_err("no time");
    assert_eq!(counted(&telemetry.handle()), (0, 1), "it is that answer");
    stack.oneshot(true).await.expect_err("no time");
    assert_eq!(counted(&telemetry.handle()), (1, 1), "it is another, of a service that was told no time");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_another_library_was_configured_with_is_evidence_whatever_the_deadline_outside() {
    async fn call(error: fn() -> BoxError, breaker: &CircuitBreakerLayer) {
        let stack =
            ServiceBuilder::new().layer(DeadlineLayer::new(30 * SECOND)).layer(breaker).layer(BoxErrorLayer).service(
                service_fn(move |_: Call<()>| async move {
                    tokio::time::sleep(SECOND).await;
                    Err::<Reply<()>, BoxError>(error())
                }),
            );
        stack.oneshot(Call::new(())).await.expect_err("no answer");
    }
    let errors: [fn() -> BoxError; 2] =
        [|| tower::timeout::error::Elapsed::new().into(), || tonic::TimeoutExpired(()).into()];
    for error in errors {
        let layer = breaker(Cancelled::Ignore);
        for _ in 0..3 {
            call(error, &layer).await;
        }
        let stats = layer.handle().stats();
        assert_eq!((stats.failures, stats.ignored), (3, 0), "{}: {stats:?}", error());
        assert_eq!(stats.state, CircuitState::Open);
    }
}

/// A handler that works for this long of its 500 ms, and then calls a dependency that hangs.
async fn handle(works: Duration, breaker: &CircuitBreakerLayer) {
    let dependency = ServiceBuilder::new()
        .layer(breaker)
        .service(service_fn(|_: Call<()>| std::future::pending::<Result<Reply<()>, PluginError>>()));
    let handler = ServiceBuilder::new().layer(DeadlineLayer::new(SECOND / 2)).service(service_fn(move |_: Call<()>| {
        let dependency = dependency.clone();
        async move {
            tokio::time::sleep(works).await;
            dependency.oneshot(Call::new(())).await
        }
    }));
    let error = handler.oneshot(Call::new(())).await.expect_err("no answer");
    assert!([Code::Timeout, Code::CircuitOpen].contains(&error.code()), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_was_called_late_is_judged_by_the_time_that_it_had() {
    for (works, failures) in [(450, 0), (251, 0), (250, 3), (0, 3)] {
        let layer = breaker(Cancelled::Ignore);
        for _ in 0..3 {
            handle(Duration::from_millis(works), &layer).await;
        }
        let stats = layer.handle().stats();
        assert_eq!((stats.failures, stats.cancelled), (failures, 3 - failures), "after {works} ms: {stats:?}");
        assert_eq!(stats.state == CircuitState::Open, failures == 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_hangs_for_the_whole_of_its_own_limit_fails_whatever_a_handler_outside_has() {
    for (works, limit) in [(450, 40), (0, 40), (0, 400), (200, 250)] {
        let layer = breaker(Cancelled::Ignore);
        let dependency = ServiceBuilder::new()
            .layer(&layer)
            .layer(BoxErrorLayer)
            .timeout(Duration::from_millis(limit))
            .service(service_fn(|_: Call<()>| std::future::pending::<Result<Reply<()>, BoxError>>()));
        let handler =
            ServiceBuilder::new().layer(DeadlineLayer::new(SECOND / 2)).service(service_fn(move |_: Call<()>| {
                let dependency = dependency.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(works)).await;
                    dependency.oneshot(Call::new(())).await
                }
            }));
        for _ in 0..3 {
            handler.clone().oneshot(Call::new(())).await.expect_err("no answer");
        }
        let stats = layer.handle().stats();
        assert_eq!((stats.failures, stats.ignored), (3, 0), "{limit} ms after {works} ms: {stats:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_keeps_the_time_it_was_told_is_judged_by_the_time_that_it_had() {
    for (works, failures) in [(450, 0), (260, 0), (200, 3), (0, 3)] {
        let layer = breaker(Cancelled::Ignore);
        let dependency = ServiceBuilder::new().layer(&layer).layer(BoxErrorLayer).service(service_fn(keeps_time));
        let handler =
            ServiceBuilder::new().layer(DeadlineLayer::new(SECOND / 2)).service(service_fn(move |call: Call<()>| {
                let dependency = dependency.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(works)).await;
                    dependency.oneshot(call).await
                }
            }));
        for _ in 0..3 {
            handler.clone().oneshot(Call::new(())).await.expect_err("no answer");
        }
        let stats = layer.handle().stats();
        assert_eq!((stats.failures, stats.ignored), (failures, 3 - failures), "after {works} ms: {stats:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_nobody_saw_wait_is_cancelled_when_it_is_dropped_under_a_cut() {
    let breaker = Breaker::default();
    let held = breaker.clone();
    let handler = ServiceBuilder::new().layer(DeadlineLayer::new(SECOND)).service(service_fn(move |_: Call<()>| {
        let held = held.clone();
        async move {
            tokio::time::sleep(SECOND * 9 / 10).await;
            let _permit = held.try_acquire().expect("closed");
            std::future::pending::<Result<Reply<()>, PluginError>>().await
        }
    }));
    handler.oneshot(Call::new(())).await.expect_err("no answer");
    let stats = breaker.stats();
    assert_eq!((stats.failures, stats.cancelled), (0, 1), "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_never_polled_is_cancelled_when_it_is_cut_also_under_a_rule_for_slow_calls() {
    for slow in [false, true] {
        let mut config = CircuitBreakerConfig::builder();
        if slow {
            config = config.with_slow_calls(SECOND, 0.5);
        }
        let layer = CircuitBreakerLayer::new(config.build().expect("in bounds"));
        let hangs = service_fn(|_: Call<()>| std::future::pending::<Result<Reply<()>, PluginError>>());
        let dependency = layer.layer(hangs);
        let handler = ServiceBuilder::new().layer(DeadlineLayer::new(SECOND)).service(service_fn(move |call| {
            let mut dependency = dependency.clone();
            async move {
                let _made = dependency.call(call);
                std::future::pending::<Result<Reply<()>, PluginError>>().await
            }
        }));
        handler.oneshot(Call::new(())).await.expect_err("no answer");
        let stats = layer.handle().stats();
        assert_eq!((stats.failures, stats.cancelled), (0, 1), "slow: {slow}: {stats:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_clock_is_read_once_for_a_call_that_waits_and_not_for_one_that_does_not() {
    let answer = |waits: bool| {
        service_fn(move |_: Call<()>| async move {
            if waits {
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
            }
            Ok::<_, PluginError>(Reply::new(()))
        })
    };
    for (waits, expected) in [(false, 0), (true, 1)] {
        let within = ServiceBuilder::new()
            .layer(DeadlineLayer::new(SECOND))
            .layer(AttemptTimeoutLayer::new(SECOND))
            .layer(breaker(Cancelled::Ignore))
            .service(answer(waits));
        let around = ServiceBuilder::new()
            .layer(DeadlineLayer::new(SECOND))
            .layer(breaker(Cancelled::Ignore))
            .layer(AttemptTimeoutLayer::new(SECOND))
            .service(answer(waits));
        let unlimited = ServiceBuilder::new().layer(breaker(Cancelled::Ignore)).service(answer(waits));
        let (first, second, third) = (Call::new(()), Call::new(()), Call::new(()));
        let read = clock::readings();
        within.oneshot(first).await.expect("an answer");
        assert_eq!(clock::readings() - read, expected);
        around.oneshot(second).await.expect("an answer");
        assert_eq!(clock::readings() - read, 2 * expected);
        unlimited.oneshot(third).await.expect("an answer");
        assert_eq!(clock::readings() - read, 2 * expected, "nobody could cut it");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_call_that_failed_is_read_once_and_left_for_the_layers_further_out() {
    for (slow, expected) in [(false, 1), (true, 2)] {
        let mut config = CircuitBreakerConfig::builder().with_failure_threshold(100);
        if slow {
            // How long a call takes is counted from its beginning, which is read too.
            config = config.with_slow_calls(SECOND, 0.5);
        }
        let layer = CircuitBreakerLayer::new(config.build().expect("in bounds"));
        let service = layer.layer(service_fn(|()| async { Err::<(), _>(PluginError::execution("as asked")) }));
        let read = clock::readings();
        clock::end::forget();
        service.oneshot(()).await.expect_err("it fails");
        assert_eq!(clock::readings() - read, expected, "slow: {slow}");
        let _ = clock::end::heard();
        assert_eq!(clock::readings() - read, expected, "nobody further out reads it again");
        assert_eq!(layer.handle().stats().failures, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_says_at_once_that_the_time_is_up_had_none_of_it() {
    let layer = breaker(Cancelled::Ignore);
    let out_of_time = service_fn(|_: Call<()>| async {
        Err::<Reply<()>, _>(PluginError::new(Code::Timeout, "no time is left").with_retryable(false))
    });
    let dependency = ServiceBuilder::new().layer(&layer).service(out_of_time);
    let handler =
        ServiceBuilder::new().layer(DeadlineLayer::new(SECOND / 2)).service(service_fn(move |call: Call<()>| {
            let dependency = dependency.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(499)).await;
                dependency.oneshot(call).await
            }
        }));
    handler.oneshot(Call::new(())).await.expect_err("no answer");
    let stats = layer.handle().stats();
    assert_eq!((stats.failures, stats.ignored), (0, 1), "{stats:?}");
}
