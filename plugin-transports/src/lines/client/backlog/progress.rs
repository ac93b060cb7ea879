//! How far a plugin has come with its calls, and whether that keeps another request waiting.

/// How far a plugin has come with its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(super) written: u64,
    pub(super) answered: u64,
    /// The first call in line, where somebody waits for it and the plugin takes one at a time, as far as was seen.
    pub(super) works_on: Option<u64>,
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

    /// Whether what was asked of the plugin at the time of the look, and has no answer, stands behind calls that it works on.
    /// It has answered none that was written later; and it has answered some meanwhile, or since the look before if one that
    /// was written by then has no answer yet, or the first that has none is still waited for: whether that one takes too
    /// long is for its own limit to say.
    pub(crate) fn was_busy(self, now: Progress) -> bool {
        let Self { before, at } = self;
        let since = if now.answered < at.written { before } else { at };
        let works_on = now.works_on.is_some_and(|place| place <= at.written);
        now.answered <= at.written && (since.answered < now.answered || works_on)
    }
}
