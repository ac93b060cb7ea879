//! What a group of rows is.

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
