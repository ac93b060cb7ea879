//! How many calls a plugin was seen to work on at once.

use std::{collections::VecDeque, time::Duration};

use plugin_core::clock::Instant;

use super::line::Standing;

/// Calls are forgotten beyond that many that were overtaken and have no answer: those that were lost.
const MOST: usize = 1 << 10;

/// A plugin begins calls in the order in which they were written. So when one is answered, it has seen all that were written
/// before, and those of them that have no answer are worked on, or wait: a plugin that takes one call at a time may have a
/// second way for some that are quick (an answer from memory, a check of its input), and they overtake all that are in its
/// line. So each call that was overtaken counts as far as the time in which the other was answered is that for which it has
/// been there itself: nearly as a whole where calls that were written together take times that are alike, and next to
/// nothing where one that takes no time overtakes a long line.
///
/// Seen from a plugin that takes one call at a time this is one, or little more, whatever its callers do. Calls that it has lost
/// count here, but also among those that it has not answered.
#[derive(Clone, Debug)]
pub(super) struct Together {
    /// Written and not answered, wherever they stand.
    unanswered: usize,
    /// So many at once were seen.
    seen: usize,
    /// Those of the unanswered that were overtaken, by place.
    overtaken: VecDeque<Overtaken>,
}

#[derive(Clone, Copy, Debug)]
struct Overtaken {
    place: u64,
    number: u64,
    written: Instant,
}

impl Default for Together {
    fn default() -> Self {
        Self { unanswered: 0, seen: 1, overtaken: VecDeque::new() }
    }
}

impl Together {
    pub(super) fn wrote(&mut self) {
        self.unanswered += 1;
    }

    /// One that was written later is answered.
    pub(super) fn overtook(&mut self, call: Standing) {
        let Some(written) = call.written else { return };
        if self.overtaken.len() == MOST {
            self.overtaken.pop_front();
        }
        self.overtaken.push_back(Overtaken { place: call.place, number: call.number, written });
    }

    /// Whether an answer may show that the plugin works on more calls at once than was seen, where so many without an answer
    /// were written after it.
    pub(super) fn may_show_more(&self, after: usize) -> bool {
        self.unanswered.saturating_sub(after) > self.seen
    }

    /// A call was answered after this time, and so many without an answer were written after it.
    pub(super) fn shown(&mut self, took: Duration, after: usize, now: Instant) {
        let took = took.as_secs_f64();
        let share = |other: &Overtaken| {
            let age = now.saturating_since(other.written).as_secs_f64();
            if age > took { took / age } else { 1.0 }
        };
        let others = self.overtaken.iter().map(share).sum::<f64>();
        // A sum of so few fractions is not off by more than this.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no more than were overtaken")]
        let others = (others + 1e-6) as usize;
        self.seen = self.seen.max(self.unanswered.saturating_sub(after).min(1 + others));
    }

    /// More were given up than fit with that. A plugin that works on so many at once shows it again.
    pub(super) fn is_doubted(&mut self) {
        self.seen = self.seen.div_ceil(2);
    }

    /// A call was answered.
    pub(super) fn answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// A call was answered that had been overtaken.
    pub(super) fn overtaken_answered(&mut self, place: u64) {
        if let Ok(at) = self.overtaken.binary_search_by_key(&place, |call| call.place) {
            self.overtaken.remove(at);
        }
        self.answered();
    }

    /// The same, by the number of the call.
    pub(super) fn overtaken_answered_late(&mut self, number: u64) {
        if let Some(at) = self.overtaken.iter().position(|call| call.number == number) {
            self.overtaken.remove(at);
        }
        self.answered();
    }

    /// Calls that were overtaken and have no answer, as far as they are remembered.
    #[cfg(test)]
    pub(super) fn overtaken(&self) -> usize {
        self.overtaken.len()
    }

    /// No two were seen to be worked on at once.
    pub(super) fn is_one_at_a_time(&self) -> bool {
        self.seen == 1
    }

    /// Whether the plugin would begin another at once, as far as it was seen to, where so many stand in line.
    pub(super) fn has_room(&self, line: usize) -> bool {
        self.unanswered(line) < self.seen
    }

    /// Whether it may, where calls are worked on side by side: how many more it takes is only seen if there are more.
    pub(super) fn may_have_room(&self, line: usize) -> bool {
        self.seen > 1 && self.unanswered(line) < self.seen.saturating_mul(2)
    }

    /// A plugin that answers more than it was asked cannot make it fewer than stand in line.
    fn unanswered(&self, line: usize) -> usize {
        self.unanswered.max(line)
    }
}
