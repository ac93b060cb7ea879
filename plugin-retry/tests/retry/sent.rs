//! What a call that fails says of what was sent: the most that any of its attempts has.

use bytes::Bytes;
use plugin_core::{Call, Code, PluginError, Rejected, Reply, Sent};
use plugin_retry::{RetryConfig, RetryLayer};
use tower::{Layer, Service, ServiceExt};

use super::{
    common::{SECOND, Script, call, config, failed, lost, refused},
    over,
};

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
    let named = config(|set| set.with_retry_on(vec!["PLUGIN".parse().expect("a condition")]));
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
