//! Every interleaving of two and three threads over the atomics of the budget.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p plugin-retry --test loom --release`
#![cfg(loom)]

use std::sync::atomic::{AtomicU32, Ordering};

use loom::{sync::Arc, thread};
use plugin_retry::{
    Throttle, ThrottleConfig,
    model::{SmallLedger, SmallRecent},
};

/// Every execution with at most this many preemptions. Without a bound three threads do not finish.
fn model(preemptions: usize, check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(check);
}

type Job<T> = Box<dyn FnOnce(&SmallLedger) -> T + Send>;

/// Runs these on threads of their own, and gives back what they return.
fn race<T: Send + 'static>(ledger: &Arc<SmallLedger>, jobs: Vec<Job<T>>) -> Vec<T> {
    let threads: Vec<_> = jobs
        .into_iter()
        .map(|job| {
            let ledger = Arc::clone(ledger);
            thread::spawn(move || job(&ledger))
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
}

fn spend(second: u32, window: u32, allowed: u64) -> Job<bool> {
    Box::new(move |ledger| ledger.spend(second, window, allowed).is_some())
}

#[test]
fn of_two_who_ask_for_the_last_unit_exactly_one_gets_it() {
    model(3, || {
        let ledger = Arc::new(SmallLedger::new());
        let got = race(&ledger, vec![spend(9, 2, 1), spend(9, 2, 1)]);
        assert_eq!(got.iter().filter(|got| **got).count(), 1, "neither two nor none");
        assert_eq!(ledger.spent(9, 2), 1);
    });
}

#[test]
fn of_three_who_ask_for_two_units_exactly_two_get_one() {
    model(2, || {
        let ledger = Arc::new(SmallLedger::new());
        assert_eq!(ledger.spent(9, 2), 0);
        let got = race(&ledger, vec![spend(9, 2, 2), spend(9, 2, 2), spend(9, 2, 2)]);
        assert_eq!(got.iter().filter(|got| **got).count(), 2);
    });
}

#[test]
fn what_was_spent_while_a_second_begins_is_in_one_of_the_two() {
    model(3, || {
        let ledger = Arc::new(SmallLedger::new());
        assert!(ledger.spend(9, 2, 9).is_some());
        // One thread still lives in the old second while the other begins the next.
        let got = race(&ledger, vec![spend(9, 2, 2), spend(10, 2, 2)]);
        assert_eq!(got.iter().filter(|got| **got).count(), 1, "one unit was left");
        assert_eq!(ledger.spent(10, 2), 2);
        assert!(ledger.spent(11, 2) <= 1, "what second 9 has spent is gone");
        assert_eq!(ledger.spent(12, 2), 0);
    });
}

#[test]
fn two_who_begin_the_same_second_agree_on_what_went_before() {
    model(2, || {
        let ledger = Arc::new(SmallLedger::new());
        assert!(ledger.spend(9, 1, 9).is_some());
        let ask = |second| -> Job<Option<u32>> { Box::new(move |ledger| ledger.spend(second, 1, 2)) };
        let booked = race(&ledger, vec![ask(10), ask(9), ask(10)]);
        // The window is one second, and second 10 has two units. The one who lives in second 9 takes the unit that is
        // left there, or comes too late and is one of three in second 10.
        assert_eq!(booked.iter().filter(|second| **second == Some(10)).count(), 2, "{booked:?}");
        assert_eq!(ledger.spent(10, 1), 2);
    });
}

#[test]
fn what_was_spent_long_ago_refuses_nobody() {
    model(3, || {
        let ledger = Arc::new(SmallLedger::new());
        assert!(ledger.spend(5, 1, 9).is_some() && ledger.spend(5, 1, 9).is_some());
        let got = race(&ledger, vec![spend(9, 1, 2), spend(9, 1, 2)]);
        assert_eq!(got, [true, true]);
    });
}

#[test]
fn a_unit_that_was_given_back_can_be_spent_once_more() {
    model(3, || {
        let ledger = Arc::new(SmallLedger::new());
        let taken = ledger.spend(9, 2, 1).expect("there is one");
        let giver = {
            let ledger = Arc::clone(&ledger);
            thread::spawn(move || ledger.give_back(taken))
        };
        let early = [9, 10].iter().filter(|second| ledger.spend(**second, 2, 1).is_some()).count();
        giver.join().expect("no panic");
        let late = usize::from(ledger.spend(10, 2, 1).is_some());
        assert_eq!(early + late, 1);
    });
}

#[test]
fn no_success_is_lost_and_none_is_spent_twice_on_lanes_of_their_own() {
    successes_that_are_spent(2, |recent, thread| recent.add_on_own(1 + thread, 9));
}

#[test]
fn no_success_is_lost_and_none_is_spent_twice_on_the_common_lane() {
    successes_that_are_spent(0, |recent, _| recent.add_on_common(9));
}

/// Two threads succeed once each, and each asks for a retry; half as many are allowed as there were successes.
fn successes_that_are_spent(own_lanes: usize, add: fn(&SmallRecent, usize)) {
    model(2, move || {
        let recent = Arc::new(SmallRecent::new(own_lanes));
        let ledger = Arc::new(SmallLedger::new());
        let spent = Arc::new(AtomicU32::new(0));
        let threads: Vec<_> = (0..2)
            .map(|index| {
                let (recent, ledger, spent) = (Arc::clone(&recent), Arc::clone(&ledger), Arc::clone(&spent));
                thread::spawn(move || {
                    add(&recent, index);
                    if ledger.spend_with(9, 1, |second| recent.sum(second, 1) / 2).is_some() {
                        spent.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(recent.sum(9, 1), 2);
        assert!(spent.load(Ordering::SeqCst) <= 1, "half of two successes");
    });
}

#[test]
fn a_throttle_loses_no_token_and_makes_none() {
    model(3, || {
        let throttle = Arc::new(Throttle::new(ThrottleConfig::new(2, 0.5).expect("in bounds")));
        let threads: Vec<_> = (0..2)
            .map(|index| {
                let throttle = Arc::clone(&throttle);
                thread::spawn(move || if index == 0 { throttle.on_failure() } else { throttle.on_success() })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        // A success before the failure finds it full; after, it puts half a token back.
        assert!([1.0, 1.5].contains(&throttle.tokens()), "{}", throttle.tokens());
    });
}
