//! The deadline and the attempt's limit, on a paused clock, over services that answer late or never.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_core::{
    ByErrorType, Call, Classify, Code, Plugin, PluginError, Reply, Verdict, clock,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// Counts the calls that are running, and notices when one is dropped.
#[derive(Clone, Default)]
struct Running(Arc<AtomicUsize>);

struct Guard(Running);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Running {
    fn enter(&self) -> Guard {
        self.0.fetch_add(1, Ordering::SeqCst);
        Guard(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn answers_after(wait: Duration, running: &Running) -> impl Plugin<(), ()> + use<> {
    let running = running.clone();
    service_fn(move |_: Call<()>| {
        let guard = running.enter();
        async move {
            let _guard = guard;
            tokio::time::sleep(wait).await;
            Ok::<_, PluginError>(Reply::new(()))
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_deadline_and_the_error_says_how_long_and_where() {
    let running = Running::default();
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(SECOND))
        .layer(AttemptTimeoutLayer::new(10 * SECOND))
        .service(answers_after(60 * SECOND, &running));
    let start = clock::now();
    let error = stack.oneshot(Call::new(())).await.expect_err("too slow");
    assert_eq!(start.elapsed().as_millis(), 1000);
    assert_eq!((error.code(), error.is_retryable()), (Code::Timeout, false));
    assert!(error.message().contains("1s were given"), "{error}");
    assert!(error.message().contains("waiting for the answer"), "{error}");
    assert_eq!(running.count(), 0, "the work was stopped");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_the_caller_brings_is_never_extended() {
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(30 * SECOND))
        .service(answers_after(60 * SECOND, &Running::default()));
    let start = clock::now();
    let call = Call::new(()).with_timeout(2 * SECOND);
    assert_eq!(stack.clone().oneshot(call).await.expect_err("too slow").code(), Code::Timeout);
    assert_eq!(start.elapsed().as_secs(), 2);
    let call = Call::new(()).with_timeout(90 * SECOND);
    assert_eq!(stack.oneshot(call).await.expect_err("too slow").code(), Code::Timeout);
    assert_eq!(start.elapsed().as_secs(), 32);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_has_passed_does_not_reach_the_plugin() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let plugin = service_fn(move |_: Call<()>| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, PluginError>(Reply::new(())) }
    });
    let stack = ServiceBuilder::new().layer(DeadlineLayer::enforce_only()).service(plugin);
    let call = Call::new(()).with_timeout(Duration::ZERO);
    assert_eq!(stack.oneshot(call).await.expect_err("passed").code(), Code::Timeout);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_cut_at_its_own_limit_may_be_repeated_and_is_evidence() {
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(60 * SECOND))
        .layer(AttemptTimeoutLayer::new(SECOND))
        .service(answers_after(60 * SECOND, &Running::default()));
    let start = clock::now();
    let error = stack.oneshot(Call::new(())).await.expect_err("too slow");
    assert_eq!(start.elapsed().as_secs(), 1);
    assert!(error.is_retryable());
    assert_eq!(ByErrorType.classify(Err::<&(), _>(&error)).verdict(), Verdict::Failure);
}

#[tokio::test(start_paused = true)]
async fn a_caller_in_a_hurry_is_no_evidence_and_a_hung_plugin_is() {
    let attempt = |limit| {
        ServiceBuilder::new()
            .layer(AttemptTimeoutLayer::new(limit))
            .service(answers_after(600 * SECOND, &Running::default()))
    };
    let judge = |error: PluginError| ByErrorType.classify(Err::<&(), _>(&error)).verdict();
    let hurry = attempt(30 * SECOND).oneshot(Call::new(()).with_timeout(SECOND)).await.expect_err("cut");
    assert_eq!(judge(hurry), Verdict::Ignored);
    let hung = attempt(30 * SECOND).oneshot(Call::new(()).with_timeout(30 * SECOND)).await.expect_err("cut");
    assert_eq!(judge(hung), Verdict::Failure);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_ready_at_once_needs_no_timer_and_no_runtime() {
    let running = Running::default();
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(SECOND))
        .layer(AttemptTimeoutLayer::new(SECOND))
        .service(service_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) }));
    // A plain thread has no timer to arm.
    let reply = std::thread::spawn(move || tokio_test::block_on(stack.oneshot(Call::new(7)))).join();
    assert_eq!(reply.expect("no panic").expect("ready").into_payload(), 7);
    assert_eq!(running.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_live_change_counts_for_the_next_call() {
    let layer = DeadlineLayer::new(SECOND);
    let handle = layer.handle();
    let stack = layer_over(&layer, answers_after(5 * SECOND, &Running::default()));
    assert!(stack.clone().oneshot(Call::new(())).await.is_err());
    handle.reconfigure(Some(9 * SECOND));
    assert!(stack.clone().oneshot(Call::new(())).await.is_ok());
    handle.reconfigure(None);
    assert_eq!(handle.config(), None);
    assert!(stack.oneshot(Call::new(())).await.is_ok());
}

fn layer_over<P: Plugin<(), ()>>(layer: &DeadlineLayer, plugin: P) -> impl Plugin<(), ()> + use<P> {
    tower::Layer::layer(layer, plugin)
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn an_http_request_keeps_the_limit_of_its_header_and_passes_it_on() {
    use std::convert::Infallible;

    use http::{Request, Response};
    use plugin_core::AsHttpResponse;

    let seen = service_fn(|request: Request<()>| async move {
        tokio::time::sleep(request.headers().get("x-slow").map_or(Duration::ZERO, |_| 60 * SECOND)).await;
        let timeout = request.headers()["x-request-timeout"].to_str().expect("text").to_owned();
        Ok::<_, Infallible>(Response::new(bytes::Bytes::from(timeout)))
    });
    let stack = ServiceBuilder::new().layer(DeadlineLayer::new(30 * SECOND).reject_with(AsHttpResponse)).service(seen);
    let fast = Request::builder().header("x-request-timeout", "1m30s").body(()).expect("valid");
    assert_eq!(stack.clone().oneshot(fast).await.expect("infallible").into_body(), "30s");
    let fast = Request::builder().header("x-request-timeout", "250ms").body(()).expect("valid");
    assert_eq!(stack.clone().oneshot(fast).await.expect("infallible").into_body(), "250ms");
    let slow = Request::builder().header("x-slow", "1").body(()).expect("valid");
    assert_eq!(stack.oneshot(slow).await.expect("infallible").status(), 504);
}

#[tokio::test(start_paused = true)]
async fn a_layer_without_a_limit_still_enforces_the_deadline_that_a_call_brings() {
    let running = Running::default();
    let stack =
        ServiceBuilder::new().layer(AttemptTimeoutLayer::disabled()).service(answers_after(60 * SECOND, &running));
    let mut call = Call::new(());
    let deadline = clock::now().saturating_add(SECOND);
    call.context_mut().limit_deadline(deadline);
    let ended = tokio::time::timeout(2 * SECOND, stack.oneshot(call)).await.expect("it ends at the deadline");
    assert_eq!(ended.expect_err("nothing answers in time").code(), Code::Timeout);
    assert_eq!((clock::now(), running.count()), (deadline, 0));
}
