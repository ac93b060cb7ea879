//! What the machine asks for the things that layers are made of.
//!
//! Every atomic operation here is relaxed: the price of the instruction is measured, and nothing is published through it.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::GroupEntry;
use crate::harness::{Case, Floors, Group, Plan};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "floors",
    about: "What no layer can be cheaper than. All rows of two threads share one word, one lock or one `Arc`, as a layer \
            that is not striped would.",
    peers: &["quanta"],
    rows,
};

fn rows(group: &mut Group) {
    group.shared("relaxed load", AtomicU64::new(7), |word| word.load(Relaxed));
    fetch_add(group);
    group.shared("compare_exchange", AtomicU64::new(0), |word| word.fetch_update(Relaxed, Relaxed, |n| Some(n + 1)));
    group.case("Instant::now", || std_now);
    group.shared("quanta now", quanta::Clock::new(), quanta::Clock::now);
    group.shared("std Mutex", Mutex::new(0_u64), |count| {
        *count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    });
    arc(group);
    group.case("Box and drop", || || Box::new(black_box(7_u64)));
}

fn fetch_add(group: &mut Group) -> &mut Case {
    group.shared("fetch_add", AtomicU64::new(0), |word| word.fetch_add(1, Relaxed))
}

fn arc(group: &mut Group) -> &mut Case {
    group.shared("Arc clone and drop", Arc::new(7_u64), Arc::clone)
}

/// The two that aims are set beside, measured within a second.
///
/// # Errors
///
/// None that is known: a group of these two rows is put together rightly.
pub(crate) fn of_this_run() -> Result<Floors, String> {
    let mut group = Group::new("floors", "");
    fetch_add(&mut group).one_thread();
    arc(&mut group).one_thread();
    Floors::measure(&group, &Plan::default().with_rounds(9))
}

#[expect(clippy::disallowed_methods, reason = "what it costs is the question")]
fn std_now() -> std::time::Instant {
    std::time::Instant::now()
}
