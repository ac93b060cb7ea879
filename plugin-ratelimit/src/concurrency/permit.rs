//! The permit of a call.

use std::{fmt, sync::Arc, time::Duration};

use plugin_core::clock::{self, Instant};

use super::{PermitOutcome, gate::Reading, state::LimitState};

/// The right to be in flight. Dropping it gives the place to whoever is next in line, or frees it.
///
/// It may be kept for as long as the work takes that it stands for, also in another task or beyond the limit that it is from.
#[must_use = "the place is free again as soon as the permit is dropped"]
pub struct Permit {
    /// `None`: the limit was switched off when it was asked, or it was given back.
    state: Option<Arc<LimitState>>,
    /// When a call began that is measured; [`Instant::ZERO`] where nobody wants to know.
    began: Instant,
    /// Calls in flight when this one began, itself included.
    in_flight: u32,
}

impl Permit {
    /// The permit of a place that was taken.
    #[inline]
    pub(super) fn new(state: Arc<LimitState>, with: Reading) -> Self {
        let (mut began, in_flight) = (Instant::ZERO, with.in_flight());
        if with.is_measured() {
            began = clock::now();
            if in_flight == 1 {
                state.window.began_alone(began);
            }
        }
        Self { state: Some(state), began, in_flight }
    }

    /// The permit of nobody's place.
    #[inline]
    pub(super) const fn empty() -> Self {
        Self { state: None, began: Instant::ZERO, in_flight: 0 }
    }

    /// Whether it stands for no place.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.state.is_none()
    }

    /// Says how the call went, for a limit that is adaptive: now, or when the head of the answer has come whose body goes on. Only the
    /// first time counts. A permit that is dropped without it says nothing of the service: right for a call that was cancelled, and for
    /// an error that says nothing of how busy the service is.
    pub fn report(&mut self, outcome: PermitOutcome) {
        if let Some(began) = self.began() {
            let now = clock::now();
            self.report_at(outcome, now.saturating_since(began), now);
        }
    }

    /// The same of a call that took so long.
    #[cold]
    pub(super) fn report_at(&mut self, outcome: PermitOutcome, took: Duration, now: Instant) {
        if self.began().is_some()
            && let Some(state) = &self.state
        {
            self.began = Instant::ZERO;
            state.record(outcome, took, self.in_flight, now);
        }
    }

    /// When the call began, where it is measured and was not told how it went.
    #[inline]
    pub(super) fn began(&self) -> Option<Instant> {
        Some(self.began).filter(|began| *began != Instant::ZERO)
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if let Some(state) = &self.state {
            state.leave();
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("measured", &self.began().is_some()).finish_non_exhaustive()
    }
}
