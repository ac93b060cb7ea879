//! Many threads in schedules that are drawn: `RUSTFLAGS="--cfg shuttle" cargo test -p plugin-lb --test shuttle
//! --release`.
//!
//! loom looks at every interleaving and so at small models; here four threads do what programs do to a balancer, for
//! `SHUTTLE_SCHEDULES` schedules (2,000 where that is not set). What a schedule draws is drawn by shuttle, so that one
//! that fails can be run again by what it prints. Time is a machine's that a thread moves now and then.
#![cfg(shuttle)]

use std::{cell::RefCell, collections::BTreeSet, sync::Arc, time::Duration};

use plugin_core::clock::fake::Machine;
use plugin_lb::{
    Balance, BalanceConfig, BalanceHandle, Endpoint, Hints, InstanceStats, OutlierConfig, RemovedInstance, Strategy,
};
use shuttle::{
    rand::{Rng, thread_rng},
    sync::Mutex,
    thread,
};

type Handle = BalanceHandle<()>;

const HOUR: Duration = Duration::from_secs(3600);

thread_local!(static MACHINE: RefCell<Option<Machine>> = const { RefCell::new(None) });

fn pass(time: Duration) {
    // All threads of a model are on this one.
    MACHINE.with_borrow(|machine| machine.as_ref().expect("installed").pass(time));
}

/// Runs a model for as many schedules as are asked for.
fn schedules(model: impl Fn() + Send + Sync + 'static) {
    let schedules = std::env::var("SHUTTLE_SCHEDULES").map_or(2_000, |text| text.parse().expect("a number"));
    let model = move || {
        MACHINE.with_borrow_mut(|machine| drop(machine.take()));
        MACHINE.set(Some(Machine::install()));
        // What strategies draw: the same in a schedule that is run again.
        fastrand::seed(thread_rng().gen_range(0..u64::MAX));
        model();
    };
    shuttle::check_random(model, schedules);
}

fn outlier() -> OutlierConfig {
    let builder = OutlierConfig::builder().with_consecutive_failures(2).with_max_ejected_percent(100);
    builder.with_ejection_time(Duration::from_secs(1)).build().expect("valid")
}

fn config(strategy: Strategy) -> BalanceConfig {
    BalanceConfig::builder().with_strategy(strategy).with_outlier(outlier()).build().expect("valid")
}

fn any_strategy() -> Strategy {
    Strategy::ALL[thread_rng().gen_range(0..Strategy::ALL.len())]
}

fn balance(instances: usize) -> (Balance<()>, Handle) {
    let endpoints = (0..instances).map(|number| Endpoint::new(number.to_string(), ()));
    let balance = Balance::new(config(any_strategy()), endpoints).expect("distinct names");
    let handle = balance.handle();
    (balance, handle)
}

/// What a caller knows of its calls.
#[derive(Clone, Copy, Default)]
struct Counted {
    ok: u64,
    failed: u64,
    neither: u64,
}

impl Counted {
    fn add(&mut self, other: Self) {
        (self.ok, self.failed) = (self.ok + other.ok, self.failed + other.failed);
        self.neither += other.neither;
    }

    /// The same, told by the balancer.
    fn of(stats: &InstanceStats) -> Self {
        assert_eq!(stats.active, 0, "{stats:?}");
        Self { ok: stats.ok, failed: stats.failed, neither: stats.total - stats.ok - stats.failed }
    }
}

/// One call to its end, if there is anybody to call.
fn call(handle: &Handle, counted: &mut Counted) {
    let Ok(picked) = handle.pick(&Hints::new()) else { return };
    match thread_rng().gen_range(0..4) {
        0 => {
            picked.succeeded();
            counted.ok += 1;
        }
        1 => {
            drop(picked);
            counted.neither += 1;
        }
        _ => {
            picked.failed();
            counted.failed += 1;
        }
    }
}

/// Callers beside whatever else happens, and what they know at the end.
fn callers(handle: &Handle, threads: usize, calls: usize) -> Vec<thread::JoinHandle<Counted>> {
    let caller = |_| {
        let handle = handle.clone();
        thread::spawn(move || {
            let mut counted = Counted::default();
            (0..calls).for_each(|_| call(&handle, &mut counted));
            counted
        })
    };
    (0..threads).map(caller).collect()
}

fn sum(callers: Vec<thread::JoinHandle<Counted>>) -> Counted {
    let mut all = Counted::default();
    callers.into_iter().for_each(|caller| all.add(caller.join().expect("no panic")));
    all
}

/// After enough time each that is enabled takes a call within two rounds.
fn assert_all_are_back(handle: &Handle) {
    handle.reconfigure(config(Strategy::RoundRobin));
    pass(HOUR);
    let enabled: BTreeSet<_> =
        handle.stats().iter().filter(|stats| stats.enabled).map(|stats| stats.name.to_string()).collect();
    let answered = |_| {
        let picked = handle.pick(&Hints::new()).expect("one");
        let name = picked.name().to_owned();
        picked.succeeded();
        name
    };
    let picked: BTreeSet<_> = (0..2 * enabled.len()).map(answered).collect();
    assert_eq!(picked, enabled, "{:?}", handle.stats());
    assert!(handle.stats().iter().all(|stats| stats.ejected_for.is_none()));
}

fn assert_counts(counted: Counted, told: impl IntoIterator<Item = InstanceStats>) {
    let mut all = Counted::default();
    told.into_iter().for_each(|stats| all.add(Counted::of(&stats)));
    assert_eq!((counted.ok, counted.failed, counted.neither), (all.ok, all.failed, all.neither));
}

#[test]
fn no_call_is_lost_and_none_stays_in_flight_while_instances_are_ejected_and_come_back() {
    schedules(|| {
        let (_balance, handle) = balance(3);
        let callers = callers(&handle, 3, 4);
        for _ in 0..3 {
            pass(Duration::from_millis(thread_rng().gen_range(0..2_000)));
            thread::yield_now();
        }
        assert_counts(sum(callers), handle.stats());
        assert_all_are_back(&handle);
    });
}

#[test]
fn one_that_is_removed_is_never_picked_again_and_its_calls_are_counted() {
    schedules(|| {
        let (_balance, handle) = balance(3);
        let callers = callers(&handle, 2, 4);
        let removed: Arc<Mutex<Vec<RemovedInstance<()>>>> = Arc::default();
        let remover = {
            let (handle, removed) = (handle.clone(), Arc::clone(&removed));
            thread::spawn(move || {
                let gone = handle.remove("1").expect("there");
                removed.lock().expect("no panic").push(gone);
                for _ in 0..3 {
                    assert_ne!(handle.pick(&Hints::new()).expect("two are left").name(), "1");
                }
                3
            })
        };
        handle.add(Endpoint::new("new", ())).expect("a new name");
        let mut counted = sum(callers);
        counted.neither += remover.join().expect("no panic");
        let gone = removed.lock().expect("no panic").iter().map(RemovedInstance::stats).collect::<Vec<_>>();
        assert_counts(counted, handle.stats().into_iter().chain(gone));
        assert_all_are_back(&handle);
    });
}

#[test]
fn settings_and_switches_that_change_meanwhile_keep_nobody_out() {
    schedules(|| {
        let (_balance, handle) = balance(2);
        let callers = callers(&handle, 2, 4);
        let switcher = {
            let handle = handle.clone();
            thread::spawn(move || {
                handle.disable_instance("0").expect("there");
                handle.reconfigure(BalanceConfig::new(any_strategy()));
                pass(Duration::from_secs(1));
                handle.reconfigure(config(any_strategy()));
                handle.enable_instance("0").expect("there");
            })
        };
        let counted = sum(callers);
        switcher.join().expect("no panic");
        assert_counts(counted, handle.stats());
        assert_all_are_back(&handle);
    });
}
