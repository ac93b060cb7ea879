//! What a monitor has under a name: a check, or what was told of something that nobody checks.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use plugin_core::{
    HealthCell, HealthStatus,
    clock::{self, Instant},
};
use tokio::{runtime::Handle, sync::watch, task::AbortHandle};

use super::view::Changes;
use crate::{HealthCheck, HealthConfig, shared::Shared};

/// What is told of a name is forgotten when nothing was heard for so many times as long as it was to hold,
const KEPT: u32 = 10;
/// and for no shorter than this, so that whoever looks now and then sees it.
const KEPT_AT_LEAST: Duration = Duration::from_secs(60);

pub(super) enum Entry {
    Checked(Followed),
    Told(Told),
}

impl Entry {
    pub(super) fn cell(&self) -> Arc<HealthCell> {
        match self {
            Self::Checked(followed) => followed.check.cell(),
            Self::Told(told) => Arc::clone(&told.shared.cell),
        }
    }

    /// The handle, if there is one.
    pub(super) fn handle(&self) -> Option<&HealthCheck> {
        match self {
            Self::Checked(followed) => Some(&followed.check),
            Self::Told(told) => told.handle.as_ref().map(|followed| &followed.check),
        }
    }
}

/// A check whose changes the monitor hears of. Dropped, it hears of them no more.
pub(super) struct Followed {
    pub(super) check: HealthCheck,
    follower: AbortHandle,
}

impl Followed {
    /// Tells the monitor of each change of the check's state. It goes by the cell, which others than the check may write.
    pub(super) fn new(check: HealthCheck, monitor: Weak<watch::Sender<Changes>>) -> Self {
        let mut events = check.events();
        let follow = async move {
            while events.next().await.is_some() {
                let Some(monitor) = monitor.upgrade() else { return };
                monitor.send_modify(|_| {});
            }
        };
        let follower = check.runtime().spawn(follow).abort_handle();
        Self { check, follower }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

/// What was told of something that nobody checks. It has no task of its own until somebody asks for its handle.
pub(super) struct Told {
    pub(super) shared: Arc<Shared>,
    pub(super) runtime: Handle,
    /// From when it was asked for. Who has that may write the cell too, and sees what becomes of it.
    handle: Option<Followed>,
    /// When what was told holds no longer, and for how long it was to. `None`: it holds until something else is told.
    ends: Option<(Instant, Duration)>,
    /// When it is to be looked at, which may be too soon: it was told again meanwhile.
    pub(super) due: Option<Instant>,
}

/// What becomes of something that was told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Stays,
    IsLookedAt(Instant),
    IsForgotten,
}

impl Told {
    pub(super) fn new(runtime: Handle) -> Self {
        let shared = Arc::new(Shared::new(Arc::default(), HealthConfig::default()));
        Self { shared, runtime, handle: None, ends: None, due: None }
    }

    /// Says so. Gives back when to look at it, if that is sooner than it is looked at.
    pub(super) fn tell(&mut self, status: HealthStatus, holds: Option<Duration>) -> Option<Instant> {
        if let Some(Followed { check, .. }) = &self.handle {
            check.tell(status, holds);
            return None;
        }
        self.shared.told(status, holds);
        self.ends = holds.map(|holds| (clock::now().saturating_add(holds), holds));
        let (ends, _) = self.ends?;
        self.due.is_none_or(|due| ends < due).then_some(ends)
    }

    /// What holds no longer is taken back.
    pub(super) fn look(&self, now: Instant) -> Fate {
        // Its own task sees to it.
        let Some((ends, holds)) = self.ends.filter(|_| self.handle.is_none()) else { return Fate::Stays };
        if now < ends {
            return Fate::IsLookedAt(ends);
        }
        self.shared.expired(now);
        let forgotten = ends.saturating_add(holds.saturating_mul(KEPT).max(KEPT_AT_LEAST));
        if now < forgotten { Fate::IsLookedAt(forgotten) } else { Fate::IsForgotten }
    }

    /// The handle, which has a task of its own from now on.
    pub(super) fn handle(&mut self, monitor: Weak<watch::Sender<Changes>>) -> HealthCheck {
        let start = || Followed::new(HealthCheck::unchecked(Arc::clone(&self.shared), self.runtime.clone()), monitor);
        self.handle.get_or_insert_with(start).check.clone()
    }
}
