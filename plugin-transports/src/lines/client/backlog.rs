//! What stands before a call inside of the plugin. Pure: no I/O, no clock, no lock.
//!
//! A request that was written cannot be taken back. When its caller gives it up, a plugin that takes one call at a time
//! works it off all the same, and whoever comes later waits behind it. Callers in a hurry would so fill such a plugin for
//! everybody, and nothing but the pipe would bound it: those that stay would be answered too late, for ever. So after a
//! call was given up, calls are held back on the host's side, where one that is given up costs nothing, while one more
//! would take the plugin too long: the calls that stand in line, times the time from one answer to the next (Little's law;
//! a bound on the time in a queue is what CoDel keeps, RFC 8289). Too long is what is longer than a call takes that stands
//! in no line at all, so that a plugin is not held back that takes its time for each but serves many side by side.
//!
//! An answer to a call says that all that were written before it stand in nobody's way any more. They were answered, or the
//! plugin serves calls side by side, or it has lost them. So the line is what was written after the latest call that was
//! answered, calls that hang in a parallel plugin leave it with the next answer, and a plugin that answers many calls per
//! second is not held back, in whatever order it does.
//!
//! Where no answer comes, one more is written after a while, and the next after twice as long: a plugin that has room left
//! answers it.

use std::{collections::VecDeque, time::Duration};

use plugin_core::clock::Instant;

/// What stands in line may take the plugin so long, or an eighth of what a call may take.
const SOON: Duration = Duration::from_secs(1);

/// An answer is waited for so long at least, and at most, before one more is written.
const PATIENCE: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(8)];

/// After so many answers to somebody, none of which had been given up, nothing is held back any more.
const CALM: u32 = 16;

/// The most calls in line that are remembered. More is only there where no answer comes at all.
const MOST: usize = 1 << 16;

/// Calls that were written to a plugin, as far as they may stand before another.
#[derive(Debug)]
pub(super) struct Backlog {
    /// What was written after the latest call that was answered, oldest first.
    line: VecDeque<Standing>,
    /// Of those, the ones that nobody waits for.
    abandoned: usize,
    /// Numbers of the last that was written, and of the latest that was answered.
    progress: Progress,
    /// Answers to somebody since a call was given up, up to [`CALM`].
    calm: u32,
    /// The most that a call that was given up might have taken, where that is known.
    allowed: Option<Duration>,
    /// From one answer to the next, on average over the last.
    pace: Option<Duration>,
    /// From writing a call to its answer, where none stood before it. No more than any other took.
    alone: Option<Duration>,
    /// When the line last moved, or began.
    moved: Option<Instant>,
    /// When the line last moved, or one more was written though it was full.
    quiet: Option<Instant>,
    /// So many were, since the line last moved.
    probes: u32,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    number: u64,
    is_abandoned: bool,
    /// When it was written, where that is of use.
    written: Option<Instant>,
    /// None stood before it.
    is_alone: bool,
}

/// How far a plugin has come with its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    written: u64,
    answered: u64,
}

impl Progress {
    /// Whether the plugin has answered calls since.
    pub(super) fn has_moved(self, then: Self) -> bool {
        self.answered > then.answered
    }

    /// Whether the plugin has answered calls since, and none but those that were written by then: whoever was written
    /// then and has no answer may still stand behind one of them.
    pub(crate) fn was_busy(self, now: Self) -> bool {
        self.answered < now.answered && now.answered <= self.written
    }
}

impl Backlog {
    pub(super) fn new() -> Self {
        Self {
            line: VecDeque::new(),
            abandoned: 0,
            progress: Progress::default(),
            calm: CALM,
            allowed: None,
            pace: None,
            alone: None,
            moved: None,
            quiet: None,
            probes: 0,
        }
    }

    /// Whether a call may be written now. If not, until when it is to be asked again at the latest.
    pub(super) fn admit(&mut self, now: impl FnOnce() -> Instant) -> Result<(), Instant> {
        if !self.is_watched() || self.line.is_empty() {
            return Ok(());
        }
        let now = now();
        if self.takes(now).is_some_and(|takes| takes <= self.bound().max(self.alone.unwrap_or_default())) {
            return Ok(());
        }
        let until = self.quiet.get_or_insert(now).saturating_add(self.patience());
        if now < until {
            return Err(until);
        }
        self.quiet = Some(now);
        self.probes += 1;
        Ok(())
    }

    /// A call is written. Its number is greater than those before.
    pub(super) fn wrote(&mut self, number: u64, now: impl FnOnce() -> Instant) {
        let is_alone = self.line.is_empty();
        // The first is measured in any case, so that there is something to go by.
        let written = (self.is_watched() || (is_alone && self.alone.is_none())).then(now);
        if is_alone && self.is_watched() {
            self.moved = written;
        }
        if self.line.len() == MOST {
            self.line.pop_front().inspect(|first| self.abandoned -= usize::from(first.is_abandoned));
        }
        self.line.push_back(Standing { number, is_abandoned: false, written, is_alone });
        self.progress.written = number;
    }

    /// A call has its answer, which somebody waits for or not.
    pub(super) fn answered(&mut self, number: u64, is_awaited: bool, now: impl FnOnce() -> Instant) {
        let was_watched = self.is_watched();
        if is_awaited && was_watched {
            self.calm += 1;
        }
        // It was overtaken, or is answered once more: neither says anything of those in line. Or it was never written.
        if number <= self.progress.answered || number > self.progress.written {
            return;
        }
        self.progress.answered = number;
        let (mut left, mut last) = (0, None);
        while let Some(first) = self.line.pop_front_if(|first| first.number <= number) {
            self.abandoned -= usize::from(first.is_abandoned);
            left += 1;
            last = Some(first);
        }
        let written = last.filter(|last| last.number == number).and_then(|last| Some((last.written?, last.is_alone)));
        if !was_watched && written.is_none() {
            return;
        }
        let now = now();
        if let Some((written, is_alone)) = written {
            self.took(now.saturating_since(written), is_alone);
        }
        if !was_watched {
            return;
        }
        if let Some(moved) = self.moved {
            let each = now.saturating_since(moved) / left.max(1);
            self.pace = Some(self.pace.map_or(each, |pace| pace - pace / 8 + each / 8));
        }
        self.moved = (!self.line.is_empty()).then_some(now);
        self.quiet = Some(now);
        self.probes = 0;
    }

    fn took(&mut self, time: Duration, is_alone: bool) {
        self.alone = match self.alone {
            Some(alone) if time < alone => Some(time),
            Some(alone) if is_alone => Some(alone + (time - alone) / 4),
            None if is_alone => Some(time),
            known => known,
        };
    }

    /// Nobody waits any more for a call that was written and has no answer. `limit` is what it might have taken as it was
    /// configured, where that is known.
    pub(super) fn given_up(&mut self, number: u64, limit: Option<Duration>, now: impl FnOnce() -> Instant) {
        if !self.is_watched() {
            // It moved before, but nobody looked when.
            self.moved = None;
            self.quiet = Some(now());
            self.probes = 0;
            self.allowed = limit.or(self.allowed);
        }
        self.calm = 0;
        // Callers with different limits: the most patient of them decides.
        self.allowed = self.allowed.max(limit);
        if let Ok(at) = self.line.binary_search_by_key(&number, |standing| standing.number) {
            self.line[at].is_abandoned = true;
            self.abandoned += 1;
        }
    }

    /// Requests that the plugin may still work off for nobody.
    pub(super) fn abandoned(&self) -> usize {
        self.abandoned
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress
    }

    fn is_watched(&self) -> bool {
        self.calm < CALM
    }

    /// How long the plugin takes for what stands in line and one more, as far as that is known. One that has become slower
    /// shows by the answer that does not come; an eighth of that, since many give several answers at once.
    fn takes(&self, now: Instant) -> Option<Duration> {
        let waits = self.moved.map_or(Duration::ZERO, |moved| now.saturating_since(moved)) / 8;
        let count = u32::try_from(self.line.len() + 1).unwrap_or(u32::MAX);
        Some(self.pace?.max(waits).saturating_mul(count))
    }

    /// What stands in line may take so long.
    fn bound(&self) -> Duration {
        self.allowed.map_or(SOON, |allowed| SOON.min(allowed / 8))
    }

    /// How long to wait for an answer before one more is written: several times as long as it takes, so that a plugin that
    /// is only slow gets no more than it answers.
    fn patience(&self) -> Duration {
        let [least, most] = PATIENCE;
        let slow = self.alone.unwrap_or_default().saturating_mul(2);
        let first = self.pace.map_or(self.bound().max(slow), |pace| pace.saturating_mul(4)).max(least);
        first.saturating_mul(1 << self.probes.min(16)).min(most.max(first))
    }
}

#[cfg(test)]
#[path = "backlog_tests.rs"]
mod tests;
