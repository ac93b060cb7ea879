//! The limit, usable without tower.

use std::{fmt, sync::Arc};

use plugin_core::{Rejected, clock};

use super::{
    ConcurrencyLimitConfig, ConcurrencyLimitStats, Permit, Prioritizer,
    gate::{Entry, Reading, Who},
    state::LimitState,
};

/// A limit on how many calls are in flight at once. Whoever wants to make a call takes a [`Permit`], and drops it when the
/// call is over.
///
/// Every clone is the same limit. Those who wait with [`acquire`](Self::acquire) are served in the order that the settings
/// say, and nobody overtakes them: while somebody waits, [`try_acquire`](Self::try_acquire) refuses. A permit that is free is
/// taken with one change of one word and one reference count, without a lock or an allocation; while the limit is off, with a look at
/// that word.
///
/// ```
/// use plugin_ratelimit::concurrency::{ConcurrencyLimit, ConcurrencyLimitConfig};
///
/// let limit = ConcurrencyLimit::new(ConcurrencyLimitConfig::builder().with_max(1).build()?);
/// let permit = limit.try_acquire()?;
/// assert!(limit.try_acquire().is_err());
/// drop(permit);
/// assert!(limit.try_acquire().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ConcurrencyLimit(pub(super) Arc<LimitState>);

impl ConcurrencyLimit {
    /// A limit with no call in flight.
    #[must_use]
    pub fn new(config: ConcurrencyLimitConfig) -> Self {
        Self::made(config, true, None)
    }

    /// A limit with no call in flight, which refuses calls of low priority first: before its line is full, by how full the
    /// lines are of all limits that share this [`Prioritizer`].
    #[must_use]
    pub fn prioritized(config: ConcurrencyLimitConfig, prioritizer: &Prioritizer) -> Self {
        Self::made(config, true, Some(prioritizer.clone()))
    }

    pub(super) fn disabled() -> Self {
        Self::made(ConcurrencyLimitConfig::default(), false, None)
    }

    fn made(config: ConcurrencyLimitConfig, enabled: bool, prioritizer: Option<Prioritizer>) -> Self {
        Self(Arc::new(LimitState::new(config, enabled, prioritizer)))
    }

    /// Takes a permit now, or none. Never waits and never allocates.
    ///
    /// # Errors
    ///
    /// `OVERLOAD_2001` when as many calls are in flight as may be, or others wait for their turn. When a place will be free
    /// nobody knows, so there is no `retry_after`.
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit, Rejected> {
        match self.enter() {
            Some(permit) => Ok(permit),
            None => Err(self.refuse(Rejected::overloaded())),
        }
    }

    /// Takes a permit that is free, and counts no refusal.
    #[inline]
    pub(super) fn enter(&self) -> Option<Permit> {
        match self.0.gate.enter(Who::Newcomer) {
            Entry::Counted(with) => Some(self.admit(with)),
            Entry::Uncounted => Some(Permit::empty()),
            Entry::Full => None,
        }
    }

    /// Refuses at once who found no place, where nobody may wait: without the lock, since it is asked most often when there is least
    /// time for it.
    #[inline]
    pub(super) fn refuse_without_line(&self) -> Option<Rejected> {
        let has_line = self.0.gate.read().has_line();
        (!has_line).then(|| self.refuse(Rejected::overloaded()))
    }

    /// The permit of a place that was taken.
    #[inline]
    pub(super) fn admit(&self, with: Reading) -> Permit {
        self.0.admitted.add(1);
        Permit::new(Arc::clone(&self.0), with)
    }

    #[cold]
    pub(super) fn refuse(&self, rejected: Rejected) -> Rejected {
        self.0.refused.add(1);
        rejected
    }

    /// The figures. Calls that come and go meanwhile may or may not be in them.
    #[must_use]
    pub fn stats(&self) -> ConcurrencyLimitStats {
        let waiting = self.0.rare().line.len();
        let reading = self.0.gate.read();
        ConcurrencyLimitStats {
            limit: reading.is_enabled().then(|| reading.limit()),
            in_flight: reading.in_flight(),
            waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
            admitted: self.0.admitted.sum(),
            refused: self.0.refused.sum(),
        }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> ConcurrencyLimitConfig {
        self.0.rare().config
    }

    /// Changes the settings. A smaller limit cuts no call that is in flight: nobody passes until as many have ended. Those
    /// who wait keep their place and their time, also in a line that is now shorter. What an adaptive limit has learned stays,
    /// unless `max` or what concerns it changes.
    pub fn reconfigure(&self, config: ConcurrencyLimitConfig) {
        self.0.change(|state, rare| {
            rare.reconfigure(config);
            state.gate.set_limit(rare.limit());
            if rare.adaptive.is_some() && !state.gate.read().is_measured() {
                state.window.reopen(clock::now());
            }
            state.gate.set_measured(rare.adaptive.is_some());
            state.gate.set_line(config.queue() > 0);
        });
    }

    /// Limits again, after [`disable`](Self::disable). Calls that began meanwhile are not counted, however long they go on: until they
    /// have ended there may be more in flight than the limit.
    pub fn enable(&self) {
        self.0.change(|state, rare| {
            if rare.adaptive.is_some() && !state.gate.read().is_enabled() {
                state.window.reopen(clock::now());
            }
            state.gate.set_enabled(true);
        });
    }

    /// Lets everybody pass, those who wait too. A call then costs a look at the limit and is neither counted nor measured: its permit
    /// is an empty one. Permits that were taken before are given back as ever.
    pub fn disable(&self) {
        self.0.change(|state, _| state.gate.set_enabled(false));
    }

    /// Whether anything is limited.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.gate.read().is_enabled()
    }
}

impl fmt::Debug for ConcurrencyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reading = self.0.gate.read();
        f.debug_struct("ConcurrencyLimit")
            .field("limit", &reading.limit())
            .field("in_flight", &reading.in_flight())
            .field("enabled", &reading.is_enabled())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{task::Waker, time::Duration};

    use super::*;
    use crate::concurrency::{AdaptiveAlgorithm, AdaptiveConfig, PermitOutcome};

    fn limit(adaptive: Option<AdaptiveConfig>) -> ConcurrencyLimit {
        let config = ConcurrencyLimitConfig::builder().with_max(100).with_adaptive(adaptive).build().expect("valid");
        ConcurrencyLimit::new(config)
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_in_which_nobody_was_counted_is_no_part_of_a_window() {
        let adaptive = AdaptiveConfig::new(AdaptiveAlgorithm::Vegas);
        let hour = Duration::from_secs(3600);
        let off_and_on: fn(&ConcurrencyLimit) = |limit| limit.disable();
        let fixed_and_adaptive: fn(&ConcurrencyLimit) = |limit| {
            limit.reconfigure(limit.config().to_builder().with_adaptive(None).build().expect("valid"));
        };
        for away in [off_and_on, fixed_and_adaptive] {
            let limit = limit(Some(adaptive));
            // Is in flight all the while, so that no call after it is alone.
            let _held = limit.try_acquire().expect("a place");
            away(&limit);
            tokio::time::advance(hour).await;
            limit.reconfigure(limit.config().to_builder().with_adaptive(adaptive).build().expect("valid"));
            limit.enable();
            for _ in 0..10 {
                limit.try_acquire().expect("a place").report(PermitOutcome::Answered);
            }
            let sample = limit.0.window.close(clock::now().saturating_add(Duration::from_secs(1)));
            assert!(sample.is_some(), "the window has just begun, and its ten calls are in it");
        }
    }

    #[test]
    fn who_comes_to_the_line_of_a_limit_that_was_switched_off_passes() {
        let limit = limit(None);
        let _places: Vec<_> = (0..100).map(|_| limit.try_acquire().expect("a place")).collect();
        assert!(limit.try_acquire().is_err());
        // After somebody looked and found no place, and before it is in line.
        limit.disable();
        assert!(limit.line_up(0, Waker::noop().clone()).is_err_and(|result| result.is_ok()));
        assert!(!limit.0.gate.read().is_waiting(), "nobody is turned away for a line in which nobody is");
    }
}
