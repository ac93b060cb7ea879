//! The calls that stand before another inside of the plugin.

use std::collections::VecDeque;

use plugin_core::{clock::Instant, deadline::cut::Place};

use super::pace::OneMore;

/// The most calls in line that are remembered. More is only there where no answer comes at all.
pub(super) const MOST: usize = 1 << 16;

/// What was written after the latest call that was answered.
#[derive(Debug, Default)]
pub(super) struct CallLine {
    /// Oldest first.
    calls: VecDeque<Standing>,
    /// Of those, the ones that nobody waits for.
    abandoned: usize,
    /// When it last moved.
    pub(super) turn: OneMore,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) place: u64,
    /// What is known of it when it has been given up.
    pub(super) number: u64,
    pub(super) is_abandoned: bool,
    /// It had less time left than answers took.
    pub(super) is_late: bool,
    /// It could not be held back any longer.
    pub(super) is_rescued: bool,
    /// What was answered to somebody before it was written.
    pub(super) after: Place,
    /// When it was written, where that is of use.
    pub(super) written: Option<Instant>,
}

impl CallLine {
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The one that has been there longest.
    pub(super) fn first(&self) -> Option<&Standing> {
        self.calls.front()
    }

    pub(super) fn abandoned(&self) -> usize {
        self.abandoned
    }

    /// Those that somebody waits for.
    pub(super) fn awaited(&self) -> usize {
        self.calls.len() - self.abandoned
    }

    /// A call was written. Gives back the one that is not remembered any more, if there are too many.
    pub(super) fn join(&mut self, call: Standing) -> Option<Standing> {
        let forgotten = if self.calls.len() == MOST { self.leave(u64::MAX) } else { None };
        self.calls.push_back(call);
        forgotten
    }

    /// The first leaves, if it was not written after the one in this place.
    pub(super) fn leave(&mut self, place: u64) -> Option<Standing> {
        if self.calls.front()?.place > place {
            return None;
        }
        let first = self.calls.pop_front()?;
        self.abandoned -= usize::from(first.is_abandoned);
        Some(first)
    }

    /// Nobody waits for it any more. `None` where it does not stand in the line.
    pub(super) fn abandon(&mut self, place: u64) -> Option<Standing> {
        let at = self.calls.binary_search_by_key(&place, |call| call.place).ok()?;
        self.calls[at].is_abandoned = true;
        self.abandoned += 1;
        Some(self.calls[at])
    }

    /// The place of a call, and whether it was given up. `None` where it does not stand in the line.
    pub(super) fn place_of(&self, number: u64) -> Option<(u64, bool)> {
        // Who was given up is among the first of a plugin that takes one call at a time, and the line of others is short.
        let call = self.calls.iter().find(|call| call.number == number)?;
        Some((call.place, call.is_abandoned))
    }
}
