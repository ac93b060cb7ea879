//! The statistics of one instance.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use plugin_core::{HealthState, InstanceId, clock};

use crate::{LastFailure, membership::Entry};

/// What is known of one instance. The numbers are read one after the other while calls go on, so that a sum may be off
/// by the calls of that moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InstanceStats {
    /// The id that responses and errors are tagged with.
    pub id: InstanceId,
    /// The name.
    pub name: Arc<str>,
    /// Where it runs.
    pub zone: Option<Arc<str>>,
    /// Its share of the calls under a weighted strategy.
    pub weight: u32,
    /// Its priority; larger is higher.
    pub priority: i32,
    /// Whether it takes calls.
    pub enabled: bool,
    /// What its health cell says; Unknown without one.
    pub health: HealthState,
    /// Calls in flight: from the pick to the response, or to the end of its body.
    pub active: u64,
    /// Calls that it was picked for.
    pub total: u64,
    /// Calls that succeeded.
    pub ok: u64,
    /// Calls that failed.
    pub failed: u64,
    /// The mean time of answered and failed calls. Of the first 64 on each processor stripe every one is timed, and
    /// then one in 32; under `least-latency` and `peak-ewma` all are. Zero before the first.
    pub average_latency: Duration,
    /// From 100 down to 0: a failure takes five points, a success gives one back. For reading only: no strategy picks
    /// by it.
    pub health_score: u8,
    /// When it was last picked, among the calls that are done and whose beginning is known: those that are timed, and
    /// all that say when they came, as a [`Call`](plugin_core::Call) does.
    pub last_used: Option<SystemTime>,
    /// What is left of the time for which it gets no calls as an outlier.
    pub ejected_for: Option<Duration>,
    /// How often it was ejected as one.
    pub ejections: u64,
    /// The weight that its last load report comes to, whether it is used by now, or still; under `reported-weights`.
    pub reported_weight: Option<f32>,
    /// The last call that failed, whether others have succeeded since or not.
    pub last_failure: Option<LastFailure>,
}

impl InstanceStats {
    pub(crate) fn read<S>(entry: &Entry<S>) -> Self {
        let member = &*entry.member;
        let totals = member.meter.totals();
        let active = entry.in_flight() as u64;
        Self {
            id: member.id,
            name: Arc::clone(&member.name),
            zone: entry.zone.clone(),
            weight: entry.weight,
            priority: entry.priority,
            enabled: entry.takes_calls(),
            health: entry.health(),
            active,
            total: totals.succeeded + totals.failed + totals.neither + active,
            ok: totals.succeeded,
            failed: totals.failed,
            average_latency: totals.average.unwrap_or_default(),
            health_score: member.meter.health_score(),
            last_used: totals.last_used.and_then(|at| clock::wall().checked_sub(at.elapsed())),
            ejected_for: entry.ejected_for(),
            ejections: member.meter.ejection.ejections(),
            reported_weight: member.meter.reported.last(),
            last_failure: member.meter.failure.read(),
        }
    }

    /// Calls that succeeded, in percent of those that succeeded or failed. 0.0 before the first.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than fifteen digits")]
    pub fn success_rate(&self) -> f64 {
        match self.ok + self.failed {
            0 => 0.0,
            judged => 100.0 * self.ok as f64 / judged as f64,
        }
    }
}
