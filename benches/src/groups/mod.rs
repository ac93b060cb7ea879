//! The rows, one file per group.

mod balance;
mod balance_peers;
mod bare;
mod breaker;
mod breaker_window;
mod child;
mod concurrency;
mod counted;
mod entry;
mod eviction;
mod floors;
pub mod gateway;
mod health;
mod layers;
mod manager;
mod payload;
mod plugin_side;
mod ratelimit;
mod ratelimit_axum;
mod ratelimit_keyed;
mod ratelimit_redis;
mod retry;
mod stack;
mod transports;

pub use child::ARGUMENT as CHILD_ARGUMENT;
pub use counted::{COUNTED, CountedRows};
pub use entry::GroupEntry;
pub(crate) use floors::of_this_run;

/// Every group, in the order in which they are measured and stand in `RESULTS.md`.
pub const GROUPS: &[GroupEntry] = &[
    floors::GROUP,
    bare::GROUP,
    breaker::GROUP,
    breaker_window::GROUP,
    retry::GROUP,
    ratelimit::GROUP,
    ratelimit_keyed::GROUP,
    ratelimit_axum::GROUP,
    ratelimit_redis::GROUP,
    concurrency::GROUP,
    health::GROUP,
    balance::GROUP,
    balance_peers::GROUP,
    layers::GROUP,
    stack::GROUP,
    manager::GROUP,
    plugin_side::GROUP,
    transports::ONE_CALLER,
    transports::MANY_CALLERS,
    transports::MOST_AT_ONCE,
    transports::LARGE,
    transports::MEMORY,
    gateway::GROUP,
];

/// Runs as this kind of child of a measurement until its standard input is closed.
///
/// # Errors
///
/// When there is no such kind, or when it cannot go on.
pub fn run_child(kind: &str) -> Result<(), String> {
    let kinds = || transports::CHILDREN.iter().chain(gateway::CHILDREN);
    match kinds().find(|(name, _)| *name == kind) {
        Some((_, run)) => run(),
        None => {
            let names: Vec<&str> = kinds().map(|(name, _)| *name).collect();
            Err(format!("{CHILD_ARGUMENT} {kind}: use one of {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(debug_assertions)]
    use std::time::Duration;

    #[cfg(debug_assertions)]
    use plugin_core::clock::fake::Machine;

    use super::*;
    #[cfg(debug_assertions)]
    use crate::harness::Group;

    #[test]
    fn every_group_has_a_name_of_its_own() {
        for (index, entry) in GROUPS.iter().enumerate() {
            assert!(GROUPS[..index].iter().all(|earlier| earlier.name != entry.name), "{}", entry.name);
        }
    }

    /// An open breaker that comes to its probe, or a bucket that fills up, is another row than it was: it would panic, or its
    /// figure would be of two things. Only our own clock can be moved, and only in a debug build.
    #[cfg(debug_assertions)]
    #[test]
    fn no_row_changes_its_state_within_an_hour() {
        let in_process = [
            "floors",
            "bare",
            "breaker",
            "retry",
            "ratelimit",
            "ratelimit-axum",
            "concurrency",
            "health",
            "balance",
            "layers",
            "stack",
            "manager",
        ];
        for name in in_process {
            let entry = GROUPS.iter().find(|entry| entry.name == name).expect("a group");
            let clock = Machine::install();
            let mut group = Group::new(entry.name, entry.about);
            (entry.rows)(&mut group);
            let mut calls = group.all_batches();
            calls.iter_mut().for_each(|call| call(3));
            clock.pass(Duration::from_secs(60 * 60));
            calls.iter_mut().for_each(|call| call(3));
        }
    }

    #[test]
    fn a_kind_of_child_that_does_not_exist_is_told_those_that_do() {
        let said = run_child("nothing").unwrap_err();
        assert!(said.contains("pipe, lines, plugin, backend, proxy"), "{said}");
    }
}
