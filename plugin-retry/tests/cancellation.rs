//! Drops every future at every poll point: nothing may be left behind.
#![cfg(not(loom))]

mod common;

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use common::{SECOND, Script, call, config, lost, ms};
use plugin_core::{Call, PluginError, Reply};
use plugin_retry::{BudgetConfig, HedgeConfig, HedgeLayer, RetryLayer};
use tower::{Layer, Service, ServiceExt};

fn no_success_needed() -> BudgetConfig {
    BudgetConfig::new(0.0, 1000, 60).expect("in bounds")
}

/// Attempts that take a while, fail, and in the end succeed.
fn slow_failures() -> Script {
    (0..3).fold(Script::default(), |script, _| script.then_after(ms(20), || Err(lost())))
}

/// Needs 10 ms before each call to become ready.
struct Reluctant {
    inner: Script,
    wait: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Clone for Reluctant {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), wait: None }
    }
}

impl Service<Call<Bytes>> for Reluctant {
    type Response = Reply<Bytes>;
    type Error = PluginError;
    type Future = <Script as Service<Call<Bytes>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        let wait = self.wait.get_or_insert_with(|| Box::pin(tokio::time::sleep(ms(10))));
        wait.as_mut().poll(cx).map(Ok)
    }

    fn call(&mut self, call: Call<Bytes>) -> Self::Future {
        assert!(self.wait.take().is_some_and(|wait| wait.is_elapsed()), "called without having been ready");
        self.inner.call(call)
    }
}

/// Runs what `start` makes and drops it after 0, 1, 2, ... milliseconds, until it ends by itself.
async fn sweep<F: Future>(mut start: impl FnMut() -> F, mut left: impl FnMut(Duration)) {
    for after in 0..10_000 {
        let after = ms(after);
        let ended = tokio::time::timeout(after, start()).await.is_ok();
        left(after);
        if ended {
            return;
        }
    }
    panic!("it never ends");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_dropped_anywhere_leaves_no_attempt_and_spends_what_it_sent_and_no_more() {
    let settings = || config(|set| set.with_budget(no_success_needed()).with_constant_interval(ms(30)));
    for wait_for_readiness in [false, true] {
        let layer = RetryLayer::new(settings());
        let handle = layer.handle();
        let script = std::cell::RefCell::new(Script::default());
        let mut sent = 0;
        sweep(
            || {
                *script.borrow_mut() = slow_failures();
                let script = script.borrow().clone();
                let layer = layer.clone();
                async move {
                    if wait_for_readiness {
                        layer.layer(Reluctant { inner: script, wait: None }).oneshot(call()).await
                    } else {
                        layer.layer(script).oneshot(call()).await
                    }
                }
            },
            |after| {
                let script = script.borrow();
                assert_eq!(script.running(), 0, "dropped after {after:?}");
                sent += script.calls().saturating_sub(1);
                assert_eq!(handle.stats().retries, sent as u64, "dropped after {after:?}");
            },
        )
        .await;
        assert!(sent > 100, "the sweep went through all attempts");
        // The window is longer than the sweep's virtual time that matters, so what is missing is what was sent in it.
        tokio::time::advance(61 * SECOND).await;
        assert_eq!(handle.budget_balance(), Some(60_000));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_gives_its_retry_back() {
    let settings =
        config(|set| set.with_budget(BudgetConfig::new(0.0, 1, 1).expect("in bounds")).with_constant_interval(ms(100)));
    let layer = RetryLayer::new(settings);
    let script = Script::failing_with(lost);
    for _ in 0..10 {
        let waiting = layer.layer(script.clone()).oneshot(call());
        assert!(tokio::time::timeout(ms(1), waiting).await.is_err(), "the budget has its one retry");
    }
    assert_eq!((layer.handle().budget_balance(), layer.handle().stats().retries), (Some(1), 0));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_is_dropped_anywhere_leaves_no_attempt_and_spends_what_it_sent_and_no_more() {
    let settings = HedgeConfig::builder()
        .with_delay(ms(15))
        .with_max(3)
        .with_budget(no_success_needed())
        .build()
        .expect("in bounds");
    let layer = HedgeLayer::new(settings);
    let handle = layer.handle();
    let script = std::cell::RefCell::new(Script::default());
    let mut sent = 0;
    sweep(
        || {
            let slow = (0..4).fold(Script::default(), |script, _| {
                script.then_after(ms(80), || Ok(Reply::new(Bytes::from_static(b"done"))))
            });
            *script.borrow_mut() = slow.clone();
            layer.layer(Reluctant { inner: slow, wait: None }).oneshot(call())
        },
        |after| {
            let script = script.borrow();
            assert_eq!(script.running(), 0, "dropped after {after:?}");
            sent += script.calls().saturating_sub(1);
            assert_eq!(handle.stats().hedges, sent as u64, "dropped after {after:?}");
        },
    )
    .await;
    assert!(sent > 50, "the sweep went through all hedges");
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_never_became_ready_goes_back_to_the_budget() {
    let settings = HedgeConfig::builder()
        .with_delay(ms(15))
        .with_budget(BudgetConfig::new(0.0, 1, 1).expect("in bounds"))
        .build()
        .expect("in bounds");
    let layer = HedgeLayer::new(settings);
    // The answer comes 5 ms after the hedge began to wait for its service.
    let script = Script::default().then_after(ms(20), || Ok(Reply::new(Bytes::new())));
    layer.layer(Reluctant { inner: script.clone(), wait: None }).oneshot(call()).await.expect("an answer");
    assert_eq!((script.calls(), layer.handle().stats().hedges, layer.handle().budget_balance()), (1, 0, Some(1)));
}
