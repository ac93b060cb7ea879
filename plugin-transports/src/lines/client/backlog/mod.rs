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

mod late;
mod line;
mod pace;
mod progress;
mod window;

use plugin_core::clock::Instant;

pub(crate) use self::progress::{Look, Progress};
use self::{
    late::Late,
    line::{Line, Standing},
    pace::{Recent, Turn},
    window::Window,
};

/// After so many answers to somebody, while nobody gave up, nothing is held back any more.
const CALM: u32 = 64;

/// Calls that were written to a plugin, as far as they may stand before another. They are known by their place in all that
/// was written, which is greater than of those before, and of the first than 0.
#[derive(Debug)]
pub(super) struct Backlog {
    line: Line,
    progress: Progress,
    /// Answers to somebody since somebody gave up, up to [`CALM`].
    calm: u32,
    /// How long the last answers took, from the writing of the call.
    recent: Recent,
    /// For everybody.
    window: Window,
    /// For those that have little time.
    late: Late,
}

/// A call is not written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nor is any other, until this moment at the latest.
    All(Instant),
    /// It has little time, and is written when [`Backlog::admit_late`] says so.
    Late,
}

impl Backlog {
    pub(super) fn new() -> Self {
        Self {
            line: Line::default(),
            progress: Progress::default(),
            calm: CALM,
            recent: Recent::default(),
            window: Window::default(),
            late: Late::default(),
        }
    }

    /// Whether a call may be written now whose caller waits until `deadline`. Who may, is.
    pub(super) fn admit(&self, deadline: Option<Instant>, now: impl FnOnce() -> Instant) -> Result<(), Hold> {
        if !self.is_watched() {
            return Ok(());
        }
        let now = now();
        match self.recent.are_all_longer(deadline, now) {
            true => Err(Hold::Late),
            false => self.admit_to_line(now).map_err(Hold::All),
        }
    }

    /// Whether one of the calls that have little time may be written now. If not, until when it is to be asked again at the
    /// latest.
    pub(super) fn admit_late(&self, now: impl FnOnce() -> Instant) -> Result<(), Instant> {
        if !self.is_watched() {
            return Ok(());
        }
        let now = now();
        self.admit_to_line(now)?;
        let Some(turn) = self.late.waits_for(&self.line) else { return Ok(()) };
        // Whatever is in line may have to be answered first.
        let line = u32::try_from(self.line.len()).unwrap_or(u32::MAX);
        turn.until(self.recent.patience().saturating_mul(line), now).map_or(Ok(()), Err)
    }

    fn admit_to_line(&self, now: Instant) -> Result<(), Instant> {
        match self.line.turn.until(self.recent.patience(), now) {
            Some(until) if self.window.is_full(self.line.len()) => Err(until),
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
                self.line.turn = Turn::moved(now);
            } else if self.window.is_full(self.line.len()) {
                self.line.turn.let_through(now);
            }
            is_late = self.recent.are_all_longer(deadline, now);
            if is_late {
                self.late.wrote(now);
            }
        }
        let call = Standing { place, number, is_abandoned: false, is_late, written };
        if let Some(forgotten) = self.line.join(call) {
            self.late.left(forgotten);
        }
        self.progress.written = place;
        written
    }

    /// A call that was given up has its answer.
    pub(super) fn answered_late(&mut self, number: u64, now: impl FnOnce() -> Instant) {
        if let Some(place) = self.line.abandoned_at(number) {
            self.moved(place, false, now);
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
            self.window.widen(self.line.abandoned());
        }
        // It was overtaken, which says nothing of those in line.
        if place <= self.progress.answered {
            self.late.was_overtaken();
            return;
        }
        self.progress.answered = place;
        let mut last = None;
        while let Some(first) = self.line.leave(place) {
            self.late.left(first);
            last = Some(first);
        }
        if !was_watched {
            return;
        }
        let now = now();
        if let Some(written) = last.filter(|last| last.place == place).and_then(|last| last.written) {
            self.recent.add(now.saturating_since(written));
        }
        self.line.turn = Turn::moved(now);
        self.window.moved(self.line.abandoned());
    }

    /// Nobody waits any more for a call that was written and has no answer.
    pub(super) fn given_up(&mut self, place: u64, now: impl FnOnce() -> Instant) {
        self.missed(now);
        if self.line.abandon(place) {
            self.window.gave_up(self.line.abandoned(), self.line.awaited());
        }
    }

    /// Nobody waits any more for a call, whether it was written or held back: somebody is in a hurry.
    pub(super) fn missed(&mut self, now: impl FnOnce() -> Instant) {
        if !self.is_watched() {
            // It moved before, but nobody looked when.
            self.line.turn = Turn::moved(now());
            self.recent = Recent::default();
            self.window = Window::default();
        }
        self.calm = 0;
    }

    /// Requests that the plugin may still work off for nobody.
    pub(super) fn abandoned(&self) -> usize {
        self.line.abandoned()
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress
    }

    fn is_watched(&self) -> bool {
        self.calm < CALM
    }
}

#[cfg(test)]
mod tests;
