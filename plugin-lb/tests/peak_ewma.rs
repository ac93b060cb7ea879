//! `peak-ewma` over instances that fail, hang or slow down, on a paused clock.

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{Does, Instance, balance, balance_with, call};
use plugin_core::{Call, PluginError, Reply, deadline::DeadlineLayer};
use plugin_lb::{Balance, BalanceConfig, Endpoint, Strategy};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};

const MS: Duration = Duration::from_millis(1);

/// So many callers, who call again as soon as they are answered and give up after two seconds.
async fn call_for<S>(stack: &S, callers: usize, time: Duration)
where
    S: Service<Call<u8>> + Clone + Send + 'static,
    S::Future: Send,
{
    let until = tokio::time::Instant::now() + time;
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let stack = stack.clone();
            tokio::spawn(async move {
                while tokio::time::Instant::now() < until {
                    let _ = stack.clone().oneshot(Call::new(1)).await;
                    tokio::time::sleep(MS).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("no panic");
    }
}

/// The share of the calls of each.
async fn shares(strategy: Strategy, instances: &[Instance], callers: usize, time: Duration) -> Vec<f64> {
    let deadline = DeadlineLayer::new(Duration::from_secs(2));
    call_for(&ServiceBuilder::new().layer(deadline).service(balance(strategy, instances)), callers, time).await;
    let total: usize = instances.iter().map(Instance::calls).sum();
    instances.iter().map(|instance| instance.calls() as f64 / total as f64).collect()
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_fails_or_hangs_gets_next_to_nothing_however_busy_the_others_are() {
    for strategy in [Strategy::PeakEwma, Strategy::LeastLatency] {
        for (takes, callers) in [(20, 10), (20, 30), (100, 30), (500, 10), (500, 50)] {
            for (bad, most) in [(Does::Fail, 0.05), (Does::Hang, 0.02)] {
                let good = Does::AnswerAfter(takes * MS);
                let instances = [Instance::new("bad", bad), Instance::new("a", good), Instance::new("b", good)];
                let shares = shares(strategy, &instances, callers, Duration::from_secs(40)).await;
                assert!(shares[0] <= most, "{strategy}: {bad:?} beside {takes} ms, {callers} callers: {shares:?}");
                assert!((shares[1] / shares[2] - 1.0).abs() < 0.1, "{strategy}: {shares:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_well_again_takes_its_share_again() {
    let instances = ["a", "b", "c"].map(|name| Instance::new(name, Does::AnswerAfter(20 * MS)));
    let mut balance = balance_with(
        BalanceConfig::builder().with_strategy(Strategy::PeakEwma).with_failover(false).build().expect("valid"),
        &instances,
    );
    instances[0].ready.fails.store(true, Ordering::SeqCst);
    for _ in 0..1000 {
        let _ = call(&mut balance).await;
    }
    instances[0].ready.fails.store(false, Ordering::SeqCst);
    let mut calls = 0;
    while instances[0].calls() < 100 {
        calls += 1;
        call(&mut balance).await.expect("all are well");
    }
    // Each takes 20 ms. A second has faded to that after some 30 s, and the first answers are not believed at once.
    assert!(calls < 3000, "{calls}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_was_left_alone_is_tried_again_and_then_takes_its_share() {
    for strategy in [Strategy::PeakEwma, Strategy::LeastLatency] {
        let fails = Arc::new(AtomicBool::new(true));
        let service = |fails: Arc<AtomicBool>| {
            service_fn(move |_: Call<u8>| {
                let fails = fails.load(Ordering::SeqCst);
                async move {
                    if fails {
                        return Err(PluginError::execution("as asked"));
                    }
                    tokio::time::sleep(100 * MS).await;
                    Ok(Reply::new(0_u8))
                }
            })
        };
        let well = || Arc::new(AtomicBool::new(false));
        let endpoints = [("bad", Arc::clone(&fails)), ("a", well()), ("b", well())]
            .map(|(name, of)| Endpoint::new(name, service(of)));
        let balance = Balance::new(BalanceConfig::new(strategy), endpoints).expect("distinct names").for_calls();
        let handle = balance.handle();
        let total = || handle.get("bad").expect("there").total;
        call_for(&balance, 30, Duration::from_secs(15)).await;
        let while_bad = total();
        assert!((5..=8).contains(&while_bad), "{strategy}: {while_bad}");
        fails.store(false, Ordering::SeqCst);
        call_for(&balance, 30, Duration::from_secs(12)).await;
        assert!(total() > while_bad, "{strategy}: it is tried within ten seconds");
        // Time fades what it failed for.
        call_for(&balance, 30, Duration::from_secs(15)).await;
        let before = total();
        call_for(&balance, 30, Duration::from_secs(10)).await;
        let share = (total() - before) as f64 / 3000.0;
        assert!((0.28..0.38).contains(&share), "{strategy}: {share} of the calls");
    }
}

#[tokio::test(start_paused = true)]
async fn where_all_fail_now_and_then_none_is_left_alone_for_it() {
    for strategy in [Strategy::PeakEwma, Strategy::LeastLatency] {
        let calls: [Arc<AtomicUsize>; 5] = Default::default();
        let endpoints = calls.iter().enumerate().map(|(index, calls)| {
            let (calls, random) = (Arc::clone(calls), Arc::new(Mutex::new(fastrand::Rng::with_seed(index as u64))));
            let service = service_fn(move |_: Call<u8>| {
                calls.fetch_add(1, Ordering::SeqCst);
                let fails = random.lock().expect("no panic").f64() < 0.1;
                async move {
                    tokio::time::sleep(20 * MS).await;
                    if fails { Err(PluginError::execution("by chance")) } else { Ok(Reply::new(0_u8)) }
                }
            });
            Endpoint::new(index.to_string(), service)
        });
        let balance = Balance::new(BalanceConfig::new(strategy), endpoints).expect("distinct names").for_calls();
        call_for(&balance, 50, Duration::from_secs(30)).await;
        let calls = calls.map(|calls| calls.load(Ordering::SeqCst) as f64);
        let even = calls.iter().sum::<f64>() / 5.0;
        assert!(calls.iter().all(|calls| (calls / even - 1.0).abs() < 0.25), "{strategy}: {calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_was_never_measured_is_measured_within_a_round() {
    for count in [2, 3, 10, 33] {
        for fresh in [0, count - 1] {
            let names: Vec<String> = (0..count).map(|index| index.to_string()).collect();
            let endpoint = |name: &String| {
                Endpoint::new(name.as_str(), service_fn(|_: Call<u8>| async { Ok::<_, PluginError>(Reply::new(0_u8)) }))
            };
            let late = names[fresh].clone();
            let others = names.iter().filter(|name| **name != late).map(endpoint);
            let balance =
                Balance::new(BalanceConfig::new(Strategy::PeakEwma), others).expect("distinct names").for_calls();
            for _ in 0..3 * count {
                balance.clone().oneshot(Call::new(1)).await.expect("a reply");
            }
            let handle = balance.handle();
            handle.add(endpoint(&late)).expect("a new name");
            for _ in 0..2 * count {
                balance.clone().oneshot(Call::new(1)).await.expect("a reply");
            }
            assert!(handle.get(&late).expect("there").total > 0, "{count}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_slow_answer_is_enough_to_leave_an_instance_and_under_least_latency_it_is_not() {
    let others = |strategy| if strategy == Strategy::PeakEwma { Strategy::LeastLatency } else { Strategy::PeakEwma };
    for (strategy, leaves) in [(Strategy::PeakEwma, true), (Strategy::LeastLatency, false)] {
        let slow = Arc::new(AtomicUsize::new(0));
        let calls = Arc::new(AtomicUsize::new(0));
        let first = service_fn({
            let (slow, calls) = (Arc::clone(&slow), Arc::clone(&calls));
            move |_: Call<u8>| {
                calls.fetch_add(1, Ordering::SeqCst);
                let takes = if slow.swap(0, Ordering::SeqCst) == 1 { 60 * MS } else { 10 * MS };
                async move {
                    tokio::time::sleep(takes).await;
                    Ok::<_, PluginError>(Reply::new(0_u8))
                }
            }
        });
        let second = service_fn(|_: Call<u8>| async {
            tokio::time::sleep(20 * MS).await;
            Ok::<_, PluginError>(Reply::new(0_u8))
        });
        let endpoints = [
            Endpoint::new("first", BoxCloneSyncService::new(first)),
            Endpoint::new("second", BoxCloneSyncService::new(second)),
        ];
        // Whichever it was before.
        let balance =
            Balance::new(BalanceConfig::new(others(strategy)), endpoints).expect("distinct names").for_calls();
        balance.handle().reconfigure(BalanceConfig::new(strategy));
        let some_calls = async |count: usize| {
            let before = calls.load(Ordering::SeqCst);
            for _ in 0..count {
                balance.clone().oneshot(Call::new(1)).await.expect("a reply");
            }
            calls.load(Ordering::SeqCst) - before
        };
        some_calls(10).await;
        assert_eq!(some_calls(10).await, 10, "{strategy}: the first is the faster");
        slow.store(1, Ordering::SeqCst);
        some_calls(1).await;
        assert_eq!(some_calls(10).await, if leaves { 0 } else { 10 }, "{strategy}");
    }
}
