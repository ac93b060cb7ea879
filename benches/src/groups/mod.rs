//! The rows, one file per group.

mod balance;
mod bare;
mod breaker;
mod floors;
mod health;
mod manager;
mod ratelimit;
mod retry;
mod stack;

use crate::harness::Group;

/// A group that can be chosen by name; its rows are made only when it is measured.
#[derive(Debug, Clone, Copy)]
pub struct GroupEntry {
    /// What filters look at, and the heading of its section.
    pub name: &'static str,
    /// A sentence or two above the table.
    pub about: &'static str,
    /// The crates that rows of others come from; their versions are read from `Cargo.lock`.
    pub peers: &'static [&'static str],
    /// Adds the rows. The first is what the others are compared with.
    pub rows: fn(&mut Group),
}

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
