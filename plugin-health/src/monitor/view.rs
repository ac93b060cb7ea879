//! All that is in a monitor at one moment, and who follows it to its last.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use plugin_core::{HealthCell, HealthState, HealthStatus, clock::Instant};
use tokio::sync::watch;

use super::inner::Inner;
use crate::overall::overall;

/// All at one moment: what is said of it is said of the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) checks: BTreeMap<String, Seen>,
    pub(crate) is_shut_down: bool,
}

/// One at that moment.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) status: HealthStatus,
    /// When its state began.
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "the routes tell it"))]
    pub(crate) since: Instant,
}

impl Seen {
    pub(super) fn of(cell: &HealthCell) -> Self {
        let watch = cell.watch();
        // Both are written under the lock that this holds.
        let status = watch.borrow();
        Self { status: status.clone(), since: cell.since() }
    }
}

impl View {
    /// Unhealthy after a shutdown, and not Offline, which all together never are: a gate lets the last calls end.
    pub(crate) fn overall(&self) -> HealthStatus {
        if self.is_shut_down {
            return HealthStatus::unhealthy("shut down");
        }
        overall(self.checks.iter().map(|(name, seen)| (name.as_str(), &seen.status)))
    }
}

/// What a monitor tells those who follow it: that it has changed, with nothing but that, and its last when it goes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) last: Option<Arc<View>>,
}

/// Follows a monitor, which it does not keep alive.
pub(crate) struct Views {
    monitor: Weak<Inner>,
    changes: watch::Receiver<Changes>,
}

/// Where to look.
pub(super) enum Source {
    Live(Arc<Inner>),
    Last(Arc<View>),
}

impl Views {
    /// From now on.
    pub(super) fn new(monitor: &Arc<Inner>) -> Self {
        Self { monitor: Arc::downgrade(monitor), changes: monitor.changes.subscribe() }
    }

    /// How all is when something has changed since the last look. `None` when the monitor is gone, and its last was seen.
    ///
    /// A future that is dropped has missed nothing.
    pub(crate) async fn next(&mut self) -> Option<View> {
        loop {
            self.changed().await?;
            match self.source() {
                Some(Source::Live(monitor)) => return Some(monitor.view()),
                Some(Source::Last(view)) => return Some(View::clone(&view)),
                None => {}
            }
        }
    }

    /// The next look is to be made at once.
    #[cfg(feature = "tonic-health")]
    pub(crate) fn from_the_present(mut self) -> Self {
        self.changes.mark_changed();
        self
    }

    /// Waits until something has changed since the last look. `None`: nothing will any more.
    pub(super) async fn changed(&mut self) -> Option<()> {
        self.changes.changed().await.ok()
    }

    /// What changes after this is another change. `None` while the monitor is being dropped: its last is about to be told.
    pub(super) fn source(&mut self) -> Option<Source> {
        let last = self.changes.borrow_and_update().last.clone();
        last.map(Source::Last).or_else(|| self.monitor.upgrade().map(Source::Live))
    }
}

impl Source {
    pub(super) fn status_of(&self, name: &str) -> Option<HealthStatus> {
        match self {
            Self::Live(monitor) => monitor.status_of(name),
            Self::Last(view) => view.checks.get(name).map(|seen| seen.status.clone()),
        }
    }

    pub(super) fn states(&self) -> BTreeMap<String, HealthState> {
        match self {
            Self::Live(monitor) => monitor.states(),
            Self::Last(view) => view.checks.iter().map(|(name, seen)| (name.clone(), seen.status.state)).collect(),
        }
    }

    /// It has stopped, all is taken out, and nothing can come.
    pub(super) fn is_empty_for_good(&self) -> bool {
        match self {
            Self::Live(monitor) => monitor.is_empty_for_good(),
            Self::Last(view) => view.is_shut_down && view.checks.is_empty(),
        }
    }
}
