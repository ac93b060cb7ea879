//! The figures of a mirror.

/// What became of copies. The numbers are read one after the other while calls go on. A copy whose answer only blames its
/// caller, or that ended with its runtime, has neither succeeded nor failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MirrorStats {
    /// Copies that were sent.
    pub mirrored: u64,
    /// Copies that were not, though it was their turn: too many were in flight, the request could not be copied, or there was
    /// no runtime.
    pub dropped: u64,
    /// Copies that succeeded.
    pub succeeded: u64,
    /// Copies that failed, panicked or took too long.
    pub failed: u64,
    /// Copies in flight now.
    pub in_flight: usize,
}
