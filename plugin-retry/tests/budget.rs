//! What retries may cost: the budget against a naive model, and the layer that spends it.
#![cfg(not(loom))]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use common::{SECOND, Script, call, config, lost, ms};
use plugin_core::{
    Call, Judgement, PluginError, Rejected, Reply, Sent,
    classify::{Again, PushBack},
    clock::Instant,
};
use plugin_retry::{Budget, BudgetConfig, GaveUp, RetryLayer, ThrottleConfig, Withdrawal};
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt};

fn budget(ratio: f64, min_per_second: u32, window: u32) -> BudgetConfig {
    BudgetConfig::new(ratio, min_per_second, window).expect("in bounds")
}

fn at(second: u64) -> Instant {
    Instant::from_nanos(second * 1_000_000_000)
}

#[test]
fn budget_that_allows_1000_of_1000_at_0_6() {
    let budget = Budget::new(budget(0.6, 0, 10));
    (0..1000).for_each(|_| budget.deposit(at(100)));
    assert_eq!((0..1000).filter(|_| budget.withdraw(at(100)).is_some()).count(), 600);
    assert_eq!(budget.balance(at(100)), 0);
}

#[test]
fn every_ratio_in_thousandths_is_exact() {
    for thousandths in 0..=1000_u32 {
        let budget = Budget::new(budget(f64::from(thousandths) / 1000.0, 0, 1));
        (0..1000).for_each(|_| budget.deposit(at(7)));
        assert_eq!(budget.balance(at(7)), u64::from(thousandths));
    }
}

#[test]
fn the_minimum_is_there_without_any_success_and_comes_back_with_time() {
    let budget = Budget::new(budget(0.0, 3, 10));
    assert_eq!((0..100).filter(|_| budget.withdraw(at(50)).is_some()).count(), 30);
    assert!(budget.withdraw(at(59)).is_none(), "the second 50 is still in the window");
    assert!(budget.withdraw(at(60)).is_some(), "and now it is not");
}

#[test]
fn who_asks_with_an_older_clock_is_booked_under_the_present_second() {
    let one = Budget::new(budget(0.0, 1, 1));
    let first = one.withdraw(at(7)).expect("one a second");
    one.give_back(first);
    let late = one.withdraw(at(5)).expect("it was given back");
    assert!(one.withdraw(at(7)).is_none());
    one.give_back(late);
    assert!(one.withdraw(at(7)).is_some(), "what is given back is of this second");

    let shared = Budget::new(budget(1.0, 0, 1));
    shared.deposit(at(7));
    assert!(shared.withdraw(at(5)).is_none(), "nothing had succeeded by then");
    assert!(shared.withdraw(at(7)).is_some());
    shared.deposit(at(7));
    assert!(shared.withdraw(at(5)).is_some(), "in the present second two had");
}

#[test]
fn a_success_that_is_long_over_is_in_no_later_second() {
    let budget = Budget::new(budget(1.0, 0, 60));
    budget.deposit(at(100));
    budget.deposit(at(100 - 64));
    assert_eq!(budget.balance(at(100)), 1);
}

#[test]
fn a_ratio_is_kept_as_it_was_given() {
    for thousandths in 0..=1000_u32 {
        let ratio = f64::from(thousandths) / 1000.0;
        assert_eq!(budget(ratio, 0, 1).ratio(), ratio);
        if thousandths > 0 {
            assert_eq!(ThrottleConfig::new(10, ratio).expect("in bounds").token_ratio(), ratio);
        }
    }
    // Those that are a little less, or more, in binary.
    for ratio in [0.000_249, 0.000_489, 0.000_123, 0.000_246] {
        assert_eq!(budget(ratio, 0, 1).ratio(), ratio);
    }
    for ratio in [1.001, 1.003, 1.005] {
        assert_eq!(ThrottleConfig::new(10, ratio).expect("in bounds").token_ratio(), ratio);
    }
    assert_eq!(ThrottleConfig::new(10, 0.1999).expect("in bounds").token_ratio(), 0.199);
}

#[test]
fn two_threads_never_spend_more_than_there_is_and_leave_nothing() {
    let budget = Arc::new(Budget::new(budget(0.5, 0, 60)));
    let spent: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let budget = &budget;
                scope.spawn(move || {
                    // The clock of each thread stands at the edge of a second at another moment.
                    (0..1000_u64)
                        .filter(|n| {
                            budget.deposit(at(100 + n / 300));
                            budget.withdraw(at(100 + n / 300)).is_some()
                        })
                        .count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    let left = (0..4000).filter(|_| budget.withdraw(at(103)).is_some()).count();
    assert_eq!(spent + left, 2000);
}

#[test]
fn a_budget_that_is_reconfigured_goes_by_its_new_settings_and_keeps_what_it_counted() {
    let shared = Arc::new(Budget::new(budget(0.5, 0, 10)));
    (0..100).for_each(|_| shared.deposit(at(100)));
    (0..20).for_each(|_| assert!(shared.withdraw(at(100)).is_some()));
    assert_eq!(shared.balance(at(100)), 30);
    for (ratio, min, window, left) in [(1.0, 0, 10, 80), (0.1, 0, 10, 0), (0.0, 3, 10, 10), (0.5, 0, 1, 30)] {
        shared.reconfigure(budget(ratio, min, window));
        assert_eq!(shared.balance(at(100)), left, "{ratio}, {min}, {window}");
    }
    assert_eq!(shared.balance(at(101)), 0, "the window is a second now");

    let layer = RetryLayer::sharing(config(|set| set), &shared);
    layer.handle().reconfigure(config(|set| set.with_budget(budget(0.0, 7, 10))));
    assert_eq!(shared.balance(at(200)), 70);
}

/// The same rules, written down as lists.
#[derive(Default)]
struct Naive {
    successes: Vec<u64>,
    spent: Vec<u64>,
}

impl Naive {
    fn balance(&self, second: u64, config: BudgetConfig) -> u64 {
        let first = second.saturating_sub(u64::from(config.window()) - 1);
        let within = |list: &[u64]| list.iter().filter(|then| (first..=second).contains(*then)).count() as u64;
        let share = (within(&self.successes) as f64 * config.ratio() + 1e-9).floor() as u64;
        (share + u64::from(config.min_per_second() * config.window())).saturating_sub(within(&self.spent))
    }

    fn forget_before(&mut self, second: u64) {
        self.successes.retain(|then| *then >= second);
        self.spent.retain(|then| *then >= second);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u64),
    Succeed,
    Spend,
    GiveBack,
}

fn steps(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (0_u64..3).prop_map(Step::Pass),
        1 => (0_u64..100).prop_map(Step::Pass),
        20 => Just(Step::Succeed),
        20 => Just(Step::Spend),
        3 => Just(Step::GiveBack),
    ];
    proptest::collection::vec(step, count)
}

/// Runs both side by side and compares after every step.
fn agree(config: BudgetConfig, start: u64, steps: &[Step]) -> Result<(), TestCaseError> {
    let (budget, mut naive) = (Budget::new(config), Naive::default());
    let mut taken: Vec<(u64, Withdrawal)> = Vec::new();
    let mut second = start;
    for step in steps {
        match step {
            Step::Pass(seconds) => {
                second += seconds;
                naive.forget_before(second.saturating_sub(120));
                taken.retain(|(then, _)| *then + 60 > second);
            }
            Step::Succeed => {
                budget.deposit(at(second));
                naive.successes.push(second);
            }
            Step::Spend => {
                let allowed = naive.balance(second, config) > 0;
                let withdrawal = budget.withdraw(at(second));
                prop_assert_eq!(withdrawal.is_some(), allowed, "at {}", second);
                if let Some(withdrawal) = withdrawal {
                    naive.spent.push(second);
                    taken.push((second, withdrawal));
                }
            }
            Step::GiveBack => {
                if let Some((then, withdrawal)) = taken.pop() {
                    budget.give_back(withdrawal);
                    let index = naive.spent.iter().position(|spent| *spent == then);
                    naive.spent.swap_remove(index.expect("it was spent"));
                }
            }
        }
        prop_assert_eq!(budget.balance(at(second)), naive.balance(second, config), "at {}", second);
    }
    Ok(())
}

fn configs() -> impl Strategy<Value = BudgetConfig> {
    (0_u32..=2000, 0_u32..3, 1_u32..=60).prop_map(|(ratio, min, window)| budget(f64::from(ratio) / 1000.0, min, window))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_budget_agrees_with_lists_of_what_happened(
        config in configs(), start in 0_u64..5000, steps in steps(0..300),
    ) {
        agree(config, start, &steps)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    #[ignore = "soak: a million steps"]
    fn soak_the_budget_agrees_with_lists_of_what_happened(
        config in configs(), start in 0_u64..5000, steps in steps(1000..1001),
    ) {
        agree(config, start, &steps)?;
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_met_with_the_share_of_the_budget_and_no_more() {
    let settings = config(|set| set.with_budget(budget(0.2, 0, 60)).with_constant_interval(ms(1)));
    let layer = RetryLayer::new(settings);
    for _ in 0..100 {
        layer.layer(Script::default()).oneshot(call()).await.expect("all is well");
    }
    let outage = Script::failing_with(lost);
    for _ in 0..100 {
        layer.layer(outage.clone()).oneshot(call()).await.expect_err("an outage");
    }
    assert_eq!(outage.calls(), 120);
    let stats = layer.handle().stats();
    assert_eq!((stats.retries, layer.handle().budget_balance()), (20, Some(0)));
    assert!(stats.gave_up(GaveUp::Budget) >= 90, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn layers_can_spend_from_one_budget() {
    let shared = Arc::new(Budget::new(budget(0.0, 1, 1)));
    let both = [0, 1].map(|_| RetryLayer::sharing(config(|set| set), &shared));
    let mut calls = 0;
    for layer in both {
        let script = Script::failing_with(lost);
        layer.layer(script.clone()).oneshot(call()).await.expect_err("an outage");
        calls += script.calls();
    }
    // Two first attempts, and one retry for the second that they share; the clock may have moved on to the next one.
    assert!((3..=4).contains(&calls), "{calls}");
}

#[tokio::test(start_paused = true)]
async fn a_throttle_stops_retries_while_failures_outweigh_successes() {
    let throttle = ThrottleConfig::new(4, 0.5).expect("in bounds");
    let layer = RetryLayer::new(config(|set| set.with_throttle(throttle).with_max_retries(1)));
    assert_eq!((layer.handle().throttle_tokens(), layer.handle().budget_balance()), (Some(4.0), None));
    let outage = Script::failing_with(lost);
    for _ in 0..3 {
        layer.layer(outage.clone()).oneshot(call()).await.expect_err("an outage");
    }
    // One failure leaves 3 of 4 and a retry; it fails and leaves 2, which is not more than half.
    assert_eq!((outage.calls(), layer.handle().throttle_tokens()), (4, Some(0.0)));
    for _ in 0..7 {
        layer.layer(Script::default()).oneshot(call()).await.expect("all is well");
    }
    let once = Script::default().then(|| Err(lost()));
    layer.layer(once.clone()).oneshot(call()).await.expect("3.5 - 1 is more than half");
    assert_eq!(once.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_half_open_circuit_refuses_uses_nothing_up_that_failures_after_it_need() {
    let refused = || PluginError::from(Rejected::probes_running(ms(100)));
    let spending = [
        config(|set| set.with_budget(budget(1.0, 1, 1)).with_max_retries(3)),
        config(|set| set.with_throttle(ThrottleConfig::new(4, 0.5).expect("in bounds")).with_max_retries(3)),
    ];
    for config in spending {
        let layer = RetryLayer::new(config);
        let half_open = Script::failing_with(refused);
        for _ in 0..20 {
            layer.layer(half_open.clone()).oneshot(call()).await.expect_err("its probes run");
        }
        assert_eq!(half_open.calls(), 80, "{:?}", layer.handle().stats());
        let once = Script::default().then(|| Err(lost()));
        layer.layer(once.clone()).oneshot(call()).await.expect("there is one for it");
        assert_eq!(once.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_costs_the_budget_and_is_no_answer_of_the_service_to_the_throttle() {
    let full = || PluginError::from(Rejected::overloaded());
    let budgeted = RetryLayer::new(config(|set| set.with_budget(budget(1.0, 1, 1)).with_max_retries(3)));
    let script = Script::failing_with(full);
    budgeted.layer(script.clone()).oneshot(call()).await.expect_err("it is full");
    assert!(script.calls() < 4, "{}", script.calls());
    let throttle = ThrottleConfig::new(4, 0.5).expect("in bounds");
    let throttled = RetryLayer::new(config(|set| set.with_throttle(throttle).with_max_retries(3)));
    throttled.layer(Script::failing_with(full)).oneshot(call()).await.expect_err("it is full");
    assert_eq!(throttled.handle().throttle_tokens(), Some(4.0));
}

#[tokio::test(start_paused = true)]
async fn a_success_counts_when_it_comes_and_not_when_its_call_came() {
    let layer = RetryLayer::new(config(|set| set.with_budget(budget(1.0, 0, 10))));
    let slow = Script::default().then_after(60 * SECOND, || Ok(plugin_core::Reply::new(bytes::Bytes::new())));
    layer.layer(slow).oneshot(call()).await.expect("all is well");
    assert_eq!(layer.handle().budget_balance(), Some(1));
    tokio::time::advance(11 * SECOND).await;
    assert_eq!(layer.handle().budget_balance(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_success_of_a_later_attempt_counts_when_it_comes() {
    let settings = config(|set| set.with_budget(budget(1.0, 1, 10)).with_constant_interval(60 * SECOND));
    let layer = RetryLayer::new(settings);
    let once = Script::default().then(|| Err(lost()));
    layer.layer(once).oneshot(call()).await.expect("recovers");
    assert_eq!(layer.handle().budget_balance(), Some(11), "ten of the seconds, and one of the success");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_made_again_after_all_costs_nothing() {
    let layer = RetryLayer::new(config(|set| set.with_budget(budget(0.0, 5, 10))));
    let copies = Arc::<AtomicU32>::default();
    // It is kept, and then not copied.
    let retry = layer
        .clone()
        .replay_with(move |call: &Call<Bytes>| (copies.fetch_add(1, Ordering::SeqCst) == 0).then(|| call.clone()));
    let script = Script::failing_with(lost);
    retry.layer(script.clone()).oneshot(call()).await.expect_err("there is no second attempt");
    assert_eq!((script.calls(), layer.handle().stats().gave_up(GaveUp::NotKept)), (1, 1));
    assert_eq!(layer.handle().budget_balance(), Some(50));
}

/// Is ready once, and then lost.
#[derive(Clone)]
struct Once(Arc<AtomicU32>);

impl Service<Call<Bytes>> for Once {
    type Response = Reply<Bytes>;
    type Error = PluginError;
    type Future = std::future::Ready<Result<Reply<Bytes>, PluginError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        let polls = self.0.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(if polls == 0 { Ok(()) } else { Err(lost()) })
    }

    fn call(&mut self, _: Call<Bytes>) -> Self::Future {
        std::future::ready(Err(lost()))
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_the_service_was_not_ready_for_costs_nothing() {
    let settings = config(|set| set.with_budget(budget(0.0, 5, 10)).with_constant_interval(ms(1)));
    let layer = RetryLayer::new(settings);
    let polls = Arc::<AtomicU32>::default();
    layer.layer(Once(polls.clone())).oneshot(call()).await.expect_err("never ready again");
    assert_eq!(polls.load(Ordering::SeqCst), 4);
    assert_eq!((layer.handle().stats().retries, layer.handle().budget_balance()), (0, Some(50)));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_what_was_sent_costs_as_much_as_any_failure() {
    // It comes from behind another hop, whose circuit has not kept the call from whoever stands there.
    let far = || PluginError::from(Rejected::probes_running(ms(1)).with_sent(Sent::Maybe));
    let budgeted = RetryLayer::new(config(|set| set.with_budget(budget(0.0, 1, 1)).with_constant_interval(ms(1))));
    let script = Script::failing_with(far);
    budgeted.layer(script.clone()).oneshot(call()).await.expect_err("it is refused");
    assert_eq!((script.calls(), budgeted.handle().budget_balance()), (2, Some(0)));
    let throttle = ThrottleConfig::new(4, 0.5).expect("in bounds");
    let throttled = RetryLayer::new(config(|set| set.with_throttle(throttle).with_max_retries(1)));
    throttled.layer(Script::failing_with(far)).oneshot(call()).await.expect_err("it is refused");
    assert_eq!(throttled.handle().throttle_tokens(), Some(2.0));
}

#[tokio::test(start_paused = true)]
async fn other_settings_of_a_throttle_keep_the_tokens_that_are_there() {
    let throttle = |max| ThrottleConfig::new(max, 0.1).expect("in bounds");
    let script = Script::failing_with(lost);
    let layer = RetryLayer::new(config(|set| set.with_throttle(throttle(10)).with_max_retries(1)));
    layer.layer(script).oneshot(call()).await.expect_err("as it was told");
    let handle = layer.handle();
    assert_eq!(handle.throttle_tokens(), Some(8.0));
    for (max, tokens) in [(20, 8.0), (5, 5.0), (10, 5.0)] {
        handle.reconfigure(config(|set| set.with_throttle(throttle(max))));
        assert_eq!(handle.throttle_tokens(), Some(tokens), "of {max}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_tried_again_costs_a_token_where_the_server_forbids_it_and_else_none() {
    let forbids = Judgement::failure().with_again(Again::No).with_push_back(PushBack::Never);
    for (judged, tokens) in [(Judgement::failure().with_again(Again::No), 10.0), (forbids, 9.0)] {
        let throttle = ThrottleConfig::new(10, 0.1).expect("in bounds");
        let layer = RetryLayer::new(config(|set| set.with_throttle(throttle)))
            .classify(move |_: Result<&Reply<Bytes>, &PluginError>| judged);
        let script = Script::failing_with(lost);
        layer.layer(script.clone()).oneshot(call()).await.expect_err("as it was told");
        assert_eq!((script.calls(), layer.handle().throttle_tokens()), (1, Some(tokens)));
    }
}
