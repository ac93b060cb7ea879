//! A second attempt beside a slow one, on a paused clock.
#![cfg(not(loom))]

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use common::{SECOND, Script, call, failed, lost, ms, silent_call};
use plugin_core::{Call, PluginError, Reply, clock, deadline::cut};
use plugin_retry::{BudgetConfig, Hedge, HedgeConfig, HedgeHandle, HedgeLayer};
use tower::{Layer, ServiceExt};

static_assertions::assert_impl_all!(HedgeLayer: Clone, Send, Sync, std::fmt::Debug);
static_assertions::assert_impl_all!(Hedge<Script>: Clone, Send, Sync);

fn answer(text: &'static str) -> impl Fn() -> Result<Reply<Bytes>, PluginError> {
    move || Ok(Reply::new(Bytes::from_static(text.as_bytes())))
}

fn hedged(config: HedgeConfig, script: &Script) -> (Hedge<Script>, HedgeHandle) {
    let layer = HedgeLayer::new(config);
    (layer.layer(script.clone()), layer.handle())
}

fn after_100_ms() -> HedgeConfig {
    HedgeConfig::builder().with_delay(ms(100)).build().expect("in bounds")
}

#[tokio::test(start_paused = true)]
async fn a_slow_attempt_gets_a_second_beside_it_and_the_loser_is_cancelled() {
    let script = Script::default().then_after(10 * SECOND, answer("slow")).then_after(ms(30), answer("fast"));
    let (service, handle) = hedged(after_100_ms(), &script);
    let start = clock::now();
    let reply = service.oneshot(call()).await.expect("an answer");
    assert_eq!((reply.into_payload(), start.elapsed()), (Bytes::from_static(b"fast"), ms(130)));
    assert_eq!((script.calls(), script.running()), (2, 0));
    assert_eq!((handle.stats().hedges, handle.stats().won), (1, 1));
    assert_eq!(script.seen()[1].attempt, 1);
}

/// An attempt that says what it was told when it was dropped.
struct Told(Arc<AtomicBool>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.store(cut::is_superseded(), Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_loser_hears_that_it_is_not_needed_whichever_attempt_it_is_and_one_whose_caller_left_does_not() {
    for (first, hedge, superseded) in [(10_000, 30, true), (120, 10_000, true), (10_000, 10_000, false)] {
        let told = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let heard = told.clone();
        let service = tower::service_fn(move |call: Call<Bytes>| {
            let number = usize::from(call.context().attempt());
            let (told, wait) = (Told(Arc::clone(&told[number])), ms([first, hedge][number]));
            async move {
                tokio::time::sleep(wait).await;
                std::mem::forget(told);
                Ok::<_, PluginError>(Reply::new(Bytes::new()))
            }
        });
        let answer = tokio::time::timeout(SECOND, HedgeLayer::new(after_100_ms()).layer(service).oneshot(call())).await;
        assert_eq!(answer.is_ok(), superseded);
        assert_eq!(heard.iter().any(|told| told.load(Ordering::SeqCst)), superseded, "{first} ms, {hedge} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_answers_in_time_is_alone() {
    let script = Script::default().then_after(ms(99), answer("in time"));
    let (service, handle) = hedged(after_100_ms(), &script);
    service.oneshot(call()).await.expect("an answer");
    assert_eq!((script.calls(), handle.stats().hedges), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_may_still_win() {
    let script = Script::default().then_after(ms(120), answer("first")).then_after(10 * SECOND, answer("hedge"));
    let (service, handle) = hedged(after_100_ms(), &script);
    assert_eq!(service.oneshot(call()).await.expect("an answer").into_payload(), "first");
    assert_eq!((script.running(), handle.stats().hedges, handle.stats().won), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_not_be_repeated_is_never_hedged() {
    let script = Script::default().then_after(SECOND, answer("slow"));
    let (service, handle) = hedged(after_100_ms(), &script);
    service.oneshot(silent_call()).await.expect("an answer");
    assert_eq!((script.calls(), handle.stats().hedges), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_forgotten_while_another_attempt_runs_and_returned_when_none_does() {
    let script = Script::default().then_after(ms(150), || Err(lost())).then_after(ms(200), answer("hedge"));
    let (service, _) = hedged(after_100_ms(), &script);
    assert_eq!(service.oneshot(call()).await.expect("the hedge answers").into_payload(), "hedge");

    let script = Script::default().then_after(ms(150), || Err(lost())).then_after(ms(20), || Err(lost()));
    let (service, _) = hedged(after_100_ms(), &script);
    let start = clock::now();
    service.oneshot(call()).await.expect_err("both fail");
    assert_eq!((start.elapsed(), script.calls()), (ms(150), 2));

    // Before the delay a failure is the answer at once, and so is one that another attempt would meet again.
    let script = Script::default().then_after(ms(50), || Err(lost()));
    let (service, _) = hedged(after_100_ms(), &script);
    service.oneshot(call()).await.expect_err("too early to hedge");
    assert_eq!(script.calls(), 1);
    let script = Script::default().then_after(ms(150), || Err(failed())).then_after(SECOND, answer("hedge"));
    let (service, _) = hedged(after_100_ms(), &script);
    service.oneshot(call()).await.expect_err("the plugin's own error");
    assert_eq!(script.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn there_are_at_most_as_many_hedges_as_allowed_each_after_another_delay() {
    let slow = || Script::default().then_after(SECOND, answer("slow"));
    let script = (0..5).fold(slow(), |script, _| script.then_after(SECOND, answer("slow")));
    let config = HedgeConfig::builder().with_delay(ms(100)).with_max(3).build().expect("in bounds");
    let (service, handle) = hedged(config, &script);
    service.oneshot(call()).await.expect("an answer");
    assert_eq!(script.waits(), [ms(100); 3]);
    assert_eq!(handle.stats().hedges, 3);
}

#[tokio::test(start_paused = true)]
async fn the_next_hedge_waits_for_as_long_as_the_service_asks_and_at_least_its_delay() {
    // The first hedge begins after 100 ms, and pushes back 50 ms later.
    for (asked, waited) in [(ms(500), ms(550)), (ms(10), ms(150))] {
        let busy = move || Err(lost().with_retry_after(asked));
        let script = Script::default().then_after(10 * SECOND, answer("slow")).then_after(ms(50), busy);
        let (service, _) =
            hedged(HedgeConfig::builder().with_delay(ms(100)).with_max(3).build().expect("in bounds"), &script);
        service.oneshot(call()).await.expect("an answer");
        assert_eq!(script.waits(), [ms(100), waited], "asked for {asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn hedges_are_paid_from_a_budget() {
    let config = HedgeConfig::builder()
        .with_delay(ms(100))
        .with_budget(BudgetConfig::new(0.5, 0, 60).expect("in bounds"))
        .build()
        .expect("in bounds");
    let layer = HedgeLayer::new(config);
    for _ in 0..4 {
        layer.layer(Script::default()).oneshot(call()).await.expect("an answer");
    }
    assert_eq!(layer.handle().budget_balance(), Some(2));
    for _ in 0..5 {
        let script = Script::default().then_after(10 * SECOND, || Err(lost())).then_after(SECOND, || Err(lost()));
        let hedging = layer.layer(script).oneshot(call());
        assert!(tokio::time::timeout(ms(200), hedging).await.is_err(), "both attempts take longer");
    }
    let stats = layer.handle().stats();
    assert_eq!((stats.hedges, stats.refused), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_failure_pays_for_no_hedge_and_one_that_ends_the_race_so_has_not_won() {
    let paid = |ratio| {
        HedgeConfig::builder().with_delay(ms(100)).with_budget(BudgetConfig::new(ratio, 1, 10).expect("in bounds"))
    };
    let layer = HedgeLayer::new(paid(1.0).build().expect("in bounds"));
    let failing = Script::default().then_after(ms(150), || Err(lost())).then_after(ms(200), || Err(lost()));
    layer.layer(failing).oneshot(call()).await.expect_err("both fail");
    assert_eq!((layer.handle().stats().hedges, layer.handle().stats().won), (1, 0));
    assert_eq!(layer.handle().budget_balance(), Some(9), "ten, and one hedge was made");
    layer.layer(Script::default()).oneshot(call()).await.expect("an answer");
    assert_eq!(layer.handle().budget_balance(), Some(10));
    let refused = HedgeLayer::new(paid(1.0).build().expect("in bounds"))
        .classify(|_: Result<&Reply<Bytes>, &PluginError>| plugin_core::Verdict::Failure);
    refused.layer(Script::default()).oneshot(call()).await.expect("an answer, which is judged a failure");
    assert_eq!(refused.handle().budget_balance(), Some(10));
    let other =
        HedgeConfig::builder().with_delay(ms(100)).with_budget(BudgetConfig::new(0.0, 2, 10).expect("in bounds"));
    layer.handle().reconfigure(other.build().expect("in bounds"));
    assert_eq!(layer.handle().budget_balance(), Some(19));
}

#[tokio::test(start_paused = true)]
async fn without_a_budget_every_slow_call_is_hedged() {
    let config = HedgeConfig::builder().with_delay(ms(100)).without_budget().build().expect("in bounds");
    let layer = HedgeLayer::new(config);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let script = Script::default().then_after(SECOND, answer("slow")).then(answer("hedge"));
        calls.spawn(layer.layer(script).oneshot(call()));
    }
    for answered in calls.join_all().await {
        assert_eq!(answered.expect("an answer").into_payload(), "hedge");
    }
    assert_eq!((layer.handle().stats().hedges, layer.handle().stats().won), (300, 300));
}

#[tokio::test(start_paused = true)]
async fn no_hedge_starts_that_cannot_finish() {
    let script = Script::default().then_after(SECOND, answer("slow"));
    let (service, handle) = hedged(after_100_ms(), &script);
    service.oneshot(call().with_timeout(ms(100))).await.expect("nobody enforces the deadline here");
    assert_eq!((script.calls(), handle.stats().hedges), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_delay_can_be_a_percentile_of_what_was_measured() {
    let config = HedgeConfig::builder().with_percentile(90.0).without_budget().build().expect("in bounds");
    let layer = HedgeLayer::new(config);
    for n in 0..100 {
        assert_eq!(layer.handle().delay(), None);
        let took = if n < 90 { 10 } else { 50 };
        let script = Script::default().then_after(ms(took), answer("measured"));
        layer.layer(script.clone()).oneshot(call()).await.expect("an answer");
        assert_eq!(script.calls(), 1, "there is nothing to go by yet");
    }
    tokio::time::advance(SECOND).await;
    let delay = layer.handle().delay().expect("a hundred calls");
    assert!((10..=12).contains(&delay.as_millis()), "{delay:?}");
    let script = Script::default().then_after(SECOND, answer("slow")).then(answer("hedge"));
    assert_eq!(layer.layer(script).oneshot(call()).await.expect("an answer").into_payload(), "hedge");
}

#[tokio::test(start_paused = true)]
async fn a_percentile_is_not_of_calls_that_are_never_hedged() {
    let config = HedgeConfig::builder().with_percentile(50.0).without_budget().build().expect("in bounds");
    let layer = HedgeLayer::new(config);
    for n in 0..400 {
        let is_hedged = n % 4 == 0;
        let script = Script::default().then_after(if is_hedged { ms(10) } else { ms(1) }, answer("measured"));
        let call = if is_hedged { call() } else { silent_call() };
        layer.layer(script).oneshot(call).await.expect("an answer");
    }
    tokio::time::advance(SECOND).await;
    let delay = layer.handle().delay().expect("a hundred calls");
    assert!((10..=12).contains(&delay.as_millis()), "{delay:?}");
}

#[tokio::test(start_paused = true)]
async fn a_disabled_layer_passes_through_and_a_live_change_counts_for_the_next_call() {
    let layer = HedgeLayer::disabled();
    let handle = layer.handle();
    let slow = || Script::default().then_after(SECOND, answer("slow")).then(answer("hedge"));
    let ask = async |script: Script| layer.layer(script).oneshot(call()).await.expect("an answer").into_payload();
    handle.reconfigure(after_100_ms());
    assert_eq!(ask(slow()).await, "slow");
    handle.enable();
    assert!(handle.is_enabled());
    assert_eq!(ask(slow()).await, "hedge");
    handle.disable();
    assert_eq!(ask(slow()).await, "slow");
}

fn open() -> Result<Reply<Bytes>, PluginError> {
    Err(plugin_core::Rejected::circuit_open(None).into())
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_no_race_in_which_another_attempt_runs() {
    for slow_first in [true, false] {
        let script = match slow_first {
            true => Script::default().then_after(ms(300), answer("slow")).then(open),
            false => Script::default().then_after(ms(150), open).then_after(ms(200), answer("slow")),
        };
        let (service, _) = hedged(after_100_ms(), &script);
        assert_eq!(service.oneshot(call()).await.expect("the other one answers").into_payload(), "slow");
        assert_eq!(script.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_race_that_a_refusal_ends_says_what_another_attempt_had_sent_and_why_it_failed() {
    let script = Script::default().then_after(ms(150), || Err(lost())).then_after(ms(100), open);
    let (service, _) = hedged(after_100_ms(), &script);
    let error = service.oneshot(call()).await.expect_err("lost, and refused");
    assert_eq!((script.calls(), error.sent(), error.message()), (2, plugin_core::Sent::Maybe, lost().message()));
}

#[tokio::test(start_paused = true)]
async fn a_mistake_that_ends_a_race_before_it_was_sent_does_not_hide_the_attempt_that_runs() {
    let mistake = || Err(PluginError::not_found("nobody"));
    let script = Script::default().then_after(SECOND, answer("slow")).then(mistake);
    let (service, _) = hedged(after_100_ms(), &script);
    let error = service.oneshot(call()).await.expect_err("a name that nobody has");
    assert_eq!((error.code(), error.sent()), (plugin_core::Code::NotFound, plugin_core::Sent::Maybe));
}
