//! Calls with little time left are refused while the circuit is half-open: a probe that its caller gives up tells
//! nothing.

use std::time::Duration;

use plugin_core::clock::{Instant, nanos};

/// How long a probe waited at most whose caller gave it up before an answer came, so that it says nothing of the service. A
/// call that has no more time than that would end the same way, and would hold a place meanwhile that a call with more time
/// makes use of; so it gets none. A probe that had its answer, and was left while its body was read, is none of these, nor
/// is a hedge whose call had the answer of another.
///
/// Where nobody has more time this must not keep the circuit half-open for good. So it is forgotten when it has been known
/// for one open time, as long as the last one was, in which no probe told anything, and calls in a hurry are tried again.
#[derive(Debug, Default)]
pub(crate) struct Hurry {
    /// In nanoseconds; 0 when nothing is known.
    longest: u64,
    /// When it became known, or a probe last told something.
    since: Instant,
}

impl Hurry {
    /// A probe was given up after it had run this long.
    pub(crate) fn gave_up(&mut self, ran: Duration, now: Instant) {
        if self.longest == 0 {
            self.since = now;
        }
        self.longest = self.longest.max(nanos(ran));
    }

    /// A probe told something of the service.
    pub(crate) fn news(&mut self, now: Instant) {
        self.since = self.since.max(now);
    }

    /// The most nanoseconds of time that a call may have left and gets no place, and until when; `None` when every call
    /// may.
    pub(crate) fn known(&self, open_time: Duration) -> Option<(u64, Instant)> {
        (self.longest != 0).then(|| (self.longest, self.since.saturating_add(open_time)))
    }

    /// Forgets what has been known for so long, and says until when a call gets no place that has this much time left.
    pub(crate) fn refuses(&mut self, left: Option<Duration>, now: Instant, open_time: Duration) -> Option<Instant> {
        let (longest, until) = self.known(open_time)?;
        if now >= until {
            self.longest = 0;
            return None;
        }
        left.filter(|left| nanos(*left) <= longest).map(|_| until)
    }

    /// Forgets all, when a period begins or ends.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn who_has_no_more_time_than_a_probe_that_was_given_up_gets_no_place() {
        let mut hurry = Hurry::default();
        assert_eq!(hurry.refuses(Some(Duration::ZERO), at(1), 30 * SECOND), None);
        hurry.gave_up(3 * SECOND, at(1));
        hurry.gave_up(2 * SECOND, at(5));
        for (left, refused) in [(Some(2), true), (Some(3), true), (Some(4), false), (None, false)] {
            let until = hurry.refuses(left.map(|left| left * SECOND), at(6), 30 * SECOND);
            assert_eq!(until, refused.then_some(at(31)), "{left:?}");
        }
    }

    #[test]
    fn it_is_forgotten_after_an_open_time_in_which_nothing_was_told() {
        let mut hurry = Hurry::default();
        hurry.gave_up(3 * SECOND, at(1));
        assert_eq!(hurry.refuses(Some(SECOND), at(30), 30 * SECOND), Some(at(31)));
        hurry.news(at(20));
        assert_eq!(hurry.refuses(Some(SECOND), at(49), 30 * SECOND), Some(at(50)));
        assert_eq!(hurry.refuses(Some(SECOND), at(50), 30 * SECOND), None);
        assert_eq!(hurry.known(30 * SECOND), None);
        hurry.gave_up(SECOND, at(51));
        assert_eq!(
            hurry.refuses(Some(SECOND), at(51), 30 * SECOND),
            Some(at(81)),
            "the shorter time is all that is known"
        );
    }

    #[test]
    fn news_that_another_thread_had_before_makes_nothing_be_forgotten_sooner() {
        let mut hurry = Hurry::default();
        hurry.gave_up(3 * SECOND, at(10));
        hurry.news(at(5));
        assert_eq!(hurry.refuses(Some(SECOND), at(39), 30 * SECOND), Some(at(40)));
    }
}
