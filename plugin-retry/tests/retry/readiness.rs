//! Each attempt waits until the service is ready, and a service that is not costs the call an attempt or its time.

use plugin_core::{BoxError, Call, PluginError, Sent, Verdict, clock, deadline::DeadlineLayer};
use plugin_retry::{GaveUp, Jitter, RetryLayer};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use super::common::{SECOND, config, lost, ms, refused};

#[tokio::test(start_paused = true)]
async fn each_attempt_is_made_by_a_service_that_was_polled_ready() {
    // The mock panics when it is called without having been polled ready.
    let (mut retry, mut handle) = tower_test::mock::spawn_layer::<Call<u8>, &'static str, _>(
        RetryLayer::new(config(|set| set.with_idempotent(true).with_constant_interval(ms(10)))).classify(
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
