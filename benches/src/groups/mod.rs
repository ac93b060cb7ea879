//! The rows, one file per group.

mod balance;
mod bare;
mod breaker;
mod entry;
mod floors;
mod health;
mod manager;
mod ratelimit;
mod retry;
mod stack;
pub mod transports;

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
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_a_name_of_its_own() {
        for (index, entry) in GROUPS.iter().enumerate() {
            assert!(GROUPS[..index].iter().all(|earlier| earlier.name != entry.name), "{}", entry.name);
        }
    }
}
