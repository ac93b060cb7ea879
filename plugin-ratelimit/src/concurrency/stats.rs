//! The figures.

/// The figures of a concurrency limit at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConcurrencyLimitStats {
    /// Calls that may be in flight at once; `None` while the limit is disabled.
    pub limit: Option<u32>,
    /// Calls that hold a permit. More than the limit for a while, after it has become smaller. Calls that began while the limit was
    /// disabled are not among them.
    pub in_flight: u32,
    /// Calls that wait for a permit.
    pub waiting: u32,
    /// Permits that were given, other than while the limit was disabled.
    pub admitted: u64,
    /// Calls that were refused, at once or after a wait.
    pub refused: u64,
}
