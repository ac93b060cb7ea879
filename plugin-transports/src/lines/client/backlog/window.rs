//! The limit on written calls: it shuts when more of them were given up than half of those that are waited for.

/// So many may stand in line after the line was too long twice. A quarter of it after each time more.
pub(super) const CAUTIOUS: usize = 16;

/// How many calls may stand in line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) most: usize,
    /// There were too many in line that nobody waits for, and some still are.
    is_shut: bool,
    /// How often it was.
    pub(super) shuts: u32,
}

impl Default for Window {
    /// As many as come.
    fn default() -> Self {
        Self { most: usize::MAX, is_shut: false, shuts: 0 }
    }
}

impl Window {
    /// Whether a line of so many has room for no other. An empty one always has.
    pub(super) fn is_full(&self, line: usize) -> bool {
        line > 0 && line >= self.most
    }

    /// A call was answered to somebody, while so many in line were given up.
    pub(super) fn widen(&mut self, abandoned: usize) {
        // Where nobody is in line that the plugin works for in vain, it may be tried faster.
        let more = if abandoned == 0 { self.most } else { 1 };
        self.most = self.most.saturating_add(more);
    }

    /// One more in line was given up. Now so many are, and so many others are waited for. Whether it shuts by that.
    pub(super) fn gave_up(&mut self, abandoned: usize, awaited: usize) -> bool {
        let (shuts, was_shut) = (abandoned > 1.max(awaited / 2), self.is_shut);
        if shuts {
            self.shuts += u32::from(!was_shut);
            self.is_shut = true;
            self.most = self.most.min(awaited.max(1));
        }
        shuts && !was_shut
    }

    /// The line has moved, and of those that are in it so many were given up.
    pub(super) fn moved(&mut self, abandoned: usize) {
        if self.is_shut && abandoned == 0 {
            self.is_shut = false;
            self.most = match self.shuts {
                0 | 1 => usize::MAX,
                // A line that was grown again is not cut here.
                shuts => self.most.max(CAUTIOUS >> (2 * (shuts - 2)).min(4)),
            };
        }
    }
}
