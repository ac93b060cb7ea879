//! Whether anybody is in a hurry.

use std::time::Duration;

use plugin_core::clock::Instant;

/// After so many answers to somebody, while nobody gave up, nothing is held back any more.
pub(super) const CALM: u32 = 64;

#[derive(Clone, Copy, Debug)]
pub(super) struct HurryWatch {
    /// Answers to somebody since somebody gave up, up to [`CALM`].
    pub(super) calm: u32,
    /// When it began.
    since: Instant,
    /// The latest call that was answered by then.
    answered: u64,
}

impl Default for HurryWatch {
    fn default() -> Self {
        Self { calm: CALM, since: Instant::ZERO, answered: 0 }
    }
}

impl HurryWatch {
    /// From now on, where this was the latest call that was answered.
    pub(super) fn new(answered: u64, now: Instant) -> Self {
        Self { calm: 0, since: now, answered }
    }

    pub(super) fn is_on(self) -> bool {
        self.calm < CALM
    }

    /// For how long nothing was answered, if nothing was since it began.
    pub(super) fn silence(self, answered: u64, now: Instant) -> Option<Duration> {
        (answered == self.answered).then(|| now.saturating_since(self.since))
    }

    pub(super) fn answered(&mut self) {
        self.calm = (self.calm + 1).min(CALM);
    }

    pub(super) fn gave_up(&mut self) {
        self.calm = 0;
    }
}
