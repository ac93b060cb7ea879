//! The figures.

/// The figures of a concurrency limit per key at one moment, of all keys together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyedConcurrencyLimitStats {
    /// Calls of one key that may be in flight at once; `None` while the limit is disabled.
    pub limit: Option<u32>,
    /// Keys that have a place of their own: those with a call in flight.
    pub keys: usize,
    /// The most keys that have a place of their own at once.
    pub max_keys: u32,
    /// Calls that hold a permit. Those that began while the limit was disabled, and those that passed without a key, are not
    /// among them.
    pub in_flight: u64,
    /// Permits that were given and counted.
    pub admitted: u64,
    /// Calls that were refused.
    pub refused: u64,
    /// Calls among those of both kinds whose key found no place of its own.
    pub overflowed: u64,
}

/// A key that has calls in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyInFlight<K> {
    /// The key.
    pub key: K,
    /// Its calls in flight.
    pub in_flight: u32,
}
