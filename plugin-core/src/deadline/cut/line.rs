//! Whether a service answers others while a call waits for it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{report, report_held};
use crate::{Sent, sync::StripedCounter};

/// Tells of a request that is dropped while it waits on this side until others are done, such as for one of so many
/// connections: nothing of it was sent. Where the service has answered others meanwhile, the line was too long for this call,
/// which is the host's own limit and no evidence; where it has answered nobody it hangs, and nobody else may find that out.
pub fn report_in_line(stage: &'static str, was_answered: bool) {
    if was_answered { report_held(stage) } else { report(stage, Sent::Nothing) }
}

/// Whether a service answers others meanwhile: a transport counts its answers here, and asks it of a call that waits, in a line of
/// the host ([`report_in_line`]) or for its answer ([`Progress::others_answered`](super::Progress::others_answered)).
///
/// ```
/// use plugin_core::deadline::cut::Line;
///
/// let line = Line::default();
/// let place = line.join();
/// assert!(!line.has_moved(place));
/// line.answered();
/// assert!(line.has_moved(place));
/// ```
#[derive(Debug, Default)]
pub struct Line(Answered);

#[derive(Debug)]
enum Answered {
    OfAll(AtomicU64),
    OfEachStripe(StripedCounter),
}

/// What a service had answered when a call began to wait for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "it is what the line is asked about"]
pub struct Place(u64);

impl Default for Answered {
    /// One for a transport whose calls meet anyway, such as at a connection.
    fn default() -> Self {
        Self::OfAll(AtomicU64::new(0))
    }
}

impl Line {
    /// One in which threads do not meet that answer calls. Joining it, and asking it, walks all stripes.
    #[must_use]
    pub fn striped() -> Self {
        Self(Answered::OfEachStripe(StripedCounter::new()))
    }

    /// A call begins to wait.
    pub fn join(&self) -> Place {
        Place(match &self.0 {
            // Relaxed, here and below: counts order nothing, and who misses one of this moment behaves as if it had come later.
            Answered::OfAll(count) => count.load(Ordering::Relaxed),
            Answered::OfEachStripe(count) => count.sum(),
        })
    }

    /// The service has answered a call, whatever it said.
    #[inline]
    pub fn answered(&self) {
        match &self.0 {
            Answered::OfAll(count) => {
                count.fetch_add(1, Ordering::Relaxed);
            }
            Answered::OfEachStripe(count) => count.add(1),
        }
    }

    /// Whether the service has answered a call since this place was taken.
    #[must_use]
    pub fn has_moved(&self, since: Place) -> bool {
        self.join() != since
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
    fn an_answer_is_seen_by_those_who_waited_for_it_whoever_counts_it() {
        for line in [Line::default(), Line::striped()] {
            line.answered();
            let first = line.join();
            assert!(!line.has_moved(first));
            std::thread::scope(|scope| scope.spawn(|| line.answered()).join()).expect("no panic");
            let second = line.join();
            assert!(line.has_moved(first) && !line.has_moved(second));
        }
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
