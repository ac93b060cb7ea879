//! What stands before a call inside of the plugin. Pure: no I/O, no clock, no lock.
//!
//! A request that was written cannot be taken back. When its caller gives it up, a plugin that takes one call at a time
//! works it off all the same, and whoever comes later waits behind it. Callers in a hurry, and those who leave, would so
//! fill such a plugin for everybody, and nothing but the pipe would bound it: those that stay would be answered too late,
//! for ever. So after a call was given up, two rules hold calls back on the host's side, where one that is given up costs
//! nothing:
//!
//! * **A call that has less time left than each of the last answers took** is written when no other like it is in line, and
//!   where all answers came in the order of the calls, when none is: it would hardly be answered in time, and from a plugin
//!   that takes one call at a time it would take the time of others. No other call is held up by it.
//! * **The plugin does not work for nobody more than it works for somebody.** Once more calls in line were given up than
//!   half of those that are waited for, as many as are waited for may stand in line, and one more with each answer to
//!   somebody. When none that was given up is in line any more, as many are written as come; fewer where that has gone
//!   wrong before.
//!
//! An answer to a call says that all that were written before it stand in nobody's way any more. They were answered, or the
//! plugin serves calls side by side, or it has lost them. So the line is what was written after the latest call that was
//! answered, calls that hang in a parallel plugin leave it with the next answer, and a plugin that serves calls side by side
//! is soon let go: in trials after no longer than one of them takes, which is what was seen and not a bound.
//!
//! Where no answer comes, one more is written after a while, and the next after twice as long: a plugin that has room left
//! answers it.
//!
//! Neither rule asks how many calls a plugin serves at once, which cannot be told from outside: one that takes one at a time
//! and one that serves many with equal times answer in the same order, and a rate of answers that was seen while few calls
//! were there is no bound on the rate with many.

use std::{collections::VecDeque, time::Duration};

use plugin_core::clock::Instant;

/// An answer is waited for so long at least, and at most, before one more is written.
const PATIENCE: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(8)];

/// The same where nothing is known of how long an answer takes.
const UNKNOWN: Duration = Duration::from_secs(1);

/// After so many answers to somebody, while nobody gave up, nothing is held back any more.
const CALM: u32 = 64;

/// So many may stand in line after the line was too long twice. A quarter of it after each time more.
const CAUTIOUS: usize = 16;

/// So many of the last answers say how long one takes.
const RECENT: usize = 4;

/// The most calls in line that are remembered. More is only there where no answer comes at all.
const MOST: usize = 1 << 16;

/// Calls that were written to a plugin, as far as they may stand before another. They are known by their place in all that
/// was written, which is greater than of those before, and of the first than 0.
#[derive(Debug)]
pub(super) struct Backlog {
    /// What was written after the latest call that was answered, oldest first.
    line: VecDeque<Standing>,
    /// Of those, the ones that nobody waits for.
    abandoned: usize,
    progress: Progress,
    /// Answers to somebody since somebody gave up, up to [`CALM`].
    calm: u32,
    /// How long the last answers took, from the writing of the call.
    recent: Recent,
    /// For everybody.
    line_up: Turn,
    /// So many may stand in line.
    window: usize,
    /// There were too many in line that nobody waits for, and some still are.
    is_shut: bool,
    /// How often it was.
    shuts: u32,
    /// No call was answered after one that was written later. One that takes one call at a time never does otherwise.
    is_in_order: bool,
    /// For those that have little time.
    alone: Turn,
    /// Of those in line, the ones that had little time.
    late: usize,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    place: u64,
    /// What is known of it when it has been given up.
    number: u64,
    is_abandoned: bool,
    /// It had less time left than answers took.
    is_late: bool,
    /// When it was written, where that is of use.
    written: Option<Instant>,
}

/// When one more may be written though it is no call's turn.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    /// When the line last moved, or began, or one was let through.
    since: Option<Instant>,
    /// So many were let through, since the line last moved.
    probes: u32,
}

/// How long the last answers took.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    times: [Duration; RECENT],
    count: usize,
}

/// How far a plugin has come with its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    written: u64,
    answered: u64,
}

/// A call is not written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nor is any other, until this moment at the latest.
    All(Instant),
    /// It has little time, and is written when [`Backlog::admit_late`] says so.
    Late,
}

impl Progress {
    /// Whether the plugin has answered calls since.
    pub(super) fn has_moved(self, then: Self) -> bool {
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
    pub(super) fn next(self, at: Progress) -> Self {
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

impl Turn {
    fn moved(now: Instant) -> Self {
        Self { since: Some(now), probes: 0 }
    }

    /// Until when to wait, where one more is let through after this time, and the next after twice as long.
    fn until(self, patience: Duration) -> Option<Instant> {
        let [_, most] = PATIENCE;
        let wait = patience.saturating_mul(1 << self.probes.min(16)).min(most);
        self.since.map(|since| since.saturating_add(wait))
    }

    fn let_through(&mut self, now: Instant) {
        *self = Self { since: Some(now), probes: self.probes + 1 };
    }
}

impl Recent {
    fn add(&mut self, time: Duration) {
        self.times[self.count % RECENT] = time;
        // It stays in the same place of the ring, and does not overflow.
        self.count = if self.count == 2 * RECENT - 1 { RECENT } else { self.count + 1 };
    }

    fn all(&self) -> impl Iterator<Item = Duration> {
        self.times.into_iter().take(self.count)
    }
}

impl Backlog {
    pub(super) fn new() -> Self {
        Self {
            line: VecDeque::new(),
            abandoned: 0,
            progress: Progress::default(),
            calm: CALM,
            recent: Recent::default(),
            line_up: Turn::default(),
            window: usize::MAX,
            is_shut: false,
            shuts: 0,
            is_in_order: true,
            alone: Turn::default(),
            late: 0,
        }
    }

    /// Whether a call may be written now whose caller waits until `deadline`. Who may, is.
    pub(super) fn admit(&self, deadline: Option<Instant>, now: impl FnOnce() -> Instant) -> Result<(), Hold> {
        if !self.is_watched() {
            return Ok(());
        }
        let now = now();
        if self.is_late(deadline, now) { Err(Hold::Late) } else { self.admit_to_line(now).map_err(Hold::All) }
    }

    /// Whether one of the calls that have little time may be written now. If not, until when it is to be asked again at the
    /// latest.
    pub(super) fn admit_late(&self, now: impl FnOnce() -> Instant) -> Result<(), Instant> {
        if !self.is_watched() {
            return Ok(());
        }
        let now = now();
        self.admit_to_line(now)?;
        let turn = match () {
            () if self.late > 0 => self.alone,
            () if self.is_in_order && !self.line.is_empty() => self.line_up,
            () => return Ok(()),
        };
        // Whatever is in line may have to be answered first.
        let line = u32::try_from(self.line.len()).unwrap_or(u32::MAX);
        turn.until(self.patience().saturating_mul(line)).filter(|until| now < *until).map_or(Ok(()), Err)
    }

    fn admit_to_line(&self, now: Instant) -> Result<(), Instant> {
        match self.line_up.until(self.patience()) {
            Some(until) if self.is_full() && now < until => Err(until),
            _ => Ok(()),
        }
    }

    /// A call is written. Gives back when, where calls may have been held back.
    pub(super) fn wrote(
        &mut self,
        place: u64,
        number: u64,
        deadline: Option<Instant>,
        now: impl FnOnce() -> Instant,
    ) -> Option<Instant> {
        let written = self.is_watched().then(now);
        let mut is_late = false;
        if let Some(now) = written {
            if self.line.is_empty() {
                self.line_up = Turn::moved(now);
            } else if self.is_full() {
                self.line_up.let_through(now);
            }
            is_late = self.is_late(deadline, now);
            if is_late {
                if self.late == 0 {
                    self.alone = Turn::moved(now)
                } else {
                    self.alone.let_through(now)
                }
                self.late += 1;
            }
        }
        if self.line.len() == MOST
            && let Some(first) = self.line.pop_front()
        {
            self.left(first);
        }
        self.line.push_back(Standing { place, number, is_abandoned: false, is_late, written });
        self.progress.written = place;
        written
    }

    /// A call that was given up has its answer.
    pub(super) fn answered_late(&mut self, number: u64, now: impl FnOnce() -> Instant) {
        // It is among the first of a plugin that takes one call at a time, and the line of others is short.
        let standing = self.line.iter().find(|standing| standing.number == number);
        if let Some(standing) = standing.filter(|standing| standing.is_abandoned) {
            self.moved(standing.place, false, now);
        }
    }

    /// A call has its answer, which somebody waits for.
    pub(super) fn answered(&mut self, place: u64, now: impl FnOnce() -> Instant) {
        self.moved(place, true, now);
    }

    fn moved(&mut self, place: u64, is_awaited: bool, now: impl FnOnce() -> Instant) {
        let was_watched = self.is_watched();
        if is_awaited && was_watched {
            self.calm += 1;
            // Where nobody is in line that the plugin works for in vain, it may be tried faster.
            let more = if self.abandoned == 0 { self.window } else { 1 };
            self.window = self.window.saturating_add(more);
        }
        // It was overtaken, which says nothing of those in line.
        if place <= self.progress.answered {
            self.is_in_order = false;
            return;
        }
        self.progress.answered = place;
        let mut last = None;
        while let Some(first) = self.line.pop_front_if(|first| first.place <= place) {
            self.left(first);
            last = Some(first);
        }
        if !was_watched {
            return;
        }
        let now = now();
        if let Some(written) = last.filter(|last| last.place == place).and_then(|last| last.written) {
            self.recent.add(now.saturating_since(written));
        }
        self.line_up = Turn::moved(now);
        if self.is_shut && self.abandoned == 0 {
            self.is_shut = false;
            self.window = match self.shuts {
                0 | 1 => usize::MAX,
                // A line that was grown again is not cut here.
                shuts => self.window.max(CAUTIOUS >> (2 * (shuts - 2)).min(4)),
            };
        }
    }

    fn left(&mut self, standing: Standing) {
        self.abandoned -= usize::from(standing.is_abandoned);
        self.late -= usize::from(standing.is_late);
    }

    /// Nobody waits any more for a call that was written and has no answer.
    pub(super) fn given_up(&mut self, place: u64, now: impl FnOnce() -> Instant) {
        self.missed(now);
        let Ok(at) = self.line.binary_search_by_key(&place, |standing| standing.place) else { return };
        self.line[at].is_abandoned = true;
        self.abandoned += 1;
        let awaited = self.line.len() - self.abandoned;
        if self.abandoned > 1.max(awaited / 2) {
            self.shuts += u32::from(!self.is_shut);
            self.is_shut = true;
            self.window = self.window.min(awaited.max(1));
        }
    }

    /// Nobody waits any more for a call, whether it was written or held back: somebody is in a hurry.
    pub(super) fn missed(&mut self, now: impl FnOnce() -> Instant) {
        if !self.is_watched() {
            // It moved before, but nobody looked when.
            self.line_up = Turn::moved(now());
            self.recent = Recent::default();
            self.window = usize::MAX;
            self.is_shut = false;
            self.shuts = 0;
        }
        self.calm = 0;
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

    fn is_full(&self) -> bool {
        !self.line.is_empty() && self.line.len() >= self.window
    }

    fn is_late(&self, deadline: Option<Instant>, now: Instant) -> bool {
        let quickest = self.recent.all().min();
        deadline.zip(quickest).is_some_and(|(deadline, quickest)| deadline.saturating_since(now) < quickest)
    }

    /// How long to wait for an answer before one more is written: as long as the slowest of the last took.
    fn patience(&self) -> Duration {
        let [least, most] = PATIENCE;
        self.recent.all().max().unwrap_or(UNKNOWN).clamp(least, most)
    }
}

#[cfg(test)]
#[path = "backlog_tests.rs"]
mod tests;
