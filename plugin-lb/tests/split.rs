//! A traffic split: exact shares over all threads, keys that stay, changes while calls are made.

mod common;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{Does, Instance, poll_at_most};
use plugin_core::{Call, Code, PluginError, Reply, deadline::DeadlineLayer};
use plugin_lb::{BranchErrorKind, BranchStats, CallOnceEnvelope, TrafficSplit, TrafficSplitConfig, TrafficSplitHandle};
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt};

type Split =
    TrafficSplit<Instance, plugin_core::ByErrorType, plugin_core::AsErrorValue, plugin_core::AtHead, CallOnceEnvelope>;

fn config(weights: &[(&'static str, u32)]) -> TrafficSplitConfig {
    let all = weights.iter().fold(TrafficSplitConfig::builder(), |all, (name, weight)| all.with_weight(*name, *weight));
    all.build().expect("valid")
}

fn split_of(branches: &[(Instance, u32)]) -> Split {
    let weights: Vec<_> = branches.iter().map(|(instance, weight)| (instance.name, *weight)).collect();
    let services = branches.iter().map(|(instance, _)| (instance.name, instance.clone()));
    TrafficSplit::new(config(&weights), services).expect("distinct names").for_calls()
}

/// A split over branches that answer.
fn split(weights: &[(&'static str, u32)]) -> Split {
    let branches: Vec<_> = weights.iter().map(|(name, weight)| (Instance::new(name, Does::Answer), *weight)).collect();
    split_of(&branches)
}

fn stats(handle: &TrafficSplitHandle<Instance>, name: &str) -> BranchStats {
    handle.get(name).expect("a branch of this name")
}

async fn answer(split: &mut Split) -> Result<&'static str, PluginError> {
    split.call(Call::new(1)).await.map(Reply::into_payload)
}

fn keyed(key: u32) -> Call<u8> {
    let mut call = Call::new(1);
    call.context_mut().set_affinity_key(format!("user-{key}").as_bytes());
    call
}

/// The branch of each key.
async fn owners(split: &mut Split, keys: u32) -> Vec<&'static str> {
    let mut owners = Vec::new();
    for key in 0..keys {
        owners.push(split.call(keyed(key)).await.expect("an answer").into_payload());
    }
    owners
}

#[tokio::test]
async fn any_1000_calls_in_a_row_have_every_share_to_the_call() {
    let mut split = split(&[("stable", 885), ("canary", 100), ("next", 15)]);
    let mut answers = Vec::new();
    for _ in 0..2500 {
        answers.push(answer(&mut split).await.expect("an answer"));
    }
    for window in answers.windows(1000) {
        let count = |name: &str| window.iter().filter(|answer| **answer == name).count();
        assert_eq!((count("stable"), count("canary"), count("next")), (885, 100, 15));
    }
    let calls: Vec<_> = split.handle().stats().iter().map(|stats| (stats.calls, stats.ok, stats.active)).collect();
    assert_eq!(calls.iter().map(|(calls, ..)| calls).sum::<u64>(), 2500);
    assert!(calls.iter().all(|(calls, ok, active)| calls == ok && *active == 0), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_threads_together_have_every_share_to_the_call() {
    let split = split(&[("stable", 93), ("canary", 7)]);
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let mut split = split.clone();
            tokio::spawn(async move {
                for _ in 0..5_000 {
                    answer(&mut split).await.expect("an answer");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("no panic");
    }
    let handle = split.handle();
    assert_eq!((stats(&handle, "stable").ok, stats(&handle, "canary").ok), (9_300, 700));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The weights of a run, some of which are 0, and then those after a change.
    #[test]
    fn a_change_of_the_weights_begins_exact_shares_anew(
        before in proptest::collection::vec(0_u32..=50, 3),
        after in proptest::collection::vec(0_u32..=50, 3),
        calls in 0_usize..200,
    ) {
        const NAMES: [&str; 3] = ["a", "b", "c"];
        let weights = |weights: &[u32]| NAMES.into_iter().zip(weights.iter().copied()).collect::<Vec<_>>();
        let mut split = split(&weights(&before));
        let handle = split.handle();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            for _ in 0..calls {
                let _ = answer(&mut split).await;
            }
            handle.reconfigure(config(&weights(&after))).expect("known names");
            let total: u32 = after.iter().sum();
            let mut counts: HashMap<&str, u32> = HashMap::new();
            for _ in 0..total {
                *counts.entry(answer(&mut split).await.expect("an answer")).or_default() += 1;
            }
            if before != after {
                for (name, weight) in weights(&after) {
                    prop_assert_eq!(counts.get(name).copied().unwrap_or(0), weight, "{}", name);
                }
            }
            if total == 0 {
                prop_assert_eq!(answer(&mut split).await.expect_err("nobody").code(), Code::NoEndpoint);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn keys_stay_and_from_10_to_20_percent_10_in_100_move_to_the_canary_and_none_back() {
    const KEYS: u32 = 5_000;
    let mut split = split(&[("stable", 90), ("canary", 10)]);
    let handle = split.handle();
    let before = owners(&mut split, KEYS).await;
    assert_eq!(owners(&mut split, KEYS).await, before, "a key stays");

    handle.reconfigure(config(&[("stable", 80), ("canary", 20)])).expect("known names");
    let after = owners(&mut split, KEYS).await;
    let moved: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    assert!(moved.iter().all(|pair| *pair == (&"stable", &"canary")));
    let share = moved.len() as f64 / f64::from(KEYS);
    assert!((0.088..0.112).contains(&share), "{share}");

    handle.reconfigure(config(&[("stable", 90), ("canary", 10)])).expect("known names");
    assert_eq!(owners(&mut split, KEYS).await, before, "what was is again");
}

#[tokio::test]
async fn calls_with_a_key_take_no_turn_of_those_without() {
    let mut split = split(&[("a", 1), ("b", 1)]);
    let mut answers = Vec::new();
    for key in 0..10 {
        answers.push(answer(&mut split).await.expect("an answer"));
        split.call(keyed(key)).await.expect("an answer");
    }
    assert_eq!(answers, ["a", "b"].repeat(5));
}

#[tokio::test]
async fn a_key_is_read_by_a_closure_for_requests_of_any_type() {
    let branch = |name: &'static str| tower::service_fn(move |_: u64| async move { Ok::<_, PluginError>(name) });
    let split = TrafficSplit::new(config(&[("a", 1), ("b", 1)]), [("a", branch("a")), ("b", branch("b"))]);
    let split = split.expect("two names").hints_with(|key: &u64| plugin_lb::Hints::new().with_affinity(*key));
    let mut owners = HashMap::new();
    for key in (0..50).chain(0..50) {
        let owner = split.clone().oneshot(key).await.expect("an answer");
        assert_eq!(*owners.entry(key).or_insert(owner), owner, "{key}");
    }
    assert!(owners.values().any(|owner| *owner == "a") && owners.values().any(|owner| *owner == "b"));
}

#[tokio::test]
async fn where_no_branch_has_a_weight_a_call_is_refused() {
    let mut split = split(&[("a", 0)]);
    assert_eq!(answer(&mut split).await.expect_err("nobody").code(), Code::NoEndpoint);
    split.handle().reconfigure(config(&[("a", 1)])).expect("known");
    assert_eq!(answer(&mut split).await.expect("an answer"), "a");
}

#[tokio::test]
async fn branches_come_and_go_and_a_change_that_cannot_be_made_changes_nothing() {
    let mut split = split(&[("a", 3), ("b", 1)]);
    let handle = split.handle();
    let error = handle.reconfigure(config(&[("a", 1), ("c", 1)])).expect_err("no `c`");
    assert_eq!((error.kind(), error.name()), (BranchErrorKind::Unknown, "c"));
    assert_eq!(error.to_string(), "there is no branch named \"c\"");
    let error = handle.add("b", Instance::new("b", Does::Answer)).expect_err("there is one");
    assert_eq!((error.kind(), error.name()), (BranchErrorKind::Duplicate, "b"));
    assert_eq!(handle.remove("c").expect_err("no `c`").kind(), BranchErrorKind::Unknown);
    assert_eq!(handle.config(), config(&[("a", 3), ("b", 1)]));

    handle.add("c", Instance::new("c", Does::Answer)).expect("new");
    for _ in 0..8 {
        answer(&mut split).await.expect("an answer");
    }
    assert_eq!((stats(&handle, "a").calls, stats(&handle, "b").calls, stats(&handle, "c").calls), (6, 2, 0));
    handle.reconfigure(config(&[("b", 1), ("c", 1)])).expect("known names");
    handle.remove("b").expect("there");
    assert_eq!(handle.config(), config(&[("c", 1)]));
    assert_eq!(answer(&mut split).await.expect("an answer"), "c");
    assert_eq!(handle.stats().iter().map(|stats| &*stats.name).collect::<Vec<_>>(), ["a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_outlives_the_change_of_the_weights_and_the_removal_of_its_branch() {
    let slow = Instance::new("slow", Does::AnswerAfter(Duration::from_secs(1)));
    let mut split = split_of(&[(slow, 1), (Instance::new("next", Does::Answer), 0)]);
    let handle = split.handle();
    let call = tokio::spawn(split.call(Call::new(1)));
    tokio::task::yield_now().await;
    assert_eq!(stats(&handle, "slow").active, 1);
    handle.reconfigure(config(&[("next", 1)])).expect("known");
    handle.remove("slow").expect("there");
    assert_eq!(answer(&mut split).await.expect("an answer"), "next");
    assert_eq!(call.await.expect("no panic").expect("an answer").into_payload(), "slow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_that_change_all_the_time_cost_no_call() {
    let split = split(&[("a", 1), ("b", 1), ("c", 0)]);
    let handle = split.handle();
    let is_over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let (mut split, is_over) = (split.clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut calls = 0_u64;
                while !is_over.load(Ordering::Relaxed) || calls < 1_000 {
                    answer(&mut split).await.expect("an answer");
                    calls += 1;
                    tokio::task::yield_now().await;
                }
                calls
            })
        })
        .collect();
    for round in 0..500 {
        let weights = [("a", round % 3), ("b", 1 + round % 7), ("c", round % 2)];
        handle.reconfigure(config(&weights)).expect("known names");
        tokio::task::yield_now().await;
    }
    is_over.store(true, Ordering::Relaxed);
    let mut made = 0;
    for caller in callers {
        made += caller.await.expect("no panic, and so no call without an answer");
    }
    assert_eq!(handle.stats().iter().map(|stats| stats.ok).sum::<u64>(), made);
}

#[tokio::test(start_paused = true)]
async fn each_branch_counts_what_failed_panicked_and_was_given_up() {
    let of = |name, does| (Instance::new(name, does), 1);
    let mut split = split_of(&[
        of("good", Does::Answer),
        of("bad", Does::Fail),
        of("panics", Does::Panic),
        of("hangs", Does::Hang),
    ]);
    let handle = split.handle();
    for _ in 0..4 {
        let future = split.call(Call::new(1));
        let ended = tokio::spawn(async move { poll_at_most(future, 2).await });
        let _ = ended.await;
    }
    let counts = |name| {
        let BranchStats { calls, ok, failed, active, .. } = stats(&handle, name);
        (calls, ok, failed, active)
    };
    assert_eq!([counts("good"), counts("bad")], [(1, 1, 0, 0), (1, 0, 1, 0)]);
    assert_eq!([counts("panics"), counts("hangs")], [(1, 0, 1, 0), (1, 0, 0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_is_not_ready_is_waited_for_and_no_other_is_asked() {
    let busy = Instance::new("busy", Does::Answer).never_ready();
    let other = Instance::new("other", Does::Answer);
    let ready = Arc::clone(&busy.ready);
    let mut split = split_of(&[(busy, 1), (other.clone(), 1)]);
    assert!(!poll_at_most(split.call(Call::new(1)), 3).await);
    assert_eq!(other.polls(), 0);
    // The turn of the other one, and then its own again.
    assert_eq!(answer(&mut split).await.expect("an answer"), "other");
    ready.waits.store(false, Ordering::SeqCst);
    assert_eq!(answer(&mut split).await.expect("an answer"), "busy");
    let unready = Instance::new("unready", Does::Answer).failing_readiness();
    let mut split = split_of(&[(unready, 1)]);
    assert_eq!(answer(&mut split).await.expect_err("not ready").code(), Code::ConnectionFailed);
    assert_eq!(stats(&split.handle(), "unready").failed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_had_its_time_has_failed_and_one_whose_caller_was_in_a_hurry_has_not() {
    let second = Duration::from_secs(1);
    let split = split_of(&[(Instance::new("hangs", Does::Hang), 1)]);
    let handle = split.handle();
    let limited = DeadlineLayer::new(10 * second).layer(split);
    let call = Call::new(1).with_timeout(second);
    assert_eq!(limited.clone().oneshot(call).await.expect_err("in a hurry").code(), Code::Timeout);
    assert_eq!((stats(&handle, "hangs").calls, stats(&handle, "hangs").failed), (1, 0));
    assert_eq!(limited.oneshot(Call::new(1)).await.expect_err("it hangs").code(), Code::Timeout);
    assert_eq!((stats(&handle, "hangs").calls, stats(&handle, "hangs").failed), (2, 1));
}

#[cfg(feature = "http")]
mod http {
    use ::http::{Request, Response};
    use axum::body::Body;
    use http_body_util::BodyExt;
    use plugin_core::{AtEnd, BoxError, ByHttpStatus, CallContext};
    use tower::service_fn;

    use super::*;

    #[tokio::test]
    async fn a_response_is_in_flight_until_the_end_of_its_body_and_its_status_is_judged() {
        let branch = |status: u16| {
            service_fn(move |_: Request<()>| async move {
                Ok::<_, BoxError>(Response::builder().status(status).body(Body::from("text")).expect("a response"))
            })
        };
        let branches = [("good", branch(200)), ("bad", branch(500))];
        let split = TrafficSplit::new(config(&[("good", 1), ("bad", 1)]), branches).expect("two names").for_http();
        let mut split = split.classify(ByHttpStatus::new().until_end_of_body()).follow::<AtEnd>();
        let handle = split.handle();
        let figures = |name| handle.get(name).map(|stats| (stats.calls, stats.ok, stats.failed, stats.active));
        let good = split.call(Request::new(())).await.expect("a response");
        let bad = split.call(Request::new(())).await.expect("a response");
        assert_eq!((figures("good"), bad.status().as_u16()), (Some((1, 0, 0, 1)), 500));
        good.into_body().collect().await.expect("a body");
        assert_eq!(figures("good"), Some((1, 1, 0, 0)));
        drop(bad);
        assert_eq!(figures("bad").map(|(calls, _, failed, active)| (calls, failed, active)), Some((1, 1, 0)));
    }

    #[tokio::test]
    async fn the_key_of_a_request_is_in_its_extensions() {
        let branch = |name: &'static str| {
            service_fn(move |_: Request<()>| async move { Ok::<_, BoxError>(Response::new(name)) })
        };
        let branches = ["a", "b"].map(|name| (name, branch(name)));
        let split = TrafficSplit::new(config(&[("a", 1), ("b", 1)]), branches).expect("two names").for_http();
        let mut owners = HashMap::new();
        for key in (0..40).chain(0..40) {
            let mut request = Request::new(());
            let mut context = CallContext::new();
            context.set_affinity_key(format!("user-{key}").as_bytes());
            request.extensions_mut().insert(context);
            let owner = split.clone().oneshot(request).await.expect("a response").into_body();
            assert_eq!(*owners.entry(key).or_insert(owner), owner, "{key}");
        }
        assert!(owners.values().any(|owner| *owner == "a") && owners.values().any(|owner| *owner == "b"));
    }
}

#[test]
fn a_split_can_be_shared_and_shown() {
    static_assertions::assert_impl_all!(Split: Clone, Send, Sync, std::fmt::Debug);
    static_assertions::assert_impl_all!(TrafficSplitHandle<Instance>: Clone, Send, Sync, std::fmt::Debug);
    let split = split(&[("a", 1)]);
    assert!(format!("{split:?} {:?}", split.handle()).contains("\"a\""));
}
