//! Repeating by a closure.

use std::{fmt, marker::PhantomData};

use plugin_core::{
    InstanceId,
    clock::{self, Instant},
};

use super::{Attempt, Kept, Limits, Replay};
use crate::GaveUp;

/// Copies a request by a closure; made by the layers' `replay_with`.
///
/// What the closure copies may be repeated without a second effect: it gives `None` for a request that may not. Such a
/// request brings no deadline and no cap on its retries.
pub struct ReplayFn<F, Req> {
    copy: F,
    reads: PhantomData<fn(&Req)>,
}

impl<F: Fn(&Req) -> Option<Req>, Req> ReplayFn<F, Req> {
    /// Copies by this closure.
    #[must_use]
    pub fn new(copy: F) -> Self {
        Self { copy, reads: PhantomData }
    }
}

impl<F, Req> Replay<Req> for ReplayFn<F, Req>
where
    F: Fn(&Req) -> Option<Req> + Clone,
{
    type Kept = KeptClone<F, Req>;

    fn started(&self, _: &Req) -> Instant {
        clock::now()
    }

    fn keep(&self, request: &mut Req, _: Limits) -> Result<Self::Kept, GaveUp> {
        let saved = (self.copy)(request).ok_or(GaveUp::NotKept)?;
        Ok(KeptClone { saved, copy: self.copy.clone() })
    }
}

/// A request that a closure copied.
pub struct KeptClone<F, Req> {
    saved: Req,
    copy: F,
}

impl<F: Fn(&Req) -> Option<Req>, Req> Kept<Req> for KeptClone<F, Req> {
    fn idempotent(&self) -> Option<bool> {
        Some(true)
    }

    fn max_retries(&self) -> Option<u16> {
        None
    }

    fn deadline(&self, _: Instant) -> Option<Instant> {
        None
    }

    fn note_failure(&mut self, _: InstanceId) {}

    fn again(&mut self, _: Attempt) -> Option<Req> {
        (self.copy)(&self.saved)
    }
}

impl<F: Clone, Req> Clone for ReplayFn<F, Req> {
    fn clone(&self) -> Self {
        Self { copy: self.copy.clone(), reads: PhantomData }
    }
}

impl<F, Req> fmt::Debug for ReplayFn<F, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayFn").finish_non_exhaustive()
    }
}

impl<F, Req> fmt::Debug for KeptClone<F, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptClone").finish_non_exhaustive()
    }
}
