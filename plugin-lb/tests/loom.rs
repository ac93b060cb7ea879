//! The interleavings of two threads, as loom sees them: `RUSTFLAGS="--cfg loom" cargo test -p plugin-lb --test loom
//! --release`.
//!
//! The models go through the public face, so that they hold for what is really run: the words of an ejection, the lock
//! under which it is decided, the turns, the scores and the snapshots. Leases and lanes are plugin-core's own;
//! `tests/shuttle.rs` has more threads, and some of the schedules.
#![cfg(loom)]

use std::{sync::Arc, time::Duration};

use loom::thread;
use plugin_lb::{
    Balance, BalanceConfig, BalanceHandle, Endpoint, Hints, InstanceStats, OutlierConfig, PickedInstance, Strategy,
};

type Handle = BalanceHandle<()>;

/// No thread is interrupted more than three times in an interleaving: without a bound some models take a minute.
fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

const NANOSECOND: Duration = Duration::from_nanos(1);
const HOUR: Duration = Duration::from_secs(3600);

fn config(failures: u32, ejection_time: Duration) -> BalanceConfig {
    let outlier = OutlierConfig::builder()
        .with_consecutive_failures(failures)
        .with_ejection_time(ejection_time)
        .with_max_ejection_time(ejection_time)
        .build()
        .expect("valid");
    BalanceConfig::builder().with_strategy(Strategy::RoundRobin).with_outlier(outlier).build().expect("valid")
}

/// Of two in turn. So many failures eject; for a nanosecond it is over when the clock is read again, which is real
/// here.
fn two(failures: u32, ejection_time: Duration) -> (Balance<()>, Handle) {
    let endpoints = ["a", "b"].map(|name| Endpoint::new(name, ()));
    let balance = Balance::new(config(failures, ejection_time), endpoints).expect("two names");
    let handle = balance.handle();
    (balance, handle)
}

fn call(handle: &Handle, succeeds: bool) -> String {
    end(handle.pick(&Hints::new()).expect("there is one"), succeeds)
}

/// A call on "a", as long as it is not ejected.
fn call_a(handle: &Handle, succeeds: bool) -> String {
    end(handle.pick(&Hints::new().with_preferred(&["a".into()])).expect("there is one"), succeeds)
}

fn end(picked: PickedInstance<()>, succeeds: bool) -> String {
    let name = picked.name().to_owned();
    if succeeds {
        picked.succeeded()
    } else {
        picked.failed()
    }
    name
}

fn a(handle: &Handle) -> InstanceStats {
    handle.get("a").expect("there")
}

/// Succeeded, failed and in flight, of all.
fn counts(handle: &Handle) -> (u64, u64, u64) {
    let sum =
        |(ok, failed, active), stats: InstanceStats| (ok + stats.ok, failed + stats.failed, active + stats.active);
    handle.stats().into_iter().fold((0, 0, 0), sum)
}

/// Each takes a call again within a round.
fn assert_both_are_back(handle: &Handle) {
    let names: std::collections::BTreeSet<_> = (0..2).map(|_| call(handle, true)).collect();
    assert_eq!(names.len(), 2, "{names:?}: {:?}", handle.stats());
}

#[test]
fn two_failures_at_once_are_both_counted_and_who_is_ejected_comes_back() {
    model(|| {
        let (_balance, handle) = two(1, NANOSECOND);
        let other = thread::spawn({
            let handle = handle.clone();
            move || call(&handle, false)
        });
        call(&handle, false);
        other.join().expect("no panic");
        assert_eq!(counts(&handle), (0, 2, 0));
        assert!(handle.stats().iter().map(|stats| stats.ejections).sum::<u64>() >= 1);
        assert_both_are_back(&handle);
    });
}

#[test]
fn of_two_failures_in_a_row_at_once_none_is_lost_and_they_eject_once() {
    model(|| {
        let (_balance, handle) = two(2, HOUR);
        let picked = || handle.pick(&Hints::new().with_preferred(&["a".into()])).expect("there is one");
        let (one, other) = (picked(), picked());
        let other = thread::spawn(move || other.failed());
        one.failed();
        other.join().expect("no panic");
        assert_eq!((a(&handle).failed, a(&handle).ejections), (2, 1));
        assert!(a(&handle).ejected_for.is_some());
        assert_eq!([call_a(&handle, true), call_a(&handle, true)], ["b", "b"]);
    });
}

#[test]
fn who_looks_at_an_ejection_that_is_over_does_not_end_the_next_one() {
    model(|| {
        let (_balance, handle) = two(1, NANOSECOND);
        call_a(&handle, false);
        handle.reconfigure(config(1, HOUR));
        let other = thread::spawn({
            let handle = handle.clone();
            move || drop(handle.pick(&Hints::new()))
        });
        assert_eq!(call_a(&handle, false), "a", "it is back");
        other.join().expect("no panic");
        assert_eq!(a(&handle).ejections, 2);
        assert!(a(&handle).ejected_for.is_some(), "{:?}", a(&handle));
    });
}

#[test]
fn a_success_beside_the_end_of_an_ejection_loses_neither() {
    model(|| {
        let (_balance, handle) = two(1, NANOSECOND);
        call(&handle, false);
        let other = thread::spawn({
            let handle = handle.clone();
            move || call(&handle, true)
        });
        call(&handle, true);
        other.join().expect("no panic");
        assert_eq!(counts(&handle), (2, 1, 0));
        assert_both_are_back(&handle);
    });
}

#[test]
fn one_that_is_removed_is_picked_by_nobody_who_begins_after_it_and_what_it_had_is_counted() {
    model(|| {
        let (_balance, handle) = two(1, NANOSECOND);
        let other = thread::spawn({
            let handle = handle.clone();
            move || call(&handle, false)
        });
        let removed = handle.remove("a").expect("there");
        assert_eq!(call(&handle, true), "b");
        other.join().expect("no panic");
        let (ok, failed, active) = counts(&handle);
        let gone = removed.stats();
        assert_eq!((ok + gone.ok, failed + gone.failed, active + gone.active), (1, 1, 0));
        assert_eq!(call(&handle, true), "b");
    });
}

#[test]
fn an_ejection_beside_the_switch_off_of_ejections_keeps_nobody_out() {
    model(|| {
        let (_balance, handle) = two(1, NANOSECOND);
        let other = thread::spawn({
            let handle = handle.clone();
            move || call(&handle, false)
        });
        handle.reconfigure(BalanceConfig::default());
        other.join().expect("no panic");
        assert!(handle.stats().iter().all(|stats| stats.ejected_for.is_none()));
        assert_both_are_back(&handle);
    });
}

#[test]
fn the_number_of_who_is_in_flight_is_that_of_the_guards() {
    model(|| {
        let (_balance, handle) = two(1, NANOSECOND);
        let held = Arc::new(handle.pick(&Hints::new()).expect("there is one"));
        let other = thread::spawn({
            let held = Arc::clone(&held);
            move || drop(held)
        });
        drop(held);
        other.join().expect("no panic");
        assert_eq!(counts(&handle), (0, 0, 0));
    });
}
