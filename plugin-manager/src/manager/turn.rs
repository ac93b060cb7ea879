//! Whose turn it is to be started.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Whether the start of a plugin that is awaited has begun, and whether it is still to be called.
#[derive(Debug)]
pub(crate) struct Turn {
    waits: AtomicBool,
    left: Notify,
}

impl Turn {
    /// Of one whose start begins at once, or later (`waits`).
    pub(super) fn new(waits: bool) -> Self {
        Self { waits: AtomicBool::new(waits), left: Notify::new() }
    }

    /// Whether others are started before it.
    pub(crate) fn waits(&self) -> bool {
        // Relaxed: for display, and ordered with nothing.
        self.waits.load(Ordering::Relaxed)
    }

    /// Its start begins.
    pub(crate) fn begin(&self) {
        self.waits.store(false, Ordering::Relaxed);
    }

    /// An operator has taken the plugin out of the calls.
    pub(super) fn leave(&self) {
        self.left.notify_one();
    }

    /// Resolves when an operator has taken the plugin out of the calls, at once where that was so before.
    pub(crate) async fn left(&self) {
        self.left.notified().await;
    }
}
