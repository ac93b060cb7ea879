//! Calls that had less time left, when they were written, than each of the last answers took: they would hardly be answered
//! in time, and are written one at a time.

use plugin_core::clock::Instant;

use super::{
    line::{CallLine, Standing},
    pace::OneMore,
};

#[derive(Debug)]
pub(super) struct Late {
    /// Of those in line, the ones that had little time.
    in_line: usize,
    /// When another may be written beside them.
    turn: OneMore,
    /// No call was answered after one that was written later. A plugin that takes one call at a time never does otherwise.
    pub(super) is_in_order: bool,
}

impl Default for Late {
    fn default() -> Self {
        Self { in_line: 0, turn: OneMore::default(), is_in_order: true }
    }
}

impl Late {
    /// Whose turn it is to move before another like them is written. `None`: nobody's.
    pub(super) fn waits_for(&self, line: &CallLine) -> Option<OneMore> {
        match () {
            () if self.in_line > 0 => Some(self.turn),
            () if self.is_in_order && !line.is_empty() => Some(line.turn),
            () => None,
        }
    }

    pub(super) fn wrote(&mut self, now: Instant) {
        if self.in_line == 0 {
            self.turn = OneMore::moved(now);
        } else {
            self.turn.let_through(now);
        }
        self.in_line += 1;
    }

    pub(super) fn left(&mut self, call: Standing) {
        self.in_line -= usize::from(call.is_late);
    }

    /// A call was answered after one that was written later.
    pub(super) fn was_overtaken(&mut self) {
        self.is_in_order = false;
    }
}
