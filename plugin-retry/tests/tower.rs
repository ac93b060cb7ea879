//! The decisions under tower's own retry layer.
#![cfg(all(not(loom), feature = "tower"))]

mod common;

use common::{Script, call, config, lost, ms, silent_call};
use plugin_retry::{Budget, BudgetConfig, GaveUp, RetryConfig, TowerPolicy};
use tower::{Layer, ServiceExt};

#[tokio::test(start_paused = true)]
async fn towers_retry_layer_makes_the_same_attempts() {
    let policy = TowerPolicy::new(RetryConfig::default());
    let handle = policy.handle();
    let layer = tower::retry::RetryLayer::new(policy);
    let script = Script::failing_with(lost);
    layer.layer(script.clone()).oneshot(call()).await.expect_err("never succeeds");
    assert_eq!(script.seen().iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [0, 1, 2, 3]);
    for (wait, middle) in script.waits().into_iter().zip([100, 200, 400]) {
        assert!((middle * 9 / 10..=middle * 11 / 10 + 1).contains(&wait.as_millis()), "{wait:?}");
    }
    // A second call begins anew.
    let once = Script::default().then(|| Err(lost()));
    layer.layer(once.clone()).oneshot(call()).await.expect("recovers");
    layer.layer(Script::failing_with(lost)).oneshot(silent_call()).await.expect_err("it may have been sent");
    let stats = handle.stats();
    assert_eq!((stats.retries, stats.recovered), (4, 1));
    assert_eq!((stats.gave_up(GaveUp::Attempts), stats.gave_up(GaveUp::NotIdempotent)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn under_tower_too_no_attempt_starts_that_cannot_finish() {
    let policy = TowerPolicy::new(config(|set| set.with_constant_interval(ms(100))));
    let script = Script::failing_with(lost);
    let layer = tower::retry::RetryLayer::new(policy);
    layer.layer(script.clone()).oneshot(call().with_timeout(ms(150))).await.expect_err("never succeeds");
    assert_eq!(script.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_one_of_towers() {
    let budget: Box<dyn tower::retry::budget::Budget> =
        Box::new(Budget::new(BudgetConfig::new(0.5, 0, 10).expect("in bounds")));
    assert!(!budget.withdraw());
    (0..4).for_each(|_| budget.deposit());
    assert_eq!([budget.withdraw(), budget.withdraw(), budget.withdraw()], [true, true, false]);
}
