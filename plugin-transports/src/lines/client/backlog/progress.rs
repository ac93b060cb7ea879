//! How far a plugin has come with its calls, and whether that keeps another request waiting.

/// How far a plugin has come with its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(super) written: u64,
    pub(super) answered: u64,
}

impl Progress {
    /// Whether the plugin has answered calls since.
    pub(in super::super) fn has_moved(self, then: Self) -> bool {
        self.answered > then.answered
    }
}

/// A look at how far a plugin has come, from time to time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// At the look before, or when the plugin began.
    before: Progress,
    at: Progress,
}

impl Look {
    /// The next look, when it has come so far.
    pub(in super::super) fn next(self, at: Progress) -> Self {
        Self { before: self.at, at }
    }

    /// Whether what was asked of the plugin at the time of the look, and has no answer, stands behind calls that it works on:
    /// it has answered some meanwhile, and none but those that were written by then. Or it has since the look before, and
    /// one that was written by then has no answer yet, however long that one takes.
    pub(crate) fn was_busy(self, now: Progress) -> bool {
        let Self { before, at } = self;
        let since = if now.answered < at.written { before } else { at };
        since.answered < now.answered && now.answered <= at.written
    }
}
