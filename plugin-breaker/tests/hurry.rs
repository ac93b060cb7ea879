//! Callers with little time while the circuit is half-open.
#![cfg(not(loom))]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use common::*;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use plugin_breaker::{CircuitBreakerLayer, CircuitState};
use plugin_core::{
    AsHttpResponse, AtEnd, BoxError, ByHttpStatus, Call, Code, PluginError, Rejected,
    clock::{self, Instant},
    deadline::{AttemptTimeoutLayer, DeadlineLayer, cut},
};
use plugin_fallback::coalesce::CoalesceLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Answer = Result<(), PluginError>;

trait Stack: Service<Call<()>, Response = (), Error = PluginError, Future: Send> + Clone + Send + 'static {}
impl<S: Service<Call<()>, Response = (), Error = PluginError, Future: Send> + Clone + Send + 'static> Stack for S {}

/// The service under the breaker, with the limit of a call; with one of an attempt, which then watches the deadline too, or
/// without.
fn stack<S>(layer: &CircuitBreakerLayer, attempts: bool, service: S) -> impl Stack + use<S>
where
    S: Service<Call<()>, Response = (), Error = PluginError, Future: Send> + Clone + Send + 'static,
{
    ServiceBuilder::new()
        .layer(DeadlineLayer::new(5 * SECOND))
        .layer(layer.clone())
        .option_layer(attempts.then(|| AttemptTimeoutLayer::new(5 * SECOND)))
        .service(service)
}

/// A service that does one thing at a time, 200 ms each, whether or not somebody still waits for it.
fn one_at_a_time() -> impl Stack + use<> {
    let free = Arc::new(Mutex::new(Instant::ZERO));
    service_fn(move |_: Call<()>| {
        let free = Arc::clone(&free);
        async move {
            let done = {
                let mut free = free.lock().expect("no panic");
                *free = clock::now().max(*free).saturating_add(200 * MILLI);
                *free
            };
            tokio::time::sleep(done.saturating_since(clock::now())).await;
            Ok(())
        }
    })
}

/// Calls, one after the other, for ever; and waits this long after a call that failed.
async fn keep_calling(stack: impl Stack, given: Duration, pause: Duration) {
    loop {
        if stack.clone().oneshot(Call::new(()).with_timeout(given)).await.is_err() {
            tokio::time::sleep(pause).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn callers_in_a_hurry_leave_the_places_to_those_who_have_time() {
    for attempts in [false, true] {
        let layer = layer(config().with_recovery_timeout(SECOND));
        let stack = stack(&layer, attempts, one_at_a_time());
        layer.handle().force_open();
        advance(SECOND).await;
        // Four in a hurry take every place that comes free, and two have time.
        let hurried = [(20 * MILLI, MILLI); 4].into_iter();
        let patient = [(5 * SECOND, 250 * MILLI); 2];
        let callers: Vec<_> = hurried
            .chain(patient)
            .map(|(given, pause)| tokio::spawn(keep_calling(stack.clone(), given, pause)))
            .collect();
        let start = clock::now();
        while layer.handle().state() != CircuitState::Closed && start.elapsed() < 20 * SECOND {
            tokio::time::sleep(10 * MILLI).await;
        }
        let stats = layer.handle().stats();
        assert!(start.elapsed() < 2 * SECOND, "after {:?}: {stats:?}", start.elapsed());
        callers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// It had all the time that is configured, and the service none of it: that says nothing of others who have as much.
#[tokio::test(start_paused = true)]
async fn a_probe_that_was_held_back_on_this_side_was_in_no_hurry() {
    struct InLine;

    impl Drop for InLine {
        fn drop(&mut self) {
            cut::report_held("waiting in line");
        }
    }

    for attempts in [false, true] {
        let layer = layer(config().with_recovery_timeout(30 * SECOND));
        let is_held = Arc::new(Mutex::new(true));
        let service = service_fn({
            let is_held = Arc::clone(&is_held);
            move |_: Call<()>| {
                let line = is_held.lock().expect("no panic").then_some(InLine);
                async move {
                    if line.is_some() {
                        std::future::pending::<()>().await;
                    }
                    Ok::<_, PluginError>(())
                }
            }
        });
        let stack = stack(&layer, attempts, service);
        layer.handle().force_open();
        advance(30 * SECOND).await;
        let error = stack.clone().oneshot(Call::new(())).await.expect_err("it was held back");
        assert_eq!((error.code(), layer.handle().state()), (Code::Timeout, CircuitState::HalfOpen));
        *is_held.lock().expect("no panic") = false;
        stack.oneshot(Call::new(())).await.expect("a place, and an answer");
    }
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_only_callers_in_a_hurry_ask_tries_them_again_after_an_open_time() {
    for attempts in [false, true] {
        let takes = Arc::new(Mutex::new(100 * MILLI));
        let layer = layer(config().with_recovery_timeout(30 * SECOND));
        let service = service_fn({
            let takes = Arc::clone(&takes);
            move |_: Call<()>| {
                let takes = *takes.lock().expect("no panic");
                async move {
                    tokio::time::sleep(takes).await;
                    Ok::<_, PluginError>(())
                }
            }
        });
        let stack = stack(&layer, attempts, service);
        let call = |given| stack.clone().oneshot(Call::new(()).with_timeout(given * MILLI));
        layer.handle().force_open();
        advance(30 * SECOND).await;
        let code = |answer: Answer| answer.map_err(|error| error.code());
        assert_eq!(code(call(50).await), Err(Code::Timeout), "a probe");
        let refused = call(50).await.expect_err("it would tell as little");
        let text = "the circuit is half-open, and probes with as little time as this call has told nothing";
        assert_eq!((refused.code(), refused.is_retryable()), (Code::CircuitOpen, false), "{refused}");
        assert!(refused.to_string().contains(text), "{refused}");
        assert_eq!(refused.retry_after(), Some(30 * SECOND));
        assert_eq!(code(call(60).await), Err(Code::Timeout), "it has more");
        assert_eq!(code(call(60).await), Err(Code::CircuitOpen));

        *takes.lock().expect("no panic") = 10 * MILLI;
        advance(20 * SECOND).await;
        let refused = call(50).await.expect_err("still");
        assert_eq!((refused.code(), refused.retry_after()), (Code::CircuitOpen, Some(9940 * MILLI)));
        advance(9940 * MILLI).await;
        assert_eq!(code(call(50).await), Ok(()));
        assert_eq!(code(call(50).await), Ok(()));
        let stats = layer.handle().stats();
        assert_eq!((stats.state, stats.failures), (CircuitState::Closed, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_has_told_as_little_and_a_refusal_inside_is_not_that() {
    for (goes_away, passes) in [(true, false), (false, true)] {
        let layer = layer(config().with_half_open_max(1));
        let refuses = service_fn(|_: Call<()>| async {
            tokio::time::sleep(SECOND).await;
            Err::<(), _>(PluginError::from(Rejected::overloaded()))
        });
        let stack = stack(&layer, false, refuses);
        let call = |given| stack.clone().oneshot(Call::new(()).with_timeout(given));
        layer.handle().force_open();
        advance(30 * SECOND).await;
        let waits = if goes_away { SECOND / 2 } else { 2 * SECOND };
        assert_eq!(tokio::time::timeout(waits, call(5 * SECOND)).await.is_err(), goes_away);
        let next = call(SECOND / 2).await.expect_err("it never succeeds").code();
        assert_eq!(next, if passes { Code::Timeout } else { Code::CircuitOpen });
        let next = call(2 * SECOND).await.expect_err("it never succeeds").code();
        assert_eq!(next, Code::ConcurrencyExceeded, "it has more time");
    }
}

#[tokio::test(start_paused = true)]
async fn callers_in_a_hurry_who_share_a_call_are_in_a_hurry_too() {
    // A layer outside enforces the deadlines, or the shared call does so for each of its callers.
    for enforces in [true, false] {
        let layer = layer(config().with_half_open_max(1));
        let slow = service_fn(|_: Call<u8>| async {
            tokio::time::sleep(200 * MILLI).await;
            Ok::<_, PluginError>(())
        });
        let stack = ServiceBuilder::new()
            .option_layer(enforces.then(DeadlineLayer::enforce_only))
            .layer(CoalesceLayer::new(|call: &Call<u8>| Some(*call.payload())))
            .layer(layer.clone())
            .service(slow);
        let call = |key, given| {
            let call = stack.clone().oneshot(Call::new(key).with_timeout(given));
            async move { call.await.map_err(|error| error.code()) }
        };
        layer.handle().force_open();
        advance(30 * SECOND).await;
        let probe = tokio::join!(call(1, 20 * MILLI), call(1, 15 * MILLI));
        assert_eq!(probe, (Err(Code::Timeout), Err(Code::Timeout)), "a probe, which both have given up");
        for key in [1, 2] {
            let next = tokio::join!(call(key, 20 * MILLI), call(key, 15 * MILLI));
            assert_eq!(next, (Err(Code::CircuitOpen), Err(Code::CircuitOpen)), "it would tell as little");
        }
        let patient = tokio::join!(call(3, SECOND), call(3, 20 * MILLI));
        assert_eq!(patient, (Ok(()), Err(Code::Timeout)), "somebody has time for it");
    }
}

/// An answer whose head comes at once, and whose body never ends.
async fn stream(_: Request<()>) -> Result<Response<axum::body::Body>, std::convert::Infallible> {
    let frames = futures_util::stream::pending::<Result<http_body::Frame<Bytes>, std::convert::Infallible>>();
    Ok(Response::new(axum::body::Body::new(StreamBody::new(frames))))
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_leaves_a_stream_was_in_no_hurry() {
    // Before its place is taken from it, and after.
    for read in [10 * SECOND, 40 * SECOND] {
        let layer = layer(config().with_half_open_max(1));
        let judged = ByHttpStatus::new().until_end_of_body();
        let stack = ServiceBuilder::new()
            .layer(DeadlineLayer::new(5 * SECOND).reject_with(AsHttpResponse))
            .layer(layer.clone().for_http().classify(judged).follow::<AtEnd>())
            .service_fn(stream);
        layer.handle().force_open();
        advance(30 * SECOND).await;
        for reader in 0..3 {
            let response = stack.clone().oneshot(Request::new(())).await.expect("it is an answer");
            assert_eq!(response.status(), 200, "reader {reader}");
            advance(read).await;
            drop(response);
        }
        assert_eq!(layer.handle().stats().rejected, 0);
    }
}

/// An answer whose head comes at once, and whose body breaks off: what is further in gave it up before it had its time.
async fn given_up(_: Request<()>) -> Result<Response<axum::body::Body>, std::convert::Infallible> {
    let given_up = Rejected::attempt_timeout(SECOND).as_no_evidence();
    let frames = futures_util::stream::once(async move {
        tokio::time::sleep(10 * SECOND).await;
        Err::<http_body::Frame<Bytes>, BoxError>(given_up.into())
    });
    Ok(Response::new(axum::body::Body::new(StreamBody::new(frames))))
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_given_up_after_its_head_was_in_no_hurry() {
    let layer = layer(config().with_half_open_max(1));
    let judged = ByHttpStatus::new().until_end_of_body();
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(5 * SECOND).reject_with(AsHttpResponse))
        .layer(layer.clone().for_http().classify(judged).follow::<AtEnd>())
        .service_fn(given_up);
    layer.handle().force_open();
    advance(30 * SECOND).await;
    for reader in 0..3 {
        let response = stack.clone().oneshot(Request::new(())).await.expect("it is an answer");
        assert_eq!(response.status(), 200, "reader {reader}");
        assert!(response.into_body().collect().await.is_err(), "reader {reader}");
    }
    let stats = layer.handle().stats();
    assert_eq!((stats.ignored, stats.rejected), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_was_forgotten_keeps_nobody_out() {
    let layer = layer(config().with_half_open_timeout(8 * SECOND));
    let service = service_fn(|hangs: bool| async move {
        if hangs {
            std::future::pending::<()>().await;
        }
        Ok::<_, PluginError>(())
    });
    let forgotten = layer.layer(service);
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(5 * SECOND))
        .layer(layer.clone())
        .map_request(|call: Call<bool>| *call.payload())
        .service(service);
    layer.handle().force_open();
    advance(30 * SECOND).await;
    let mut held = Box::pin(forgotten.oneshot(true));
    assert!(poll_once(&mut held).is_pending());
    advance(9 * SECOND).await;
    assert!(stack.clone().oneshot(Call::new(false)).await.is_ok(), "its place was taken from it");
    drop(held);
    assert_eq!(stack.clone().oneshot(Call::new(false)).await.map_err(|error| error.code()), Ok(()));
    assert_eq!(layer.handle().state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_another_has_made_needless_was_in_no_hurry() {
    for (superseded, code) in [(true, Code::Timeout), (false, Code::CircuitOpen)] {
        let layer = layer(config());
        let hangs = service_fn(|_: Call<()>| std::future::pending::<Answer>());
        let stack = stack(&layer, false, hangs);
        layer.handle().force_open();
        advance(30 * SECOND).await;
        let mut probe = Box::pin(stack.clone().oneshot(Call::new(())));
        assert!(poll_once(&mut probe).is_pending());
        advance(3 * SECOND).await;
        if superseded {
            cut::drop_superseded(|| drop(probe))
        } else {
            drop(probe)
        }
        let next = stack.clone().oneshot(Call::new(()).with_timeout(2 * SECOND)).await.expect_err("it hangs");
        assert_eq!(next.code(), code);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_callers_in_a_hurry_is_forgotten_after_the_open_time_that_was_used() {
    let layer = layer(config().with_recovery_timeout(SECOND).with_backoff(10.0, 100 * SECOND).with_jitter(0.0));
    let hangs = service_fn(|_: Call<()>| std::future::pending::<Answer>());
    let stack = stack(&layer, false, hangs);
    let call = |given| stack.clone().oneshot(Call::new(()).with_timeout(given));
    layer.handle().force_open();
    advance(SECOND).await;
    assert_eq!(call(5 * SECOND).await.expect_err("it hangs").code(), Code::Timeout, "it had its time: open again");
    advance(10 * SECOND).await;
    assert_eq!(call(SECOND).await.expect_err("it hangs").code(), Code::Timeout, "a probe");
    let refused = call(SECOND).await.expect_err("it would tell as little");
    assert_eq!((refused.code(), refused.retry_after()), (Code::CircuitOpen, Some(10 * SECOND)));
}
