//! Who follows a monitor to its last.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use plugin_core::{HealthState, HealthStatus};
use tokio::sync::watch;

use super::{
    inner::Inner,
    view::{Changes, View},
};

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
    pub(crate) fn at_once(mut self) -> Self {
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
