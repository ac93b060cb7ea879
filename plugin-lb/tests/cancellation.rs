//! A caller may go away at any moment: nothing may stay in flight.

mod common;

use std::time::Duration;

use common::{Does, Instance, active, balance, balance_with, call, poll_at_most};
use plugin_lb::{BalanceConfig, Strategy};

/// One instance that is never ready, one that cannot be reached, one that takes three polls: a call that meets them in
/// this order goes through every state.
#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_poll_point_leaves_nothing_in_flight() {
    let config = BalanceConfig::builder().with_pick_timeout(Duration::from_millis(12)).build().expect("valid");
    for strategy in Strategy::ALL {
        let config = BalanceConfig::builder()
            .with_strategy(*strategy)
            .with_pick_timeout(config.pick_timeout())
            .build()
            .expect("valid");
        let instances = [
            Instance::new("busy", Does::Answer).never_ready(),
            Instance::new("unready", Does::Answer).failing_readiness(),
            Instance::new("dead", Does::RefuseConnection),
            Instance::new("slow", Does::AnswerAfter(Duration::from_millis(8))),
        ];
        let mut finished_at = None;
        for polls in 0..12 {
            let mut balance = balance_with(config.clone(), &instances);
            let finished = poll_at_most(call(&mut balance), polls).await;
            assert_eq!(active(&balance), 0, "{strategy}, dropped after {polls} polls");
            let picks: u64 = balance.handle().stats().iter().map(|stats| stats.total).sum();
            assert!(picks >= 1, "{strategy}: every pick is counted once, and was there from the start");
            if finished {
                finished_at.get_or_insert(polls);
            }
        }
        assert!(finished_at.is_some(), "{strategy}: with enough polls the call is answered");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_neither_success_nor_failure() {
    let hung = Instance::new("hung", Does::Hang);
    let mut balance = balance(Strategy::RoundRobin, [&hung]);
    for _ in 0..3 {
        assert!(!poll_at_most(call(&mut balance), 2).await);
    }
    let stats = balance.handle().get("hung").expect("there");
    assert_eq!((stats.total, stats.ok, stats.failed, stats.active), (3, 0, 0, 0));
    assert_eq!(stats.health_score, 100);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_held_and_never_polled_counts_until_it_is_dropped() {
    let instance = Instance::new("a", Does::Answer);
    let mut balance = balance(Strategy::RoundRobin, [&instance]);
    let held: Vec<_> = (0..5).map(|_| call(&mut balance)).collect();
    assert_eq!((active(&balance), instance.polls()), (5, 0));
    drop(held);
    assert_eq!(active(&balance), 0);
}
