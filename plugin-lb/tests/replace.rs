//! A whole new set of instances in one step, as discovery finds them.

mod common;

use std::{cell::RefCell, sync::Arc, time::Duration};

use common::{Does, Instance};
use plugin_core::{Call, HealthCell, HealthStatus, clock};
use plugin_lb::{Balance, BalanceConfig, BalanceHandle, Endpoint, Hints, MembershipErrorKind, Strategy};
use tower::Service;

fn ports(from: u32, to: u32) -> impl Iterator<Item = Endpoint<u32>> {
    (from..to).map(|port| Endpoint::new(format!("i{port}"), port))
}

fn names<S>(handle: &BalanceHandle<S>) -> Vec<String> {
    handle.stats().iter().map(|stats| stats.name.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn those_that_stay_keep_their_service_their_figures_and_their_calls_and_only_new_ones_are_connected() {
    let slow = Instance::new("i1", Does::AnswerAfter(Duration::from_millis(50)));
    let balance = Balance::new(BalanceConfig::default(), [slow.endpoint()]).expect("one").for_calls();
    let handle = balance.handle();
    let call = tokio::spawn(balance.clone().call(Call::new(1)));
    tokio::task::yield_now().await;
    let connected = RefCell::new(Vec::new());
    let connect = |name: &str, port: u32| {
        connected.borrow_mut().push((name.to_owned(), port));
        Instance::new("new", Does::Answer)
    };
    let id = handle.get("i1").expect("there").id;
    let change = handle.replace(ports(0, 3), connect).expect("distinct names");
    assert_eq!((change.added.len(), change.removed.len()), (2, 0));
    assert_eq!(*connected.borrow(), [("i0".to_owned(), 0), ("i2".to_owned(), 2)]);
    assert_eq!(names(&handle), ["i0", "i1", "i2"], "in the order of the set");
    let stats = handle.get("i1").expect("there");
    assert_eq!((stats.id, stats.active, stats.total), (id, 1, 1));

    let change = handle.replace(ports(2, 3), connect).expect("distinct names");
    let [first, second] = &change.removed[..] else { panic!("{:?}", change.removed) };
    assert_eq!(first.active() + second.active(), 1, "a call is in flight on one that is gone");
    assert_eq!(*call.await.expect("no panic").expect("an answer").payload(), "i1");
    assert_eq!(first.active() + second.active(), 0);
    assert_eq!(names(&handle), ["i2"]);
}

#[test]
fn what_was_found_of_an_instance_is_taken_over_and_what_the_operator_said_of_it_stays() {
    let handle = Balance::new(BalanceConfig::new(Strategy::WeightedRoundRobin), []).expect("empty").handle();
    let set =
        |weight, enabled| [Endpoint::new("a", ()).with_weight(weight).with_enabled(enabled), Endpoint::new("b", ())];
    let connect = |_: &str, ()| ();
    let _ = handle.replace(set(1, true), connect).expect("valid");
    handle.disable_instance("b").expect("there");
    let cell = Arc::new(HealthCell::default());
    cell.set(HealthStatus::degraded("slow"));
    let [a, b] = set(7, false);
    let a = a.with_zone("north").with_priority(3).with_health(Arc::clone(&cell));
    let _ = handle.replace([a, b], connect).expect("valid");
    let of = |name: &str| handle.get(name).expect("there");
    assert_eq!((of("a").weight, of("a").priority, of("a").zone.as_deref()), (7, 3, Some("north")));
    assert_eq!((of("a").enabled, of("b").enabled), (false, false), "not offered, and disabled");
    assert!(handle.pick(&Hints::new()).is_err());
    let _ = handle.replace(set(2, true), connect).expect("valid");
    assert_eq!((of("a").enabled, of("b").enabled), (true, false), "what the operator disabled stays so");
    assert_eq!(
        (of("a").zone, of("a").health),
        (None, plugin_core::HealthState::Degraded),
        "a cell stays without a new one"
    );
    handle.enable_instance("b").expect("there");
    assert!(of("b").enabled);
}

#[test]
fn a_set_with_a_fault_changes_nothing() {
    let handle = Balance::new(BalanceConfig::default(), [Endpoint::new("a", ())]).expect("one").handle();
    let connect = |_: &str, ()| ();
    for (name, weight, kind) in [("b", 1, MembershipErrorKind::Duplicate), ("c", 0, MembershipErrorKind::Weight)] {
        let set = [Endpoint::new("b", ()), Endpoint::new(name, ()).with_weight(weight)];
        let error = handle.replace(set, connect).expect_err("a fault");
        assert_eq!((error.kind(), error.name()), (kind, name));
        assert_eq!(names(&handle), ["a"]);
        assert!(handle.pick(&Hints::new()).is_ok());
    }
}

#[test]
fn the_closure_that_connects_may_come_back_to_the_handle_and_what_is_removed_meanwhile_is_connected_too() {
    let handle = Balance::new(BalanceConfig::default(), [Endpoint::new("a", ()), Endpoint::new("b", ())]);
    let handle = handle.expect("two names").handle();
    let connected = RefCell::new(Vec::new());
    let set = ["a", "b", "c"].map(|name| Endpoint::new(name, ()));
    let change = handle.replace(set, |name, ()| {
        connected.borrow_mut().push(name.to_owned());
        if name == "c" {
            handle.set_weight("a", 3).expect("there");
            handle.remove("b").expect("there");
        }
    });
    assert_eq!((change.expect("valid").added.len(), connected.borrow().join(" ")), (2, "c b".to_owned()));
    assert_eq!(names(&handle), ["a", "b", "c"]);
}

#[test]
fn an_empty_set_leaves_nobody_and_the_next_one_is_whole() {
    let handle = Balance::new(BalanceConfig::default(), [Endpoint::new("a", ())]).expect("one").handle();
    let connect = |_: &str, ()| ();
    let none: [Endpoint<()>; 0] = [];
    assert_eq!(handle.replace(none, connect).expect("valid").removed.len(), 1);
    assert!(handle.is_empty() && handle.pick(&Hints::new()).is_err());
    let _ = handle.replace([Endpoint::new("a", ())], connect).expect("valid");
    assert!(handle.pick(&Hints::new()).is_ok());
}

#[test]
fn one_of_ten_thousand_that_changes_is_no_work_for_the_others() {
    let handle = Balance::new(BalanceConfig::default(), []).expect("empty").handle();
    let _ = handle.replace(ports(0, 10_000), |_, _| ()).expect("distinct names");
    let began = clock::now();
    let rounds: u32 = 3;
    for round in 1..=rounds {
        let change = handle.replace(ports(round, 10_000 + round), |_, _| ()).expect("distinct names");
        assert_eq!((change.added.len(), change.removed.len()), (1, 1));
    }
    // A build without optimizations takes a quarter of this; a search in the list for each of them would take minutes.
    assert!(began.elapsed() / rounds < Duration::from_millis(500), "{:?}", began.elapsed() / rounds);
    assert_eq!(handle.len(), 10_000);
}
