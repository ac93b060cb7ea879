//! The figures of one branch.

use std::sync::Arc;

/// What is known of one branch of a traffic split. The numbers are read one after the other while calls go on, so that a sum
/// may be off by the calls of that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BranchStats {
    /// The name.
    pub name: Arc<str>,
    /// Its weight.
    pub weight: u32,
    /// Calls that it was given.
    pub calls: u64,
    /// Calls that succeeded.
    pub ok: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls in flight: from the turn to the response, or to the end of its body.
    pub active: u64,
}
