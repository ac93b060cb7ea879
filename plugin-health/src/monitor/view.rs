//! All that is in a monitor at one moment.

use std::{collections::BTreeMap, sync::Arc};

use plugin_core::{HealthCell, HealthStatus, clock::Instant};

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
