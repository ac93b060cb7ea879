//! One that joins others, or comes back, has its share little by little; on a paused clock.

use std::{sync::Arc, time::Duration};

use plugin_core::{HealthCell, HealthState, HealthStatus};
use plugin_lb::{Balance, BalanceConfig, BalanceHandle, Endpoint, Hints, Strategy};
use tokio::time::advance;

type Handle = BalanceHandle<()>;

const SECOND: Duration = Duration::from_secs(1);

fn endpoint(name: &str, cell: &Arc<HealthCell>) -> Endpoint<()> {
    Endpoint::new(name, ()).with_health(Arc::clone(cell))
}

fn handle(strategy: Strategy, window: impl Into<Option<Duration>>, cells: &[Arc<HealthCell>]) -> Handle {
    let config = BalanceConfig::builder().with_strategy(strategy).with_slow_start(window).build().expect("valid");
    let names = ["a", "b", "c", "d"];
    let endpoints = names.iter().zip(cells).map(|(name, cell)| endpoint(name, cell));
    Balance::new(config, endpoints).expect("distinct names").handle()
}

fn cells<const N: usize>() -> [Arc<HealthCell>; N] {
    std::array::from_fn(|_| Arc::default())
}

/// The share of the next calls, in percent, that an instance has.
fn share(handle: &Handle, name: &str) -> f64 {
    let calls = 4000;
    let taken = (0..calls).filter(|_| handle.pick(&Hints::new()).expect("one is there").name() == name).count();
    100.0 * taken as f64 / f64::from(calls)
}

fn assert_near(measured: f64, expected: f64, about: impl std::fmt::Display) {
    assert!((measured - expected).abs() <= 3.0, "{about}: {measured} % and not {expected} %");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_joins_has_a_tenth_of_its_share_and_all_of_it_in_the_end_whatever_the_strategy() {
    for strategy in Strategy::ALL {
        if matches!(strategy, Strategy::ConsistentHash | Strategy::Maglev) {
            let config = BalanceConfig::builder().with_strategy(*strategy).with_slow_start(SECOND).build();
            let error = config.expect_err("keys would move twice").to_string();
            assert!(error.starts_with(&format!("`slow_start` has no effect with {strategy}")), "{error}");
            continue;
        }
        let all = cells::<4>();
        let handle = handle(*strategy, 100 * SECOND, &all[..3]);
        handle.add(endpoint("d", &all[3])).expect("a new name");
        // Of ten calls that it would have, so many go to the others.
        let expected = |part: f64| 25.0 * part;
        for (passed, part) in [(0, 0.1), (5, 0.1), (45, 0.5), (40, 0.9), (11, 1.0)] {
            advance(passed * SECOND).await;
            let measured = share(&handle, "d");
            assert_near(measured, expected(part), format!("{strategy} at {part}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_it_has_its_whole_share_at_once() {
    let all = cells::<4>();
    let handle = handle(Strategy::RoundRobin, None, &all[..3]);
    handle.add(endpoint("d", &all[3])).expect("a new name");
    assert_near(share(&handle, "d"), 25.0, "off");
}

#[tokio::test(start_paused = true)]
async fn those_that_are_there_from_the_beginning_are_warm_and_so_are_all_that_join_an_empty_balancer() {
    let handle = handle(Strategy::Random, 100 * SECOND, &cells::<2>());
    assert_near(share(&handle, "a"), 50.0, "from the beginning");
    handle.remove("a").expect("there");
    handle.remove("b").expect("there");
    handle.extend([endpoint("c", &Arc::default()), endpoint("d", &Arc::default())]).expect("new names");
    assert_near(share(&handle, "c"), 50.0, "joined together, nobody was there");
}

#[tokio::test(start_paused = true)]
async fn where_all_are_warming_up_each_has_its_share() {
    let [a, b] = cells::<2>();
    let handle = handle(Strategy::RoundRobin, 100 * SECOND, &[Arc::clone(&a)]);
    handle.add(endpoint("new", &b)).expect("a new name");
    handle.disable_instance("a").expect("there");
    handle.enable_instance("a").expect("there");
    assert_near(share(&handle, "a"), 50.0, "both began now");
}

#[tokio::test(start_paused = true)]
async fn one_that_was_down_and_one_that_was_disabled_begin_anew() {
    let all = cells::<4>();
    let handle = handle(Strategy::RoundRobin, 100 * SECOND, &all);
    assert_near(share(&handle, "d"), 25.0, "at first");
    all[3].set(HealthStatus::new(HealthState::Offline, "a restart"));
    assert_near(share(&handle, "d"), 0.0, "down");
    all[3].set(HealthStatus::degraded("nearly"));
    all[3].set(HealthStatus::healthy());
    assert_near(share(&handle, "d"), 2.5, "back");
    advance(50 * SECOND).await;
    assert_near(share(&handle, "d"), 12.5, "after half of the time");
    all[3].set(HealthStatus::degraded("for a moment"));
    all[3].set(HealthStatus::healthy());
    assert_near(share(&handle, "d"), 12.5, "it was up all the time");
    advance(51 * SECOND).await;
    assert_near(share(&handle, "d"), 25.0, "warm");
    handle.disable_instance("d").expect("there");
    handle.enable_instance("d").expect("there");
    assert_near(share(&handle, "d"), 2.5, "enabled");
    handle.enable_instance("d").expect("there");
    advance(101 * SECOND).await;
    handle.enable_instance("d").expect("it is enabled already");
    assert_near(share(&handle, "d"), 25.0, "warm again");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_passed_over_for_one_that_is_worse() {
    let all = cells::<3>();
    let handle = handle(Strategy::RoundRobin, 100 * SECOND, &all[..2]);
    handle.add(endpoint("new", &all[2])).expect("a new name");
    for status in [HealthStatus::degraded("slow"), HealthStatus::unhealthy("failing")] {
        all[0].set(status.clone());
        all[1].set(status);
        assert_eq!(share(&handle, "new"), 100.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_tried_elsewhere_goes_to_a_new_one_at_once() {
    let all = cells::<2>();
    let handle = handle(Strategy::RoundRobin, 100 * SECOND, &all[..1]);
    handle.add(endpoint("new", &all[1])).expect("a new name");
    let tried = [handle.get("a").expect("there").id];
    for _ in 0..50 {
        assert_eq!(handle.pick(&Hints::new().with_tried(&tried)).expect("there").name(), "new");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_back_passes_no_call_on_to_another_tier() {
    let all = cells::<2>();
    let config = BalanceConfig::builder().with_strategy(Strategy::Priority).with_slow_start(100 * SECOND);
    let endpoints = [endpoint("primary", &all[0]).with_priority(10), endpoint("backup", &all[1])];
    let handle = Balance::new(config.build().expect("valid"), endpoints).expect("two names").handle();
    all[0].set(HealthStatus::new(HealthState::Offline, "a restart"));
    assert_eq!(share(&handle, "primary"), 0.0);
    all[0].set(HealthStatus::healthy());
    assert_eq!(share(&handle, "primary"), 100.0);
}
