//! How many calls a plugin was seen to work on at once.

/// A plugin begins calls in the order in which they were written. So when one is answered, it has begun all that were written
/// before, and works still on those of them that have no answer. Seen from a plugin that takes one call at a time this is
/// one, whatever its callers do. Calls that it has lost count here, but also among those that it has not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Together {
    /// Written and not answered, wherever they stand.
    unanswered: usize,
    /// So many at once were seen.
    seen: usize,
}

impl Default for Together {
    fn default() -> Self {
        Self { unanswered: 0, seen: 1 }
    }
}

impl Together {
    pub(super) fn wrote(&mut self) {
        self.unanswered += 1;
    }

    /// A call was answered, and so many without an answer were written after it.
    pub(super) fn answered(&mut self, after: usize) {
        self.seen = self.seen.max(self.unanswered.saturating_sub(after));
        self.overtaken_answered();
    }

    /// A call was answered of which it is not known how many were written after it.
    pub(super) fn overtaken_answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// No two were seen to be worked on at once.
    pub(super) fn is_one_at_a_time(self) -> bool {
        self.seen == 1
    }

    /// Whether the plugin would begin another at once, as far as it was seen to, where so many stand in line.
    pub(super) fn has_room(self, line: usize) -> bool {
        self.unanswered(line) < self.seen
    }

    /// Whether it may, where calls are worked on side by side: how many more it takes is only seen if there are more.
    pub(super) fn may_have_room(self, line: usize) -> bool {
        self.seen > 1 && self.unanswered(line) < self.seen.saturating_mul(2)
    }

    /// A plugin that answers more than it was asked cannot make it fewer than stand in line.
    fn unanswered(self, line: usize) -> usize {
        self.unanswered.max(line)
    }
}
