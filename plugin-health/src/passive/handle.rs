//! The handle of evidence from traffic: what was asked, and when it is.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use plugin_core::{
    HealthCell, HealthState, Judgement, Verdict,
    clock::{self, Instant},
    sync::Striped,
};

use super::{
    PassiveHealthConfig,
    decide::{Evidence, is_worth_a_check},
};
use crate::{HealthCheck, WeakHealthCheck};

/// Reads the figures and changes the settings of everything that one [`PassiveHealthLayer`](crate::PassiveHealthLayer) made. Cheap
/// to clone. It does not keep the check going.
///
/// ```
/// use plugin_health::{HealthCheck, HealthConfig, PassiveHealthConfig, PassiveHealthLayer, plugin_core::HealthStatus, probe};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let check = HealthCheck::start(HealthConfig::default(), probe(|| async { HealthStatus::healthy() }));
/// let handle = PassiveHealthLayer::sharing(PassiveHealthConfig::default(), &check).handle();
/// handle.disable(); // a load test is coming
/// assert_eq!((handle.is_enabled(), handle.stats().asked), (false, 0));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PassiveHealthHandle(pub(super) Striped<Passive>);

/// The statistics of evidence from traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PassiveHealthStats {
    /// Calls that failed in a row, since the last that succeeded or the last check that was asked for.
    pub failures_in_a_row: u32,
    /// Checks that were asked for.
    pub asked: u64,
}

#[derive(Debug)]
pub(super) struct Passive {
    check: WeakHealthCheck,
    cell: Arc<HealthCell>,
    enabled: AtomicBool,
    failures: AtomicU32,
    asked: AtomicU64,
    /// Asked for where a call and the last check disagree, and never by a call that succeeds while all is well.
    slow: Mutex<Slow>,
}

#[derive(Debug)]
struct Slow {
    config: PassiveHealthConfig,
    /// When the last check was asked for.
    asked_at: Option<Instant>,
}

impl Passive {
    /// What a call came to. While all is well a success reads two words that nobody writes.
    #[inline]
    pub(super) fn ended(&self, judged: &Judgement) {
        match judged.verdict() {
            Verdict::Success => self.succeeded(),
            Verdict::Failure => self.failed(),
            // Neither what a layer refused, nor what nobody knows yet.
            Verdict::Ignored | Verdict::AtEnd => {}
        }
    }

    fn succeeded(&self) {
        // Relaxed here and below: a call that ends at the same time as another may be counted before or after it.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if matches!(self.cell.state(), HealthState::Unhealthy | HealthState::Offline) {
            self.weigh(Evidence::Success, 0);
        }
    }

    #[cold]
    pub(super) fn failed(&self) {
        let before =
            self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |failures| failures.checked_add(1));
        self.weigh(Evidence::Failure, before.map_or(u32::MAX, |before| before.saturating_add(1)));
    }

    #[cold]
    fn weigh(&self, evidence: Evidence, in_a_row: u32) {
        if !self.enabled.load(Ordering::Relaxed) {
            return;
        }
        let mut slow = self.lock();
        let (limit, pace) = (slow.config.failures(), slow.config.pace());
        let now = clock::now();
        let is_soon = slow.asked_at.is_some_and(|at| now.saturating_since(at) < pace);
        if is_soon || !is_worth_a_check(evidence, in_a_row, limit, self.cell.state()) {
            return;
        }
        // One that was stopped is left alone: somebody wants no checks.
        if let Some(check) = self.check.upgrade().filter(HealthCheck::is_running) {
            slow.asked_at = Some(now);
            self.failures.store(0, Ordering::Relaxed);
            self.asked.fetch_add(1, Ordering::Relaxed);
            check.ask_soon(pace);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slow> {
        // Nothing that runs under the lock leaves a half-made change behind.
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PassiveHealthHandle {
    pub(super) fn new(config: PassiveHealthConfig, check: &HealthCheck) -> Self {
        Self(Striped::new(Passive {
            check: check.downgrade(),
            cell: check.cell(),
            enabled: AtomicBool::new(true),
            failures: AtomicU32::new(0),
            asked: AtomicU64::new(0),
            slow: Mutex::new(Slow { config, asked_at: None }),
        }))
    }

    /// The statistics.
    #[must_use]
    pub fn stats(&self) -> PassiveHealthStats {
        PassiveHealthStats {
            failures_in_a_row: self.0.failures.load(Ordering::Relaxed),
            asked: self.0.asked.load(Ordering::Relaxed),
        }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> PassiveHealthConfig {
        self.0.lock().config
    }

    /// Takes over other settings, from the next call that ends on.
    pub fn reconfigure(&self, config: PassiveHealthConfig) {
        self.0.lock().config = config;
    }

    /// Asks for checks again, after [`disable`](Self::disable).
    pub fn enable(&self) {
        self.0.enabled.store(true, Ordering::Relaxed);
    }

    /// Asks for no checks. Failures are counted all the same.
    pub fn disable(&self) {
        self.0.enabled.store(false, Ordering::Relaxed);
    }

    /// Whether checks are asked for.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.enabled.load(Ordering::Relaxed)
    }
}
