//! The requests that a plugin was sent and has not answered, and when the next one may be written. Pure: no I/O, no clock, no lock.
//!
//! A request that was written cannot be taken back. When its caller gives it up, a plugin that takes one call at a time
//! works it off all the same, and whoever comes later waits behind it. Callers in a hurry, and those who leave, would so
//! fill such a plugin for everybody, and nothing but the pipe would bound it: those that stay would be answered too late,
//! for ever. So once a call was given up, or came with less time than calls take, two rules hold calls back on the host's
//! side, where one that is given up costs nothing:
//!
//! * **A call that has less time left than each of the last answers took** is written when no other like it is in line, and
//!   where all answers came in the order of the calls, when none is: it would hardly be answered in time, and from a plugin
//!   that takes one call at a time it would take the time of others. No other call is held up by it.
//! * **The plugin does not work for nobody more than it works for somebody.** Once more calls in line were given up than
//!   half of those that are waited for, as many as are waited for may stand in line, and one more with each answer to
//!   somebody. When none that was given up is in line any more, as many are written as come; fewer where that has gone
//!   wrong before.
//!
//! How many calls a plugin takes at once cannot be told from outside: one that takes one at a time and one that serves many
//! with equal times answer in the same order, and a rate of answers that was seen while few calls were there is no bound on
//! the rate with many. So two others keep small what a plugin that serves calls side by side loses by these:
//!
//! * **What it was seen to work on at once it gets** ([`Together`]): an answer that overtakes others that are no older shows how
//!   many. Calls that have time may be twice as many.
//! * **A call is held back no longer than it can be** ([`Backlog::latest`]): it is written when the time that is left for it
//!   is what a call takes and a quarter, unless the first in line is there for longer than that and does not seem to hang; where
//!   nothing was answered yet, when it is four times the silence so far. As long as calls that were written so late are not given up more often
//!   than answered.
//!
//! An answer to a call says that all that were written before it stand in nobody's way any more. They were answered, or the
//! plugin serves calls side by side, or it has lost them. So the line is what was written after the latest call that was
//! answered, and calls that hang in a parallel plugin leave it with the next answer.
//!
//! Where no answer comes, one more is written after a while, and the next after twice as long: a plugin that has room left
//! answers it.
//!
//! The numbers (four last answers, a quarter, four times, 16, 64, one answer in 128) are not taken from elsewhere. They come
//! out of a simulation in which rules were compared: plugins that take one call at a time, a few, or any number, with equal
//! times, uneven ones and calls that hang; callers that have time, are in a hurry, or leave. What holds these rules in this
//! form is `tests/trials.rs`.

mod late;
mod line;
mod pace;
mod progress;
mod rescue;
mod together;
mod watch;
mod window;

use plugin_core::{
    clock::Instant,
    deadline::cut::{self, Place},
};

pub(crate) use self::progress::{Look, Progress};
use self::{
    late::Late,
    line::{CallLine, Standing},
    pace::{OneMore, Recent, UNKNOWN},
    rescue::Rescue,
    together::Together,
    watch::HurryWatch,
    window::Window,
};

/// Where it is not known how long an answer takes, a call is held back until it has so many times as long left as the plugin
/// has been silent.
const SILENCES: u32 = 4;

/// Calls that were written to a plugin, as far as they may stand before another. They are known by their place in all that
/// was written, which is greater than of those before, and of the first than 0.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    line: CallLine,
    together: Together,
    /// The places of the last that was written, and of the latest that was answered.
    written: u64,
    answered: u64,
    /// Answers that came to somebody.
    answers: cut::Line,
    watch: HurryWatch,
    /// How long the last answers took, from the writing of the call.
    recent: Recent,
    /// For everybody.
    window: Window,
    rescue: Rescue,
    /// For those that have little time.
    late: Late,
}

/// Who waits for a call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Caller {
    /// Since when, where that is known without looking at the clock.
    pub(super) came: Option<Instant>,
    /// Until when, where that is known.
    pub(super) deadline: Option<Instant>,
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
    /// Whether the call of this caller may be written now. Who may, is.
    pub(super) fn admit(&mut self, caller: Caller, now: impl FnOnce() -> Instant) -> Result<(), Hold> {
        if !self.watch.is_on() && !self.is_hurried(caller) {
            return Ok(());
        }
        let (now, deadline) = (now(), caller.deadline);
        self.watch_from(|| now);
        if self.is_late(deadline, now) {
            return Err(Hold::Late);
        }
        if self.has_room() {
            return Ok(());
        }
        let until = self.admit_to_line(now).err();
        let until = until.map(|until| self.latest(deadline, now).map_or(until, |latest| latest.min(until)));
        until.filter(|until| now < *until).map_or(Ok(()), |until| Err(Hold::All(until)))
    }

    /// Whether one of the calls that have little time may be written now. If not, until when it is to be asked again at the
    /// latest.
    pub(super) fn admit_late(&self, now: impl FnOnce() -> Instant) -> Result<(), Instant> {
        if !self.watch.is_on() || self.together.has_room(self.line.len()) {
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

    /// Whether a call that has time may be written beside those that the plugin has, whatever else is known.
    fn has_room(&self) -> bool {
        let line = self.line.len();
        self.together.has_room(line) || self.together.may_have_room(line)
    }

    /// Whether the caller came with less time than a call takes.
    fn is_hurried(&self, Caller { came, deadline }: Caller) -> bool {
        came.is_some_and(|came| self.is_late(deadline, came))
    }

    /// Whether its caller has less time left than a call takes.
    fn is_late(&self, deadline: Option<Instant>, now: Instant) -> bool {
        deadline.zip(self.recent.quickest()).is_some_and(|(deadline, takes)| deadline.saturating_since(now) < takes)
    }

    /// Until when a call is held back at the latest: after that it would hardly be answered, whatever the plugin does.
    fn latest(&self, deadline: Option<Instant>, now: Instant) -> Option<Instant> {
        let deadline = deadline.filter(|_| self.rescue.is_of_use())?;
        match self.recent.quickest() {
            Some(quickest) => {
                let takes = quickest.saturating_add(quickest / 4);
                let (first, due) = (self.line.first()?, deadline.saturating_sub(takes));
                let written = first.written?;
                if now.saturating_since(written) <= takes {
                    return Some(due);
                }
                // Otherwise the first in line had to wait itself, unless it hangs where all others took what one takes.
                let may_hang = first.is_abandoned && self.recent.are_alike();
                may_hang.then(|| due.max(written.saturating_add(takes.saturating_mul(2))))
            }
            None => {
                let (silence, left) = (self.watch.silence(self.answered, now)?, deadline.saturating_since(now));
                // When what is left is so many times the silence, which grows meanwhile. With less than the silence it is
                // too late already, and who has less than a second is in a hurry himself.
                let wait = left.saturating_sub(silence.saturating_mul(SILENCES)) / (SILENCES + 1);
                (left >= silence.max(UNKNOWN)).then(|| now.saturating_add(wait))
            }
        }
    }

    /// A call is written. Gives back when, where calls may have been held back.
    pub(super) fn wrote(
        &mut self,
        place: u64,
        number: u64,
        caller: Caller,
        now: impl FnOnce() -> Instant,
    ) -> Option<Instant> {
        let held_until = self.watch.is_on().then(now);
        let (mut is_late, mut is_rescued, deadline) = (false, false, caller.deadline);
        if let Some(now) = held_until {
            is_late = self.is_late(deadline, now);
            if self.line.is_empty() {
                self.line.turn = OneMore::moved(now);
            } else if self.window.is_full(self.line.len()) {
                let is_due = self.latest(deadline, now).is_some_and(|latest| latest <= now);
                is_rescued = is_due && !is_late && !self.has_room();
                self.line.turn.let_through(now);
            }
            if is_late {
                self.late.wrote(now);
            }
        }
        let written = held_until.or(caller.came);
        let call = Standing { place, number, is_abandoned: false, is_late, is_rescued, after: self.join(), written };
        if let Some(forgotten) = self.line.join(call) {
            self.late.left(forgotten);
        }
        self.together.wrote();
        self.written = place;
        held_until
    }

    /// A call that was given up has its answer, its first: a result, or an error.
    pub(super) fn answered_late(&mut self, number: u64, is_result: bool, now: impl FnOnce() -> Instant) {
        match self.line.place_of(number) {
            Some((place, true)) => self.moved(place, false, is_result, now),
            // Somebody waits for it, and this was no answer to it.
            Some((_, false)) => {}
            None => self.together.overtaken_answered_late(number),
        }
    }

    /// A call has its answer, which somebody waits for.
    pub(super) fn answered(&mut self, place: u64, is_result: bool, now: impl FnOnce() -> Instant) {
        self.answers.answered();
        self.moved(place, true, is_result, now);
    }

    /// Likewise, and all that it says is that it ran out of its time: to say that is no answer.
    pub(super) fn ran_out(&mut self, place: u64, now: impl FnOnce() -> Instant) {
        self.moved(place, true, false, now);
    }

    fn moved(&mut self, place: u64, is_awaited: bool, is_result: bool, now: impl FnOnce() -> Instant) {
        let was_watched = self.watch.is_on();
        if is_awaited && was_watched {
            self.watch.answered();
            self.window.widen(self.line.abandoned());
        }
        // It was overtaken, which says nothing of those in line.
        if place <= self.answered {
            self.late.was_overtaken();
            self.together.overtaken_answered(place);
            return;
        }
        self.answered = place;
        let mut answered = None;
        while let Some(first) = self.line.leave(place) {
            self.late.left(first);
            if first.place == place {
                answered = Some(first);
            } else {
                self.together.overtook(first);
            }
        }
        // Otherwise it was so long ago that it was forgotten.
        let Some(call) = answered else { return self.together.answered() };
        let after = self.line.len();
        // What is refused at once says neither how long calls take nor how many are worked on.
        let written = call.written.filter(|_| is_result);
        let is_wanted = was_watched || written.is_some() && self.recent.count();
        let now = (is_wanted || self.together.may_show_more(after)).then(now);
        if let Some((written, now)) = written.zip(now) {
            let took = now.saturating_since(written);
            self.together.shown(took, after, now);
            if is_wanted {
                self.recent.add(took);
            }
        }
        self.together.answered();
        let Some(now) = now.filter(|_| was_watched) else { return };
        if call.is_rescued && is_awaited {
            self.rescue.answered();
        }
        self.line.turn = OneMore::moved(now);
        self.window.moved(self.line.abandoned());
    }

    /// Nobody waits any more for a call that was written and has no answer. Whether it had not come to its turn, as far as can
    /// be seen: the plugin has answered somebody since, none that was written later, and works on one before it.
    pub(super) fn given_up(&mut self, place: u64, now: impl FnOnce() -> Instant) -> bool {
        self.missed(now);
        let is_first = self.line.first().is_none_or(|first| first.place >= place);
        let Some(call) = self.line.abandon(place) else { return false };
        if self.window.gave_up(self.line.abandoned(), self.line.awaited()) {
            self.together.is_doubted();
        }
        if call.is_rescued {
            self.rescue.given_up();
        }
        !is_first && self.has_answered(call.after)
    }

    /// A call begins to wait for an answer.
    pub(super) fn join(&self) -> Place {
        self.answers.join()
    }

    /// Whether the plugin has answered somebody since.
    pub(super) fn has_answered(&self, since: Place) -> bool {
        self.answers.has_moved(since)
    }

    /// Nobody waits any more for a call, whether it was written or held back: somebody is in a hurry.
    pub(super) fn missed(&mut self, now: impl FnOnce() -> Instant) {
        self.watch_from(now);
        self.watch.gave_up();
    }

    /// Looks at the calls from now on, if it does not yet.
    fn watch_from(&mut self, now: impl FnOnce() -> Instant) {
        if self.watch.is_on() {
            return;
        }
        let now = now();
        self.watch = HurryWatch::new(self.answered, now);
        // It moved before, but nobody looked when.
        self.line.turn = OneMore::moved(now);
        self.window = Window::default();
        self.rescue = Rescue::default();
    }

    /// Requests that the plugin may still work off for nobody.
    pub(super) fn abandoned(&self) -> usize {
        self.line.abandoned()
    }

    pub(super) fn progress(&self) -> Progress {
        // What is asked of a plugin that works on several calls at once does not stand behind them.
        let first = self.line.first().filter(|first| !first.is_abandoned && self.together.is_one_at_a_time());
        let works_on = first.map(|first| first.place);
        Progress { written: self.written, answered: self.answered, works_on }
    }
}

#[cfg(test)]
mod tests;
