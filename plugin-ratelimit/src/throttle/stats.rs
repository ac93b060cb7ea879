//! The figures.

/// The figures of a throttle at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct AdaptiveThrottleStats {
    /// Requests that have ended within the window, those that were refused here included. One that is in flight is not in it: whether
    /// it is accepted nobody knows yet.
    pub requests: u64,
    /// Those of them that the service did not turn away.
    pub accepts: u64,
    /// The share of requests that is refused here, from 0 to 1.
    pub refused_share: f64,
    /// Requests that were refused here since the beginning.
    pub refused: u64,
}
