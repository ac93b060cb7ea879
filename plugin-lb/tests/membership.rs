//! Joining, leaving and changing while calls go on, and what the handle tells.

mod common;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use common::{Does, Instance, active, balance, call};
use plugin_core::{Call, Code, HealthCell, HealthState, HealthStatus};
use plugin_lb::{Balance, BalanceConfig, Endpoint, Hints, MembershipErrorKind, Strategy};
use tower::Service;

const MS: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn a_call_outlives_the_removal_of_its_instance_and_no_later_pick_sees_it() {
    for strategy in Strategy::ALL {
        let slow = Instance::new("slow", Does::AnswerAfter(50 * MS));
        let rest = ["b", "c"].map(|name| Instance::new(name, Does::Answer));
        let mut balance = balance(*strategy, [&slow, &rest[0], &rest[1]]);
        let handle = balance.handle();
        let mut to_slow = Call::new(1);
        to_slow.context_mut().prefer("slow");
        let in_flight = tokio::spawn(balance.call(to_slow));
        tokio::time::sleep(10 * MS).await;
        let removed = handle.remove("slow").expect("there");
        assert_eq!((removed.active(), handle.len()), (1, 2), "{strategy}");
        for _ in 0..50 {
            let mut hopeful = Call::new(1);
            hopeful.context_mut().prefer("slow");
            assert_ne!(*balance.call(hopeful).await.expect("a reply").payload(), "slow", "{strategy}");
        }
        let reply = in_flight.await.expect("no panic").expect("the call finishes");
        assert_eq!(*reply.payload(), "slow");
        assert_eq!((removed.active(), removed.stats().ok, slow.calls()), (0, 1, 1), "{strategy}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_drains_takes_no_calls_and_is_told_of_when_its_last_one_has_ended() {
    let slow = Instance::new("slow", Does::AnswerAfter(50 * MS));
    let other = Instance::new("other", Does::Answer);
    let mut balance = balance(Strategy::RoundRobin, [&slow, &other]);
    let handle = balance.handle();
    let call_on_it = tokio::spawn(call(&mut balance));
    tokio::time::sleep(10 * MS).await;
    assert_eq!(handle.get("slow").expect("there").active, 1);
    let began = tokio::time::Instant::now();
    let drained = handle.drain("slow").expect("there");
    for _ in 0..10 {
        assert_eq!(*call(&mut balance).await.expect("a reply").payload(), "other", "before anybody waits");
    }
    let removed = drained.await;
    let took = began.elapsed();
    assert!(took >= 40 * MS && took <= 55 * MS, "{took:?}");
    assert_eq!((removed.active(), removed.stats().ok), (0, 1));
    call_on_it.await.expect("no panic").expect("a reply");
    assert!(handle.drain("slow").is_err(), "it is gone");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_an_instance_that_is_removed_goes_to_another() {
    for polled_before in [false, true] {
        let (stuck, other) = (Instance::new("stuck", Does::Answer).never_ready(), Instance::new("b", Does::Answer));
        let mut balance = balance(Strategy::RoundRobin, [&stuck, &other]);
        let mut waiting = tokio_test::task::spawn(call(&mut balance));
        if polled_before {
            tokio_test::assert_pending!(waiting.poll());
        }
        let removed = balance.handle().remove("stuck").expect("there");
        tokio_test::assert_pending!(waiting.poll());
        assert_eq!(removed.active(), 1);
        assert_eq!(*waiting.await.expect("a reply").payload(), "b");
        assert_eq!(removed.active(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_a_removed_instance_once_its_calls_are_done() {
    #[derive(Clone)]
    struct Held(#[allow(dead_code, reason = "held, not read")] Arc<()>);
    impl Service<()> for Held {
        type Response = ();
        type Error = plugin_core::BoxError;
        type Future = plugin_core::BoxFuture<Result<(), plugin_core::BoxError>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            Box::pin(async {
                tokio::time::sleep(50 * MS).await;
                Ok(())
            })
        }
    }
    let held = Arc::new(());
    let weak: Weak<()> = Arc::downgrade(&held);
    let mut balance = Balance::new(BalanceConfig::default(), [Endpoint::new("a", Held(held))]).expect("one");
    // As a retry keeps one that it clones from, and slots one for each stripe.
    let (_never_called, mut called_before) = (balance.clone(), balance.clone());
    called_before.call(()).await.expect("there");
    let in_flight = balance.call(());
    let removed = balance.handle().remove("a").expect("there");
    assert_eq!(removed.active(), 1);
    drop(removed);
    assert!(weak.upgrade().is_some(), "the call keeps its instance");
    in_flight.await.expect("finishes");
    assert!(weak.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_name_is_taken_once_and_a_failed_change_changes_nothing() {
    let a = Instance::new("a", Does::Answer);
    let balance = balance(Strategy::RoundRobin, [&a]);
    let handle = balance.handle();
    let before = handle.stats();
    let duplicate = handle.add(a.endpoint()).expect_err("taken");
    assert_eq!((duplicate.kind(), duplicate.name()), (MembershipErrorKind::Duplicate, "a"));
    let several = handle.extend([Instance::new("b", Does::Answer).endpoint(), a.endpoint()]);
    assert_eq!(several.expect_err("taken").kind(), MembershipErrorKind::Duplicate);
    let weightless = handle.set_weight("a", 0).expect_err("too small");
    assert_eq!(weightless.to_string(), "the weight of instance \"a\" must be from 1 to 1000000");
    let heavy = Instance::new("b", Does::Answer).endpoint().with_weight(Endpoint::MAX_WEIGHT + 1);
    assert_eq!(handle.add(heavy).expect_err("too large").kind(), MembershipErrorKind::Weight);
    for unknown in [
        handle.enable_instance("x"),
        handle.disable_instance("x"),
        handle.set_weight("x", 2),
        handle.remove("x").map(|_| ()),
    ] {
        assert_eq!(unknown.expect_err("unknown").to_string(), "there is no instance named \"x\"");
    }
    assert_eq!(handle.stats(), before);
    let twice = Balance::new(BalanceConfig::default(), [a.endpoint(), a.endpoint()]);
    assert_eq!(twice.expect_err("one name").kind(), MembershipErrorKind::Duplicate);
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_back_under_its_name_is_another_instance() {
    let a = Instance::new("a", Does::Answer);
    let balance = balance(Strategy::RoundRobin, [&a]);
    let handle = balance.handle();
    let first = handle.remove("a").expect("there").stats().id;
    let second = handle.add(a.endpoint()).expect("free again");
    assert_ne!(first, second);
    assert_eq!((handle.name_of(first), handle.name_of(second).as_deref()), (None, Some("a")));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_weight_or_strategy_takes_effect_at_once_and_keeps_the_statistics() {
    let [a, b] = ["a", "b"].map(|name| Instance::new(name, Does::Answer));
    let mut balance = balance(Strategy::WeightedRoundRobin, [&a, &b]);
    let handle = balance.handle();
    for _ in 0..10 {
        call(&mut balance).await.expect("a reply");
    }
    handle.set_weight("a", 4).expect("there");
    for _ in 0..10 {
        call(&mut balance).await.expect("a reply");
    }
    assert_eq!((a.calls(), b.calls()), (13, 7));
    handle.reconfigure(BalanceConfig::new(Strategy::RoundRobin));
    for _ in 0..10 {
        call(&mut balance).await.expect("a reply");
    }
    assert_eq!((a.calls(), b.calls()), (18, 12));
    assert_eq!(handle.get("a").expect("there").ok, 18);
    assert_eq!(handle.config().strategy(), Strategy::RoundRobin);
}

#[tokio::test(start_paused = true)]
async fn statistics_tell_what_was_set_and_what_happened() {
    let health = Arc::new(HealthCell::default());
    let good = Instance::new("good", Does::AnswerAfter(30 * MS));
    let endpoint = good.endpoint().with_weight(3).with_priority(7).with_zone("eu-1").with_health(Arc::clone(&health));
    let bad = Instance::new("bad", Does::Fail).endpoint().with_enabled(false);
    let mut balance = Balance::new(BalanceConfig::default(), [endpoint, bad]).expect("distinct names").for_calls();
    let handle = balance.handle();
    let fresh = handle.get("good").expect("there");
    assert_eq!((fresh.weight, fresh.priority, fresh.enabled, fresh.zone.as_deref()), (3, 7, true, Some("eu-1")));
    assert_eq!((fresh.total, fresh.average_latency, fresh.last_used), (0, Duration::ZERO, None));
    assert!(fresh.success_rate().abs() < f64::EPSILON, "0.0 before the first call");
    assert_eq!((fresh.health, fresh.health_score), (HealthState::Unknown, 100));

    for _ in 0..4 {
        call(&mut balance).await.expect("a reply");
    }
    let pending = call(&mut balance);
    let stats = handle.get("good").expect("there");
    assert_eq!((stats.active, stats.total, stats.ok, stats.failed), (1, 5, 4, 0));
    // A timer's granularity is a millisecond.
    assert!((30..=31).contains(&stats.average_latency.as_millis()), "{:?}", stats.average_latency);
    assert!((stats.success_rate() - 100.0).abs() < f64::EPSILON);
    assert!(stats.last_used.is_some());
    drop(pending);

    handle.disable_instance("good").expect("there");
    handle.enable_instance("bad").expect("there");
    call(&mut balance).await.expect_err("as asked");
    let stats = handle.get("bad").expect("there");
    assert_eq!((stats.ok, stats.failed, stats.health_score), (0, 1, 95));
    assert!(!handle.get("good").expect("there").enabled);
    health.set(HealthStatus::new(HealthState::Degraded, "slow disk"));
    assert_eq!(handle.get("good").expect("there").health, HealthState::Degraded);
    assert!(handle.get("nobody").is_none());
}

#[tokio::test(start_paused = true)]
async fn an_instance_can_be_picked_without_a_call() {
    let [a, b] = ["a", "b"].map(|name| Instance::new(name, Does::Answer));
    let balance = balance(Strategy::LeastConnections, [&a, &b]);
    let handle = balance.handle();
    let first = handle.pick(&Hints::new()).expect("two are there");
    let second = handle.pick(&Hints::new()).expect("two are there");
    assert_ne!(first.name(), second.name(), "a picked one counts as in flight");
    assert_eq!(active(&balance), 2);
    first.service().clone().call(Call::new(1)).await.expect("a reply");
    let (id, name) = (first.id(), first.name().to_owned());
    assert_eq!(handle.name_of(id).as_deref(), Some(name.as_str()));
    first.succeeded();
    second.failed();
    drop(handle.pick(&Hints::new()).expect("two are there"));
    let sum = |of: fn(&plugin_lb::InstanceStats) -> u64| handle.stats().iter().map(of).sum::<u64>();
    assert_eq!((sum(|stats| stats.ok), sum(|stats| stats.failed), sum(|stats| stats.total)), (1, 1, 3));
    assert_eq!(active(&balance), 0);
    handle.disable_instance("a").expect("there");
    handle.disable_instance("b").expect("there");
    assert_eq!(handle.pick(&Hints::new()).expect_err("none").code(), Code::NoEndpoint);
}

#[test]
fn the_membership_changes_under_calls_from_many_threads_and_no_call_is_lost() {
    let names = ["a", "b", "c", "d"];
    let instances = names.map(|name| Instance::new(name, Does::Answer));
    let balance = balance(Strategy::ConsistentHash, &instances);
    let handle = balance.handle();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let mut balance = balance.clone();
                tokio::spawn(async move {
                    for _ in 0..2000 {
                        call(&mut balance).await.expect("one is always there");
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for round in 0..200 {
            let name = names[1 + round % 3];
            handle.remove(name).expect("there");
            handle.reconfigure(BalanceConfig::new(Strategy::ALL[round % Strategy::ALL.len()]));
            tokio::task::yield_now().await;
            handle.add(instances[1 + round % 3].endpoint()).expect("free again");
        }
        for caller in callers {
            tokio::time::timeout(Duration::from_secs(60), caller).await.expect("in time").expect("no panic");
        }
    });
    assert_eq!(instances.iter().map(Instance::calls).sum::<usize>(), 6000);
    assert_eq!(active(&balance), 0);
}
