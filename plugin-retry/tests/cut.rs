//! A call whose time is up in its second attempt: what is dropped is judged by the attempt, what was sent by the call.
#![cfg(not(loom))]

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use plugin_core::{
    Call, Jitter, PluginError, Reply, Sent,
    deadline::{
        DeadlineLayer,
        cut::{self, Cut},
    },
};
use plugin_retry::{BudgetConfig, HedgeConfig, HedgeLayer, RetryConfig, RetryLayer};
use tower::{Service, ServiceBuilder, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

/// The first attempt takes three seconds to fail, as `sent` says; another connects for ever.
#[derive(Clone)]
struct Transport {
    sent: Sent,
    heard: Arc<Mutex<Vec<Cut>>>,
}

struct Exchange {
    fails: Option<(Pin<Box<tokio::time::Sleep>>, Sent)>,
    heard: Arc<Mutex<Vec<Cut>>>,
}

impl Service<Call<()>> for Transport {
    type Response = Reply<()>;
    type Error = PluginError;
    type Future = Exchange;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<()>) -> Exchange {
        let first = call.context().attempt() == 0;
        let fails = first.then(|| (Box::pin(tokio::time::sleep(3 * SECOND)), self.sent));
        Exchange { fails, heard: Arc::clone(&self.heard) }
    }
}

impl Future for Exchange {
    type Output = Result<Reply<()>, PluginError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((timer, sent)) = &mut self.fails else { return Poll::Pending };
        timer.as_mut().poll(cx).map(|()| Err(PluginError::connection("lost", *sent)))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(cut) = cut::current() {
            self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(cut);
            cut::report("connecting", Sent::Nothing);
        }
    }
}

/// The error of a call that may take four seconds, and what was heard by what was dropped.
async fn cut_of<L>(layer: L, sent: Sent) -> (PluginError, Vec<Cut>)
where
    L: tower::Layer<Transport>,
    L::Service: Service<Call<()>, Response = Reply<()>, Error = PluginError>,
{
    let transport = Transport { sent, heard: Arc::default() };
    let heard = Arc::clone(&transport.heard);
    let stack = ServiceBuilder::new().layer(DeadlineLayer::new(4 * SECOND)).layer(layer).service(transport);
    let mut call = Call::new(());
    call.context_mut().set_idempotent(true);
    let error = stack.oneshot(call).await.expect_err("it never answers");
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (error, heard)
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_began_late_had_no_time_and_what_was_sent_before_it_counts() {
    for (sent, waits) in [(Sent::Maybe, false), (Sent::Nothing, false), (Sent::Maybe, true), (Sent::Nothing, true)] {
        let wait = if waits { 2 * SECOND } else { Duration::from_nanos(1) };
        let config = RetryConfig::builder()
            .with_max_retries(1)
            .with_jitter(Jitter::None)
            .with_intervals(move |_| wait)
            .build()
            .expect("valid");
        let (error, heard) = cut_of(RetryLayer::new(config), sent).await;
        if !waits {
            assert_eq!(heard.len(), 1);
            assert!(heard[0].ran() <= SECOND && !heard[0].is_evidence(), "{heard:?}");
        }
        assert_eq!(error.sent(), sent, "{error}");
    }
}

/// An attempt that asks, as it is polled, how long it has run under the deadline of its call.
async fn asked_of_its_time(number: u16) -> Result<Reply<Option<Cut>>, PluginError> {
    tokio::time::sleep(SECOND * (3 - u32::from(number))).await;
    if number == 0 {
        return Err(PluginError::connection("lost", Sent::Nothing));
    }
    Ok(Reply::new(cut::elapsed()))
}

#[tokio::test(start_paused = true)]
async fn an_attempt_hears_of_its_own_time_while_it_runs() {
    let config = RetryConfig::builder().with_max_retries(1).with_jitter(Jitter::None).build().expect("valid");
    let service = tower::service_fn(|call: Call<()>| asked_of_its_time(call.context().attempt()));
    let stack =
        ServiceBuilder::new().layer(DeadlineLayer::new(30 * SECOND)).layer(RetryLayer::new(config)).service(service);
    let cut = stack.oneshot(Call::new(())).await.expect("the second answers").into_payload();
    assert_eq!(cut.map(|cut| cut.ran()), Some(2 * SECOND), "the first took three, and the wait is nobody's");
}

#[tokio::test(start_paused = true)]
async fn each_attempt_of_a_race_is_judged_by_its_own_time() {
    let budget = BudgetConfig::new(0.0, 1000, 60).expect("in bounds");
    for sent in [Sent::Maybe, Sent::Nothing] {
        let config =
            HedgeConfig::builder().with_delay(Duration::from_millis(2500)).with_budget(budget).build().expect("valid");
        let (error, heard) = cut_of(HedgeLayer::new(config), sent).await;
        assert_eq!(heard.len(), 1, "the first attempt had failed");
        assert!(!heard[0].is_evidence(), "{heard:?}");
        assert_eq!(error.sent(), sent, "{error}");
    }
}
