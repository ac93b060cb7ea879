//! How far the start of an announced plugin has come.

use std::{sync::Arc, time::Duration};

use plugin_core::clock::{self, Instant};
use tokio::sync::{Notify, watch};

/// What is known of the start of a plugin that is awaited, and whether somebody wants it now.
#[derive(Debug)]
pub(crate) struct Turn {
    stage: watch::Sender<Stage>,
    left: Notify,
    wanted: Notify,
}

/// How far it has come.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// Others are started before it.
    Waits,
    Starts,
    /// Its start has failed.
    Failed(Failed),
    /// It is there.
    Come,
}

/// A start that has failed, and is tried again.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    /// As a sentence.
    pub(crate) why: Arc<str>,
    /// Since when none has succeeded.
    pub(crate) since: Instant,
    /// When it is tried again, at the latest.
    pub(crate) until: Instant,
}

impl Failed {
    /// The time until it is tried again; nothing while that goes on.
    pub(crate) fn next(&self) -> Option<Duration> {
        Some(self.until.saturating_since(clock::now())).filter(|left| !left.is_zero())
    }
}

impl Turn {
    /// Of one whose start begins at once, or later (`waits`).
    pub(super) fn new(waits: bool) -> Self {
        let stage = if waits { Stage::Waits } else { Stage::Starts };
        Self { stage: watch::Sender::new(stage), left: Notify::new(), wanted: Notify::new() }
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage.borrow().clone()
    }

    /// Whether others are started before it.
    pub(crate) fn waits(&self) -> bool {
        matches!(*self.stage.borrow(), Stage::Waits)
    }

    /// Its start begins.
    pub(crate) fn begin(&self) {
        self.stage.send_replace(Stage::Starts);
    }

    /// Its start has failed, and is tried again after this time.
    pub(crate) fn fail(&self, why: &str, after: Duration) {
        let now = clock::now();
        self.stage.send_modify(|stage| {
            let since = if let Stage::Failed(failed) = stage { failed.since } else { now };
            *stage = Stage::Failed(Failed { why: why.into(), since, until: now.saturating_add(after) });
        });
    }

    /// It is there.
    pub(super) fn come(&self) {
        self.stage.send_replace(Stage::Come);
    }

    /// An operator has taken the plugin out of the calls.
    pub(super) fn leave(&self) {
        self.left.notify_one();
    }

    /// Resolves when an operator has taken the plugin out of the calls, at once where that was so before.
    pub(crate) async fn left(&self) {
        self.left.notified().await;
    }

    /// Has a start that has failed tried again now, and resolves when that has ended: whether the plugin is there.
    pub(super) async fn try_now(&self) -> bool {
        let mut stages = self.stage.subscribe();
        self.wanted.notify_one();
        // Whoever gives it up drops it, which is no change.
        let _ = stages.changed().await;
        matches!(*stages.borrow(), Stage::Come)
    }

    /// Resolves when somebody wants it tried now.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }
}
