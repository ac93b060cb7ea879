//! Every interleaving of threads that take a lane, count on it and give it back:
//! `RUSTFLAGS="--cfg loom" cargo test -p plugin-core --test loom --release`.
//!
//! What is modelled is `sync::lane::owners`: the source is taken in as it is, with loom's atomics.
#![cfg(loom)]

mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU8, AtomicU64, Ordering};
}

#[path = "../src/sync/lane/owners.rs"]
#[allow(unreachable_pub, reason = "the library exports it")]
mod owners;

use std::sync::Arc;

use atomic::{AtomicU8, AtomicU64, Ordering};
use loom::thread;
use owners::{COMMON, LANES, Owners, add, is_own};

/// A stripe of which this many lanes can still be had.
struct Stripe {
    owners: Owners,
    cells: [AtomicU64; LANES],
}

impl Stripe {
    fn with_free(lanes: usize) -> Arc<Self> {
        let taken = (COMMON + 1 + lanes..LANES).fold(0, |taken, within| taken | 1 << within);
        Arc::new(Self { owners: Owners(AtomicU8::new(taken)), cells: std::array::from_fn(|_| AtomicU64::new(0)) })
    }

    /// What a thread does from its first count to its end.
    fn count(&self, times: u64) {
        let within = self.owners.take();
        (0..times).for_each(|_| add(&self.cells[within], 1, within));
        if is_own(within) {
            self.owners.give_back(within);
        }
    }

    fn sum(&self) -> u64 {
        self.cells.iter().map(|cell| cell.load(Ordering::Acquire)).sum()
    }
}

fn spawn(stripe: &Arc<Stripe>, times: u64) -> thread::JoinHandle<()> {
    let stripe = Arc::clone(stripe);
    thread::spawn(move || stripe.count(times))
}

#[test]
fn two_threads_over_one_lane_lose_no_count_whether_one_follows_the_other_or_takes_the_common_one() {
    loom::model(|| {
        let stripe = Stripe::with_free(1);
        let other = spawn(&stripe, 2);
        stripe.count(2);
        other.join().expect("no panic");
        assert_eq!(stripe.sum(), 4);
    });
}

#[test]
fn two_threads_over_two_lanes_that_a_third_one_reads_lose_no_count() {
    loom::model(|| {
        let stripe = Stripe::with_free(2);
        let others = [1, 2].map(|times| spawn(&stripe, times));
        let early = stripe.sum();
        others.into_iter().for_each(|other| other.join().expect("no panic"));
        assert!(early <= 3 && stripe.sum() == 3);
    });
}

#[test]
fn three_threads_lose_no_count_where_one_lane_passes_from_one_to_the_next() {
    let mut builder = loom::model::Builder::new();
    // Without a bound three threads do not finish.
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let stripe = Stripe::with_free(1);
        let others = [spawn(&stripe, 1), spawn(&stripe, 1)];
        stripe.count(1);
        others.into_iter().for_each(|other| other.join().expect("no panic"));
        assert_eq!(stripe.sum(), 3);
    });
}
