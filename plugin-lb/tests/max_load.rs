//! Keys on a live balancer whose instances may have only so much more than their share of the calls in flight.

use std::collections::BTreeMap;

use plugin_core::Call;
use plugin_lb::{Balance, BalanceConfig, BalanceHandle, Endpoint, Hints, PickedInstance, Strategy};
use tower_service::Service;

mod common;
use common::{Calls, Does, Instance, balance_with};

const BY_KEY: [Strategy; 2] = [Strategy::ConsistentHash, Strategy::Maglev];

fn config(strategy: Strategy, most: impl Into<Option<f64>>) -> BalanceConfig {
    BalanceConfig::builder().with_strategy(strategy).with_max_load(most).build().expect("valid")
}

fn hot() -> Hints<'static> {
    Hints::new().with_affinity(7)
}

/// Calls in flight on each.
fn active<S>(handle: &BalanceHandle<S>) -> Vec<u64> {
    handle.stats().iter().map(|stats| stats.active).collect()
}

fn pick<S: Clone>(handle: &BalanceHandle<S>, times: usize) -> Vec<PickedInstance<S>> {
    (0..times).map(|_| handle.pick(&hot()).expect("enabled")).collect()
}

fn endpoints(count: usize) -> impl Iterator<Item = Endpoint<()>> {
    (0..count).map(|index| Endpoint::new(index.to_string(), ()))
}

/// The most calls that one of `count` equals may have when this many are in flight, `most` being 1.25.
fn bound(calls: usize, count: usize) -> u64 {
    (5 * calls).div_ceil(4 * count) as u64
}

#[test]
fn a_hot_key_fills_its_instance_to_the_bound_and_goes_on() {
    for strategy in BY_KEY {
        for count in [2, 3, 10] {
            let balance = Balance::new(config(strategy, 1.25), endpoints(count)).expect("names of their own");
            let handle = balance.handle();
            let mut held = Vec::new();
            for calls in 1..=10 * count {
                held.extend(pick(&handle, 1));
                let most = active(&handle).into_iter().max().expect("some");
                assert!(most <= bound(calls, count), "{strategy} of {count}: {most} after {calls}");
            }
            assert_eq!(active(&handle).into_iter().max(), Some(bound(10 * count, count)), "{strategy}: no less either");
            drop(held);
            assert_eq!(active(&handle), vec![0; count]);
            // Nothing is in flight any more: the key is where it was, and of three or more one call fills it.
            let (first, second) = (pick(&handle, 1), pick(&handle, 1));
            assert_eq!(first[0].id() == second[0].id(), count == 2, "{strategy} of {count}");
        }
    }
}

#[test]
fn without_a_bound_one_instance_takes_it_all() {
    for strategy in BY_KEY {
        let balance = Balance::new(config(strategy, None), endpoints(5)).expect("names of their own");
        let held = pick(&balance.handle(), 20);
        assert_eq!(active(&balance.handle()).into_iter().max(), Some(held.len() as u64));
    }
}

#[test]
fn a_bound_that_comes_while_calls_run_counts_them_and_one_that_goes_is_forgotten() {
    for strategy in BY_KEY {
        let balance = Balance::new(config(strategy, None), endpoints(4)).expect("names of their own");
        let handle = balance.handle();
        let before = pick(&handle, 8);
        handle.reconfigure(config(strategy, 1.25));
        // Of 9 an instance may have 3; the one that has 8 gets no other.
        let owner = before[0].id();
        let mut after = pick(&handle, 1);
        assert_ne!(after[0].id(), owner);
        after.extend(pick(&handle, 5));
        assert!(after.iter().all(|picked| picked.id() != owner), "{:?}", active(&handle));
        drop(before);
        after.extend(pick(&handle, 14));
        let most = active(&handle).into_iter().max().expect("some");
        assert!(most <= bound(20, 4), "{:?}", active(&handle));
        handle.reconfigure(config(strategy, None));
        let free = pick(&handle, 30);
        assert!(free.iter().all(|picked| picked.id() == owner));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_in_flight_on_all_until_it_ends_is_dropped_or_goes_elsewhere() {
    for strategy in BY_KEY {
        let instances = ["a", "b", "c"].map(|name| Instance::new(name, Does::Answer));
        let mut balance: Calls = balance_with(config(strategy, 1.25), &instances);
        let keyed = || {
            let mut call = Call::new(1);
            call.context_mut().set_affinity_key(b"hot");
            call
        };
        let owner = *balance.call(keyed()).await.expect("answered").payload();
        // Were each of these still counted, the bound would have grown, and the owner would take two.
        for _ in 0..50 {
            assert_eq!(*balance.call(keyed()).await.expect("answered").payload(), owner);
            drop(balance.call(keyed()));
        }
        let (first, second) = (balance.call(keyed()), balance.call(keyed()));
        assert_eq!(active(&balance.handle()).iter().max(), Some(&1), "{strategy}");
        assert_eq!(*first.await.expect("answered").payload(), owner);
        assert_ne!(*second.await.expect("answered").payload(), owner);
        // One whose owner refuses goes to another, and is one call all the same.
        let refusing = instances.each_ref().map(|instance| {
            let does = if instance.name == owner { Does::RefuseConnection } else { Does::Answer };
            Instance::new(instance.name, does)
        });
        let mut balance: Calls = balance_with(config(strategy, 1.25), &refusing);
        for _ in 0..50 {
            assert_ne!(*balance.call(keyed()).await.expect("answered").payload(), owner);
        }
        let _two = (balance.call(keyed()), balance.call(keyed()));
        assert_eq!(active(&balance.handle()).iter().max(), Some(&1), "{strategy}");
    }
}

#[test]
fn calls_on_an_instance_that_takes_none_any_more_are_calls_too() {
    for strategy in BY_KEY {
        let handle = Balance::new(config(strategy, 1.25), endpoints(3)).expect("names of their own").handle();
        let before = pick(&handle, 12);
        let owner = before[0].name().to_owned();
        handle.disable_instance(&owner).expect("it is there");
        let _after = pick(&handle, 8);
        let of_others = handle.stats().into_iter().filter(|stats| *stats.name != *owner).map(|stats| stats.active);
        // Of 20, and two that share them.
        assert_eq!(of_others.max(), Some(bound(20, 2)), "{strategy}: {:?}", active(&handle));
    }
}

#[test]
fn two_threads_pass_the_bound_by_no_more_than_one() {
    let balance = Balance::new(config(Strategy::ConsistentHash, 1.25), endpoints(4)).expect("names of their own");
    let handle = balance.handle();
    let counts: BTreeMap<_, usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| pick(&handle, 400))).collect();
        let held: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        held.iter().fold(BTreeMap::new(), |mut counts, picked| {
            *counts.entry(picked.name().to_owned()).or_default() += 1;
            counts
        })
    });
    assert!(counts.values().all(|count| *count as u64 <= bound(800, 4) + 1), "{counts:?}");
    assert_eq!(active(&handle), [0; 4]);
}

#[cfg(feature = "axum")]
mod bodies {
    use axum::body::Body;
    use http::{Request, Response};
    use plugin_core::{AtEnd, BoxError, Judgement};
    use tower::{Service, service_fn};

    use super::*;

    #[derive(Clone)]
    struct AtTheEnd;

    impl plugin_core::Classify<Response<Body>, BoxError> for AtTheEnd {
        fn classify(&self, _: Result<&Response<Body>, &BoxError>) -> Judgement {
            Judgement::at_end()
        }

        fn classify_end(&self, _: plugin_core::End<'_>) -> Judgement {
            Judgement::success()
        }
    }

    #[tokio::test]
    async fn a_body_that_is_read_is_in_flight_on_all() {
        let answer = |_: Request<()>| async { Ok::<_, BoxError>(Response::new(Body::from("a body"))) };
        let endpoints = (0..2).map(|index| Endpoint::new(index.to_string(), service_fn(answer)));
        let mut balance = Balance::new(config(Strategy::Maglev, 1.5), endpoints)
            .expect("names of their own")
            .classify(AtTheEnd)
            .hints_with(|_: &Request<()>| hot())
            .follow::<AtEnd>();
        let handle = balance.handle();
        handle.add(Endpoint::new("spare", service_fn(answer)).with_enabled(false)).expect("a new name");
        // 1.5 times the half of them; were those that have ended still counted, it would be more.
        for (calls, most) in [(8, 6), (4, 3), (8, 6)] {
            let mut bodies = Vec::new();
            for _ in 0..calls {
                bodies.push(balance.call(Request::new(())).await.expect("answered").into_body());
            }
            let counts = active(&handle);
            assert_eq!((counts.iter().sum::<u64>(), counts.into_iter().max()), (calls, Some(most)));
        }
        // Those of an instance that takes no calls any more count too.
        handle.reconfigure(config(Strategy::Maglev, 1.25));
        let mut bodies = Vec::new();
        for _ in 0..8 {
            bodies.push(balance.call(Request::new(())).await.expect("answered").into_body());
        }
        let fullest = handle.stats().into_iter().max_by_key(|stats| stats.active).expect("some").name;
        handle.disable_instance(&fullest).expect("it is there");
        handle.enable_instance("spare").expect("it is there");
        for _ in 0..8 {
            bodies.push(balance.call(Request::new(())).await.expect("answered").into_body());
        }
        // Of 16 one of two may have 10; of the 11 that are on those two it would be 7.
        let most = handle.stats().iter().filter(|stats| stats.enabled).map(|stats| stats.active).max();
        assert!(most.is_some_and(|most| (8..=10).contains(&most)), "{:?}", active(&handle));
    }
}
