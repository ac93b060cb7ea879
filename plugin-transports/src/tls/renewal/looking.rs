//! The look at the files that goes on, and that one does not come back.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use plugin_core::clock::{self, Instant};

use crate::tls::{TlsError, status::Refusal};

/// A look that takes longer is told of. A disk of another machine may stand still for good, and the certificate in use ends
/// meanwhile.
pub(super) const TOLD_AFTER: Duration = Duration::from_secs(60);

/// There is one look at a time: each may keep a thread for as long as a disk likes.
#[derive(Default)]
pub(super) struct Looking(Mutex<Option<GoingOn>>);

struct GoingOn {
    since: Instant,
    told: Option<Arc<Refusal>>,
}

impl Looking {
    /// Begins one, unless one goes on.
    pub(super) fn begin(&self, now: Instant) -> bool {
        let mut going_on = self.lock();
        let begins = going_on.is_none();
        if begins {
            *going_on = Some(GoingOn { since: now, told: None });
        }
        begins
    }

    /// What is to be told of the look that goes on, once it takes too long: `what` makes it. `None` when it was told before.
    pub(super) fn tell(&self, now: Instant, what: impl FnOnce() -> TlsError) -> Option<Arc<Refusal>> {
        let mut going_on = self.lock();
        let look = going_on.as_mut()?;
        if look.told.is_some() || now.saturating_since(look.since) < TOLD_AFTER {
            return None;
        }
        look.told = Some(Arc::new(Refusal { error: what(), since: clock::wall() }));
        look.told.clone()
    }

    /// What was told of the look that goes on.
    pub(super) fn told(&self) -> Option<Arc<Refusal>> {
        self.lock().as_ref()?.told.clone()
    }

    /// Ends it. Whether it was told of.
    pub(super) fn end(&self) -> bool {
        self.lock().take().is_some_and(|look| look.told.is_some())
    }

    fn lock(&self) -> MutexGuard<'_, Option<GoingOn>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn goes_on(&self) -> bool {
        self.lock().is_some()
    }
}
