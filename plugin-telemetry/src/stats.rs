//! The statistics: the counts at one moment.

use std::time::Duration;

use super::{
    Status,
    histogram::{Bucket, bucket_bounds},
};
use plugin_core::Code;

/// The counts at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryStats {
    pub(super) started: u64,
    pub(super) ended: [u64; Status::ALL.len()],
    pub(super) buckets: Vec<Bucket>,
    pub(super) min: Duration,
    pub(super) max: Duration,
    pub(super) codes: Vec<(Code, u64)>,
}

impl TelemetryStats {
    /// Calls that ended in this way.
    #[must_use]
    pub fn ended(&self, status: Status) -> u64 {
        self.ended[status as usize]
    }

    /// Calls that ended in any way.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ended.iter().sum()
    }

    /// Calls that are running.
    #[must_use]
    pub fn active(&self) -> u64 {
        self.started.saturating_sub(self.total())
    }

    /// Errors by their code, without those that never happened.
    #[must_use]
    pub fn codes(&self) -> &[(Code, u64)] {
        &self.codes
    }

    /// The buckets that [`bucket_bounds`] bounds, and one more.
    #[must_use]
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// The shortest call; zero before the first.
    #[must_use]
    pub fn min(&self) -> Duration {
        self.min
    }

    /// The longest call; zero before the first.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The mean duration; zero before the first call.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let calls: u64 = self.buckets.iter().map(|bucket| bucket.count).sum();
        let sum: Duration = self.buckets.iter().map(|bucket| bucket.sum).sum();
        u32::try_from(calls).ok().filter(|calls| *calls > 0).map_or_else(
            || Duration::from_nanos(u64::try_from(sum.as_nanos() / u128::from(calls.max(1))).unwrap_or(u64::MAX)),
            |calls| sum / calls,
        )
    }

    /// The duration that this share of the calls did not exceed, by the upper bound of its bucket, so at most 28 percent
    /// too high; zero before the first call.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        let calls: u64 = self.buckets.iter().map(|bucket| bucket.count).sum();
        let rank = (calls as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, bound) in self.buckets.iter().zip(bucket_bounds()) {
            seen += bucket.count;
            if calls > 0 && seen >= rank {
                return bound.min(self.max);
            }
        }
        self.max
    }
}
