//! Calls that wait on this side for their turn at a service.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::{report, report_held};
use crate::Sent;

/// Tells of a request that is dropped while it waits on this side until others are done, such as for one of so many
/// connections: nothing of it was sent. Where the service has answered others meanwhile, the line was too long for this call,
/// which is the host's own limit and no evidence; where it has answered nobody it hangs, and nobody else may find that out.
pub fn report_in_line(stage: &'static str, was_answered: bool) {
    if was_answered { report_held(stage) } else { report(stage, Sent::Nothing) }
}

/// A line in which a transport lets calls wait for their turn, such as for one of so many connections. It knows whether the
/// service answers others meanwhile, which is what [`report_in_line`] asks.
///
/// While nobody waits, an answer costs a look at a word that nobody writes.
///
/// ```
/// use plugin_core::deadline::cut::Line;
///
/// let line = Line::default();
/// let place = line.join();
/// assert!(!place.was_answered());
/// line.answered();
/// assert!(place.was_answered());
/// ```
#[derive(Debug, Default)]
pub struct Line {
    waiting: AtomicUsize,
    answered: AtomicU64,
}

impl Line {
    /// A call begins to wait. It has left the line when this place is dropped.
    pub fn join(&self) -> Place<'_> {
        // Relaxed, here and below: counts order nothing, and who misses one of this moment behaves as if it had come later.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Place { line: self, before: self.answered.load(Ordering::Relaxed) }
    }

    /// The service has answered a call, whatever it said.
    #[inline]
    pub fn answered(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The place of a call in a [`Line`].
#[derive(Debug)]
#[must_use = "a call waits for as long as its place is there"]
pub struct Place<'l> {
    line: &'l Line,
    /// What was answered by then.
    before: u64,
}

impl Place<'_> {
    /// Whether the service has answered a call since this one began to wait.
    #[must_use]
    pub fn was_answered(&self) -> bool {
        self.line.answered.load(Ordering::Relaxed) != self.before
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.line.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{Cut, current, drop_held_until, drop_under},
        *,
    };
    use crate::clock::Instant;

    const LIMIT: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn an_answer_is_seen_by_those_who_waited_for_it_and_counted_only_for_them() {
        let line = Line::default();
        line.answered();
        assert_eq!(line.answered.load(Ordering::Relaxed), 0, "nobody waits, so nobody is to meet here");
        let first = line.join();
        line.answered();
        let second = line.join();
        assert!(first.was_answered() && !second.was_answered());
        drop((first, second));
        line.answered();
        assert_eq!(line.answered.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_end_of_a_wait_in_line_is_evidence_only_where_nobody_was_answered() {
        for was_answered in [true, false] {
            let progress = drop_under(Cut::new(at(0), at(10), Some(LIMIT)), || {
                report_in_line("in line", was_answered);
                assert_eq!(current().map(|cut| cut.is_evidence()), Some(!was_answered));
            });
            assert_eq!((progress.stage, progress.sent), (Some("in line"), Sent::Nothing));
            assert_eq!(progress.is_held, was_answered);
        }
    }

    #[test]
    fn work_that_had_its_turn_late_is_judged_from_then_on_by_all_who_hear_of_it() {
        for (turn, expected) in [(6, false), (5, true)] {
            let progress = drop_under(Cut::new(at(0), at(10), Some(LIMIT)), || {
                drop_held_until(at(turn), || {
                    assert_eq!(current().map(|cut| cut.since()), Some(at(turn)));
                    report("on the plugin", Sent::Maybe);
                });
                assert_eq!(current().map(|cut| cut.is_evidence()), Some(expected), "{turn}");
            });
            assert_eq!((progress.held_until, progress.sent), (Some(at(turn)), Sent::Maybe));
        }
        drop_held_until(at(1), || assert_eq!(current(), None));
    }
}
