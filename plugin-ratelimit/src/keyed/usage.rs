//! Who uses a limit most.

/// A key that lacks tokens of its bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyUsage<K> {
    /// The key.
    pub key: K,
    /// The tokens that its bucket lacks, rounded up.
    pub owed: u64,
}
