//! What stands before a call inside of the plugin. Pure: no I/O, no clock, no lock.
//!
//! A request that was written cannot be taken back. When its caller gives it up, a plugin that takes one call at a time
//! works it off all the same, and whoever comes later waits behind it. Callers in a hurry would so fill such a plugin for
//! everybody, and nothing but the pipe would bound it: those that stay would be answered too late, for ever. So after a
//! call was given up only as many are written as keep the plugin busy. The others wait on the host's side, where one that
//! is given up costs nothing.
//!
//! A plugin that serves calls side by side must not be slowed down by this. It shows itself by the first answer that
//! overtakes another call, and is then written to without a limit for as long as it lives. Until then the limit grows with
//! each answer that somebody waited for, and where no answer comes at all one more is written after a while, which a
//! plugin that still has room answers.

use std::time::Duration;

/// Written and not answered, after a call was given up: one that the plugin works on, and one that is at hand when it has
/// done.
const LEAST: u64 = 2;

/// Without any answer for this time, or an eighth of what a call may take, one more is written.
const SOON: Duration = Duration::from_secs(1);

/// Calls that were written to a plugin and not answered, as far as it matters in which order.
#[derive(Debug)]
pub(super) struct Backlog {
    written: u64,
    /// Until an answer overtakes another call, the number of the latest that was answered too.
    answered: u64,
    /// The id of that one: a second reply to it says nothing.
    last: u64,
    /// So many may be written and not answered. `None`: as many as there are.
    window: Option<u64>,
    /// It serves calls side by side.
    is_parallel: bool,
    /// Of those that were written, the ones that nobody waits for and that were not answered.
    abandoned: usize,
    /// No answer for so long, and one more is written.
    patience: Duration,
    most_patience: Duration,
    /// For lack of an answer, so many may be.
    probe: Option<u64>,
}

/// How far a plugin has come with its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    written: u64,
    answered: u64,
}

impl Progress {
    /// Whether the plugin has answered calls since, and none but those that were written by then: whoever was written
    /// then and has no answer may still stand behind one of them.
    pub(crate) fn was_busy(self, now: Self) -> bool {
        self.answered < now.answered && now.answered <= self.written
    }
}

impl Backlog {
    /// `limit` is the time that a call may take.
    pub(super) fn new(limit: Duration) -> Self {
        let most_patience = limit / 8;
        Self {
            written: 0,
            answered: 0,
            last: 0,
            window: None,
            is_parallel: false,
            abandoned: 0,
            patience: SOON.min(most_patience),
            most_patience,
            probe: None,
        }
    }

    /// A call is written: the number that it has among those.
    pub(super) fn wrote(&mut self) -> u64 {
        self.written += 1;
        self.written
    }

    /// The call of this number has its answer, while somebody waits for it.
    pub(super) fn answered(&mut self, id: u64, number: u64) {
        if number != self.answered + 1 {
            self.is_parallel = true;
        }
        self.window = self.window.map(|window| window.saturating_add(1));
        self.count_answer(id);
    }

    /// A call that was given up has its answer. Its number is not known any more, which is no loss: where it has overtaken
    /// one that somebody waits for, the answer to that one tells.
    pub(super) fn answered_late(&mut self, id: u64) {
        if id != self.last {
            self.abandoned = self.abandoned.saturating_sub(1);
            self.count_answer(id);
        }
    }

    fn count_answer(&mut self, id: u64) {
        self.answered += 1;
        self.last = id;
        if self.probe.take().is_some() {
            // It was only slow, and would have answered anyway.
            self.patience = (2 * self.patience).min(self.most_patience);
        }
    }

    /// Nobody waits any more for a call that was written and has no answer.
    pub(super) fn given_up(&mut self) {
        self.abandoned += 1;
        if !self.is_parallel {
            self.window = Some(LEAST);
        }
    }

    /// Whether no call may be written now.
    pub(super) fn is_full(&self) -> bool {
        let full = |window: u64| self.unanswered() >= window.max(self.probe.unwrap_or(0));
        !self.is_parallel && self.window.is_some_and(full)
    }

    /// No answer for this time: then [`probe`](Self::probe) is called.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Lets one more be written, before there is an answer.
    pub(super) fn probe(&mut self) {
        self.probe = Some(self.unanswered() + 1);
    }

    /// Requests that the plugin may still work off for nobody.
    pub(super) fn abandoned(&self) -> usize {
        self.abandoned
    }

    pub(super) fn progress(&self) -> Progress {
        Progress { written: self.written, answered: self.answered }
    }

    fn unanswered(&self) -> u64 {
        self.written.saturating_sub(self.answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids are numbers here, and 0 is none.
    fn backlog(written: u64) -> Backlog {
        let mut backlog = Backlog::new(Duration::from_secs(30));
        for _ in 0..written {
            assert!(!backlog.is_full());
            backlog.wrote();
        }
        backlog
    }

    /// As many as may be written now.
    fn room(backlog: &mut Backlog) -> u64 {
        let before = backlog.written;
        while !backlog.is_full() && backlog.written < before + 1000 {
            backlog.wrote();
        }
        backlog.written - before
    }

    #[test]
    fn where_no_call_is_given_up_nothing_is_held_back() {
        let mut backlog = backlog(1000);
        for number in 1..=500 {
            backlog.answered(number, number);
        }
        assert_eq!(room(&mut backlog), 1000);
    }

    #[test]
    fn after_a_call_was_given_up_a_serial_plugin_has_two_at_most_and_one_more_for_each_answer_that_somebody_waited_for()
    {
        let mut backlog = backlog(10);
        backlog.given_up();
        for number in 1..=8 {
            assert!(backlog.is_full(), "{number}");
            backlog.answered_late(number);
        }
        assert_eq!(room(&mut backlog), 0, "two are unanswered");
        backlog.answered_late(9);
        assert_eq!(room(&mut backlog), 1);
        backlog.answered(10, 10);
        assert_eq!(room(&mut backlog), 2, "of three");
        backlog.given_up();
        backlog.answered(11, 11);
        assert_eq!(room(&mut backlog), 1, "again of three");
    }

    #[test]
    fn a_plugin_that_answers_out_of_turn_is_never_held_again() {
        let mut backlog = backlog(2);
        backlog.given_up();
        assert!(backlog.is_full());
        backlog.answered(2, 2);
        for _ in 0..1000 {
            backlog.wrote();
            backlog.given_up();
            assert!(!backlog.is_full());
        }
        assert_eq!(backlog.abandoned(), 1001, "and it has as many to do for nobody");
    }

    #[test]
    fn what_was_written_behind_calls_is_kept_waiting_by_them_and_by_no_others() {
        let mut backlog = backlog(3);
        backlog.answered(1, 1);
        let then = backlog.progress();
        assert!(!then.was_busy(backlog.progress()), "nothing was answered");
        backlog.wrote();
        backlog.answered(2, 2);
        assert!(then.was_busy(backlog.progress()));
        backlog.answered(3, 3);
        assert!(then.was_busy(backlog.progress()), "it is next");
        backlog.answered(4, 4);
        assert!(!then.was_busy(backlog.progress()), "it was overtaken");
    }

    #[test]
    fn a_second_reply_to_the_same_call_is_no_answer_to_another() {
        let mut backlog = backlog(3);
        backlog.given_up();
        backlog.answered_late(1);
        backlog.answered_late(1);
        assert_eq!((backlog.abandoned(), backlog.unanswered()), (0, 2));
        backlog.answered(2, 2);
        assert!(!backlog.is_parallel);
    }

    #[test]
    fn without_any_answer_one_more_is_let_through_at_a_time_and_later_where_it_was_only_slow() {
        let mut backlog = backlog(5);
        backlog.given_up();
        let mut waits = Vec::new();
        for number in 1..=4 {
            assert!(backlog.is_full());
            waits.push(backlog.patience().as_millis());
            backlog.probe();
            assert_eq!(room(&mut backlog), 1);
            backlog.answered_late(number);
        }
        assert_eq!(waits, [1000, 2000, 3750, 3750], "up to an eighth of thirty seconds");
    }
}
