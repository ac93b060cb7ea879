//! The rows, one file per group.

mod balance;
mod bare;
mod breaker;
mod child;
mod entry;
mod floors;
pub mod gateway;
mod health;
mod manager;
mod ratelimit;
mod retry;
mod stack;
mod transports;

pub use child::ARGUMENT as CHILD_ARGUMENT;
pub use entry::GroupEntry;

/// Every group, in the order in which they are measured and stand in `RESULTS.md`.
pub const GROUPS: &[GroupEntry] = &[
    floors::GROUP,
    bare::GROUP,
    breaker::GROUP,
    retry::GROUP,
    ratelimit::GROUP,
    health::GROUP,
    balance::GROUP,
    stack::GROUP,
    manager::GROUP,
    transports::ONE_CALLER,
    transports::MANY_CALLERS,
    transports::LARGE,
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
    use super::*;

    #[test]
    fn every_group_has_a_name_of_its_own() {
        for (index, entry) in GROUPS.iter().enumerate() {
            assert!(GROUPS[..index].iter().all(|earlier| earlier.name != entry.name), "{}", entry.name);
        }
    }

    #[test]
    fn a_kind_of_child_that_does_not_exist_is_told_those_that_do() {
        let said = run_child("nothing").unwrap_err();
        assert!(said.contains("pipe, plugin, backend, proxy"), "{said}");
    }
}
