//! What is answered in place of a failure, and what is left alone.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_core::{ByErrorType, Call, Code, PluginError, Rejected, Reply, Sent, deadline::DeadlineLayer};
use plugin_fallback::{Fallback, FallbackLayer, FallbackValue};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// Not `Clone`, as a request with a body that is read once.
struct Once;

async fn fails(_: Once) -> Result<u32, PluginError> {
    Err(PluginError::execution("no"))
}

#[tokio::test]
async fn a_value_takes_the_place_of_an_error_and_needs_no_copy_of_the_request() {
    let layer = FallbackLayer::value(7);
    let handle = layer.handle();
    let stack = layer.layer(service_fn(fails));
    assert_eq!(stack.clone().oneshot(Once).await.expect("the value"), 7);
    assert_eq!(stack.oneshot(Once).await.expect("the value"), 7);
    assert_eq!(handle.stats().used, 2);
}

#[tokio::test]
async fn a_good_answer_is_left_alone_and_nothing_is_cloned_for_it() {
    struct Counted(Arc<AtomicUsize>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Ordering::SeqCst);
            Self(Arc::clone(&self.0))
        }
    }
    let clones = Arc::new(AtomicUsize::new(0));
    let layer = FallbackLayer::value(Counted(Arc::clone(&clones)));
    let handle = layer.handle();
    let other = Arc::new(AtomicUsize::new(0));
    let good = Arc::clone(&other);
    let stack = layer.layer(service_fn(move |_: Once| {
        let good = Counted(Arc::clone(&good));
        async move { Ok::<_, PluginError>(good) }
    }));
    let answer = stack.oneshot(Once).await.expect("the answer");
    assert!(Arc::ptr_eq(&answer.0, &other));
    assert_eq!((handle.stats().used, clones.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn a_function_sees_the_error_and_may_answer_with_another_one() {
    let layer = FallbackLayer::with(|failed: Result<u32, PluginError>| match failed {
        Err(error) if error.code() == Code::ExecutionFailed => Err(PluginError::not_found("x")),
        other => other,
    });
    let error = layer.layer(service_fn(fails)).oneshot(Once).await.expect_err("another error");
    assert_eq!(error.code(), Code::NotFound);
}

#[tokio::test]
async fn another_service_gets_the_same_request_and_its_error_is_the_error_of_the_call() {
    let first = service_fn(|_: u32| async { Err::<u32, _>(PluginError::execution("no")) });
    let second = service_fn(|request: u32| async move {
        if request == 0 { Err(PluginError::not_found("zero")) } else { Ok(request * 2) }
    });
    let stack = FallbackLayer::service(second).layer(first);
    assert_eq!(stack.clone().oneshot(21).await.expect("the second"), 42);
    assert_eq!(stack.oneshot(0).await.expect_err("both").code(), Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn another_service_is_awaited_until_it_is_ready() {
    let (other, mut remote) = tower_test::mock::pair::<u32, u32>();
    remote.allow(0);
    let first = service_fn(|_: u32| async { Err::<u32, _>("no".into()) });
    let mut call = task::spawn(FallbackLayer::service(other).layer(first).oneshot(1));
    assert_pending!(call.poll());
    remote.allow(1);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    let (request, respond) = remote.next_request().await.expect("the second is called");
    respond.send_response(request + 1);
    assert_eq!(call.await.expect("the second"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_and_a_deadline_are_errors_too() {
    let refused = service_fn(|_: Call<()>| async { Err::<Reply<u32>, _>(PluginError::from(Rejected::overloaded())) });
    let stack = FallbackLayer::value(Reply::new(1)).layer(refused);
    assert_eq!(stack.oneshot(Call::new(())).await.expect("the value").into_payload(), 1);
    let slow = service_fn(|_: Call<()>| std::future::pending::<Result<Reply<u32>, PluginError>>());
    let stack = ServiceBuilder::new()
        .layer(FallbackLayer::value(Reply::new(2)))
        .layer(DeadlineLayer::new(SECOND))
        .service(slow);
    assert_eq!(stack.oneshot(Call::new(())).await.expect("the value").into_payload(), 2);
}

#[tokio::test]
async fn a_classifier_lets_the_callers_own_mistakes_pass_and_replaces_failures_and_refusals() {
    let layer = FallbackLayer::value(1).classify(ByErrorType);
    let handle = layer.handle();
    let stack = layer.layer(service_fn(|error: PluginError| async move { Err::<u32, _>(error) }));
    let mistake = stack.clone().oneshot(PluginError::new(Code::InvalidPayload, "not JSON")).await;
    assert_eq!(mistake.expect_err("passes").code(), Code::InvalidPayload);
    assert_eq!(handle.stats().used, 0);
    assert_eq!(stack.clone().oneshot(PluginError::execution("no")).await.expect("a failure"), 1);
    assert_eq!(stack.oneshot(Rejected::circuit_open(None).into()).await.expect("a refusal"), 1);
    assert_eq!(handle.stats().used, 2);
}

#[tokio::test]
async fn a_closure_selects_responses_where_there_are_no_errors() {
    let echo = service_fn(|status: u16| async move { Ok::<_, Infallible>(status) });
    let stack = FallbackLayer::value(200).when(|outcome| outcome.is_ok_and(|status| *status >= 500)).layer(echo);
    assert_eq!(stack.clone().oneshot(404).await, Ok(404));
    assert_eq!(stack.oneshot(503).await, Ok(200));
}

#[cfg(feature = "http")]
#[tokio::test]
async fn over_http_a_fault_and_a_refusal_that_are_responses_are_replaced() {
    use bytes::Bytes;
    use http::{Request, Response, StatusCode};
    use plugin_core::{AsHttpResponse, ByHttpStatus, Reject};

    let page = FallbackLayer::with(|_: Result<Response<Bytes>, Infallible>| Ok(Response::new("later".into())))
        .classify(ByHttpStatus::new());
    let route = service_fn(|request: Request<u16>| async move {
        match request.into_body() {
            0 => Reject::<Response<Bytes>, Infallible>::reject(&AsHttpResponse, Rejected::overloaded()),
            status => {
                let status = StatusCode::from_u16(status).expect("a status");
                Ok(Response::builder().status(status).body(Bytes::from("its own")).expect("valid"))
            }
        }
    });
    let stack = page.layer(route);
    for (request, body) in [(0, "later"), (500, "later"), (404, "its own"), (200, "its own")] {
        let response = stack.clone().oneshot(Request::new(request)).await.expect("infallible");
        assert_eq!(response.body(), body.as_bytes(), "{request}");
    }
}

#[tokio::test]
async fn a_layer_that_is_switched_off_has_the_same_type_and_changes_nothing() {
    let layer = |on: bool| if on { FallbackLayer::value(7) } else { FallbackLayer::disabled() };
    let stack = |on| -> Fallback<_, FallbackValue<u32>> { layer(on).layer(service_fn(fails)) };
    assert_eq!(stack(true).oneshot(Once).await.expect("the value"), 7);
    assert_eq!(stack(false).oneshot(Once).await.expect_err("as it was").code(), Code::ExecutionFailed);
    assert!(!layer(false).is_enabled());
}

/// Whether the guard that a call holds was dropped.
fn held() -> (Arc<()>, impl Fn() -> bool) {
    let guard = Arc::new(());
    let weak = Arc::downgrade(&guard);
    (guard, move || weak.upgrade().is_some())
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_dropped_drops_whichever_call_is_running() {
    for fails_after in [2 * SECOND, Duration::ZERO] {
        let ((first, first_runs), (second, second_runs)) = (held(), held());
        let first = Arc::new(std::sync::Mutex::new(Some(first)));
        let second = Arc::new(std::sync::Mutex::new(Some(second)));
        let take = |from: &Arc<std::sync::Mutex<Option<Arc<()>>>>| from.lock().expect("no panic").take();
        let inner = service_fn(move |()| {
            let guard = take(&first);
            async move {
                tokio::time::sleep(fails_after).await;
                drop(guard);
                Err::<(), _>(PluginError::execution("no"))
            }
        });
        let other = service_fn(move |()| {
            let guard = take(&second);
            async move {
                std::future::pending::<()>().await;
                drop(guard);
                Ok(())
            }
        });
        let mut stack = FallbackLayer::service(other).layer(inner);
        let mut call = task::spawn(stack.call(()));
        drop(stack);
        assert_pending!(call.poll());
        tokio::time::advance(SECOND).await;
        assert_pending!(call.poll());
        assert_eq!(first_runs(), fails_after > SECOND, "the inner call is dropped when it has ended");
        assert!(second_runs());
        drop(call);
        assert!(!first_runs() && !second_runs());
    }
}

#[tokio::test]
async fn a_fallback_that_was_refused_does_not_hide_what_the_call_before_it_had_sent() {
    let of = |sent| async move {
        let first = service_fn(move |_: u32| async move { Err::<u32, _>(PluginError::connection("lost", sent)) });
        let second = service_fn(|_: u32| async { Err::<u32, _>(PluginError::from(Rejected::unhealthy())) });
        let error = FallbackLayer::service(second).layer(first).oneshot(7).await.expect_err("both");
        (error.code(), error.sent())
    };
    assert_eq!(of(Sent::Maybe).await, (Code::Unhealthy, Sent::Maybe));
    assert_eq!(of(Sent::Nothing).await, (Code::Unhealthy, Sent::Nothing), "neither of the two has seen it");
}
