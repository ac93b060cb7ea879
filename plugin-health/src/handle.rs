//! The handle of a gate: reads the state, counts refusals, changes what is refused.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use plugin_core::{HealthCell, HealthState, Rejected, deadline::waiting, sync::StripedCounter};

use crate::{GatePolicy, HealthGateConfig};

/// Reads the state and changes the policies of everything that one [`HealthGateLayer`](crate::HealthGateLayer) made.
/// Cheap to clone.
///
/// ```
/// use std::sync::Arc;
///
/// use plugin_health::{
///     HealthGateConfig, HealthGateLayer,
///     plugin_core::{HealthCell, HealthState, HealthStatus},
/// };
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let cell = Arc::new(HealthCell::new(HealthStatus::new(HealthState::Offline, "connection refused")));
/// let layer = HealthGateLayer::sharing(HealthGateConfig::default(), &cell);
/// let handle = layer.handle();
/// let service = layer.layer(service_fn(|(): ()| async { Ok::<_, BoxError>("hello") }));
///
/// assert_eq!(handle.state(), HealthState::Offline);
/// assert!(service.clone().oneshot(()).await.is_err());
/// handle.disable(); // the check is wrong, say: let calls pass
/// assert_eq!(service.oneshot(()).await?, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HealthGateHandle(Arc<Gate>);

#[derive(Debug)]
struct Gate {
    cell: Arc<HealthCell>,
    /// One bit for each state that is refused, and [`ENABLED`].
    policy: AtomicU8,
    refused: StripedCounter,
}

/// The statistics of a gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthGateStats {
    /// Requests that were refused.
    pub refused: u64,
}

const ENABLED: u8 = 1 << 7;

const fn bit(state: HealthState) -> u8 {
    1 << state as u8
}

impl HealthGateHandle {
    pub(crate) fn new(cell: Arc<HealthCell>, enabled: bool) -> Self {
        let policy = bit(HealthState::Offline) | if enabled { ENABLED } else { 0 };
        Self(Arc::new(Gate { cell, policy: AtomicU8::new(policy), refused: StripedCounter::new() }))
    }

    #[inline]
    pub(crate) fn admit(&self) -> Result<(), Rejected> {
        // Relaxed: a request that sees the policy of a moment ago behaves as if it had come a moment earlier.
        let policy = self.0.policy.load(Ordering::Relaxed);
        if policy & ENABLED == 0 || policy & bit(self.0.cell.state()) == 0 {
            return Ok(());
        }
        // Who holds the cell answers calls itself, and says more than that it is down.
        if self.0.cell.is_held() {
            return Ok(());
        }
        self.0.refused.add(1);
        Err(self.refusal())
    }

    /// With the time until the next check, before which nothing changes; one that is due or runs has no such time.
    #[cold]
    fn refusal(&self) -> Rejected {
        let next = self.0.cell.next_check().map(|at| at.saturating_since(waiting::present()));
        let refused = Rejected::unhealthy();
        next.filter(|after| !after.is_zero()).map_or(refused, |after| refused.with_retry_after(after))
    }

    /// The state that decides.
    #[must_use]
    pub fn state(&self) -> HealthState {
        self.0.cell.state()
    }

    /// What the gate reads, and whoever checks writes.
    #[must_use]
    pub fn cell(&self) -> Arc<HealthCell> {
        Arc::clone(&self.0.cell)
    }

    /// The statistics.
    #[must_use]
    pub fn stats(&self) -> HealthGateStats {
        HealthGateStats { refused: self.0.refused.sum() }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> HealthGateConfig {
        // Relaxed: see `admit`.
        let policy = self.0.policy.load(Ordering::Relaxed);
        let of = |state| if policy & bit(state) == 0 { GatePolicy::Pass } else { GatePolicy::Refuse };
        let builder = HealthGateConfig::builder().with_unhealthy(of(HealthState::Unhealthy));
        builder.with_unknown(of(HealthState::Unknown)).with_offline(of(HealthState::Offline)).build()
    }

    /// Takes over other settings, from the next request on.
    pub fn reconfigure(&self, config: HealthGateConfig) {
        let of = |state, policy| if policy == GatePolicy::Refuse { bit(state) } else { 0 };
        let refused = of(HealthState::Unhealthy, config.unhealthy())
            | of(HealthState::Unknown, config.unknown())
            | of(HealthState::Offline, config.offline());
        // Relaxed: see `admit`. All in one step, so that no request meets half of the settings.
        let change = |policy: u8| Some(policy & ENABLED | refused);
        let _ = self.0.policy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    /// Refuses again, after [`disable`](Self::disable).
    pub fn enable(&self) {
        self.set(ENABLED, true);
    }

    /// Lets everything pass.
    pub fn disable(&self) {
        self.set(ENABLED, false);
    }

    /// Whether anything is refused.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        // Relaxed: see `admit`.
        self.0.policy.load(Ordering::Relaxed) & ENABLED != 0
    }

    fn set(&self, bits: u8, on: bool) {
        // Relaxed: see `admit`. Each setting is bits of its own, so writers do not undo each other.
        if on {
            self.0.policy.fetch_or(bits, Ordering::Relaxed);
        } else {
            self.0.policy.fetch_and(!bits, Ordering::Relaxed);
        }
    }
}
