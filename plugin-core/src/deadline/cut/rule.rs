//! The rule: when time is up, and what that says of the service.

use std::time::Duration;

use super::super::{
    limit::duration,
    polling::{self, Part, UNLIMITED},
};
use super::progress::Progress;
use crate::{
    Rejected,
    clock::{Instant, nanos},
};

/// THE rule: what was cut is evidence against the service when it ran for at least half of the time that it may take,
/// which is the smaller of an attempt's limit and the call's configured timeout. Less says only that the service is not
/// faster than that: a caller in a hurry must not open a breaker for everybody.
#[must_use]
pub const fn is_evidence(ran: Duration, limit: Duration) -> bool {
    ran.as_nanos().saturating_mul(2) >= limit.as_nanos()
}

/// How much earlier than the owner of a limit somebody may be who was told of it: timers and headers count in whole
/// milliseconds.
const EARLY: Duration = Duration::from_millis(2);

/// Why work is being dropped on this thread right now: its time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    at: Instant,
    since: Instant,
    limit: Option<Duration>,
    /// When the configured time is up. A cut before is its caller's doing.
    whole: Instant,
    is_held: bool,
    others_answered: bool,
    /// It is code that is dropped, and no call that it makes was seen to have a limit of its own.
    is_code: bool,
}

impl Cut {
    /// Work that began `since` and is cut `at` this moment. `limit` is the time that it may take as it was configured, and
    /// not what its caller allowed; without one, no end is evidence.
    #[must_use]
    pub const fn new(since: Instant, at: Instant, limit: Option<Duration>) -> Self {
        let whole = match limit {
            Some(limit) => Instant::from_nanos(since.as_nanos().saturating_add(nanos(limit))),
            None => Instant::MAX,
        };
        Self { at, since, limit, whole, is_held: false, others_answered: false, is_code: false }
    }

    /// The moment of the cut.
    #[must_use]
    pub const fn at(&self) -> Instant {
        self.at
    }

    /// When the work began that is dropped.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// The time that it may take, as configured: the smaller of the attempt's limit and the call's timeout.
    #[must_use]
    pub const fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// How long it ran.
    #[must_use]
    pub const fn ran(&self) -> Duration {
        self.at.saturating_since(self.since)
    }

    /// Whether this says something of the service: [`is_evidence`]. Not where its caller allowed less than is configured and
    /// the service answered others meanwhile: then all that is known is that this call takes longer.
    #[must_use]
    pub const fn is_evidence(&self) -> bool {
        let is_callers = self.at.as_nanos() < self.whole.as_nanos();
        match self.limit {
            _ if self.is_held || (is_callers && self.others_answered) => false,
            Some(limit) => is_evidence(self.ran(), limit),
            None => false,
        }
    }

    /// Whether it ran for less time, from its beginning on, than would be evidence.
    #[must_use]
    pub const fn is_hurry(&self) -> bool {
        match self.limit {
            Some(limit) => !is_evidence(self.ran(), limit),
            None => true,
        }
    }

    /// Whether the request was held back on this side, so that the service has not seen it, or this process did not run.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.is_held
    }

    /// The same cut for a part of the work that began at this moment, if that is later.
    #[must_use]
    pub const fn of_part(self, since: Instant) -> Self {
        let since = if since.as_nanos() > self.since.as_nanos() { since } else { self.since };
        Self { since, ..self }
    }

    /// The same cut, of work that came so far: as far as it was held back on this side, the service has not seen it.
    pub(super) fn of_progress(self, progress: Progress) -> Self {
        let part = progress.held_until.map_or(self, |sent| self.of_part(sent));
        part.of_unseen(progress.is_held).beside(progress.others_answered)
    }

    /// The same cut, of work that had not the time which it seems to have had: this process did not run, or the service has not
    /// seen it.
    #[must_use]
    pub(in super::super) const fn of_unseen(self, is_unseen: bool) -> Self {
        Self { is_held: self.is_held || is_unseen, ..self }
    }

    /// The same cut, of work while which the service answered others, or did not.
    pub(super) const fn beside(self, others_answered: bool) -> Self {
        Self { others_answered: self.others_answered || others_answered, ..self }
    }

    pub(super) const fn is_code(self) -> bool {
        self.is_code
    }

    /// The same cut, of code that may have made calls itself.
    pub(super) const fn of_code(self) -> Self {
        Self { is_code: true, ..self }
    }

    /// The same of a call that is shared, by its own time, where this caller or another one allows it so much.
    pub(super) fn of_shared(self, began: Instant, allowed: Option<Duration>) -> Self {
        let limit = self.limit.max(allowed);
        // Of a caller that came later the time is up later than that of the call.
        let whole = self.whole.min(Self::new(began, self.at, limit).whole);
        Self { since: began, limit, whole, ..self }
    }

    /// The same for a part that began later, or may take less.
    pub(super) fn narrowed(self, part: Part) -> Self {
        if self.is_code { self.of_call(part) } else { self.of_the_same(self.part().narrowed(part)) }
    }

    /// The same for a call that is made within the work, and has a limit of its own.
    pub(super) fn of_call(self, call: Part) -> Self {
        Self { is_code: self.is_code && call.limit == UNLIMITED, ..self.of_the_same(self.part().of_call(call)) }
    }

    fn of_the_same(self, part: Part) -> Self {
        let Part { since, limit, whole } = part;
        Self { since, limit: duration(limit), whole, ..self }
    }

    fn part(self) -> Part {
        Part { since: self.since, limit: self.limit.map_or(UNLIMITED, nanos), whole: self.whole }
    }

    /// This part of a call, cut at this moment.
    pub(super) fn of(part: Part, at: Instant) -> Self {
        let Part { since, limit, whole } = part;
        Self { at, since, limit: duration(limit), whole, is_held: false, others_answered: false, is_code: false }
    }
}

/// What limits one attempt: the rule of when its time is up, and of what is answered then, for whoever finds it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptTime {
    /// When the attempt began.
    pub since: Instant,
    /// Its own limit.
    pub limit: Option<Duration>,
    /// The deadline of the call that it is part of.
    pub deadline: Option<Instant>,
    /// The time that was given when the deadline was set, for the text of a refusal.
    pub given: Duration,
    /// The time that the service gives its calls, as it was configured.
    pub configured: Option<Duration>,
    /// Until when it was held back on this side for the sake of others: what went before is not the service's.
    pub held_until: Option<Instant>,
    /// The service answered others since it had this one.
    pub others_answered: bool,
    /// When the configured time is up, where that is known better than by the given and the configured time.
    whole: Option<Instant>,
}

impl AttemptTime {
    /// An attempt that began at this moment, with no limit yet.
    #[must_use]
    pub const fn new(since: Instant) -> Self {
        Self {
            since,
            limit: None,
            deadline: None,
            given: Duration::MAX,
            configured: None,
            held_until: None,
            others_answered: false,
            whole: None,
        }
    }

    /// Limits the attempt to this time. `Duration::MAX` is none, as it is what
    /// [`attempt_limit`](crate::deadline::attempt_limit) tells.
    #[must_use]
    pub const fn with_limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = match limit {
            Some(Duration::MAX) => None,
            limit => limit,
        };
        self
    }

    /// Says which deadline the call has, and what time was given for it.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Option<Instant>, given: Duration) -> Self {
        (self.deadline, self.given) = (deadline, given);
        self
    }

    /// Says how much time the service gives its calls.
    #[must_use]
    pub const fn with_configured(mut self, timeout: Option<Duration>) -> Self {
        self.configured = timeout;
        self
    }

    /// Says until when it was held back on this side, if it was.
    #[must_use]
    pub const fn with_held_until(mut self, at: Option<Instant>) -> Self {
        self.held_until = at;
        self
    }

    /// Says whether the service answered others since it had this one.
    #[must_use]
    pub const fn with_others_answered(mut self, were_answered: bool) -> Self {
        self.others_answered = were_answered;
        self
    }

    /// Says when the configured time is up.
    pub(super) const fn with_whole(mut self, at: Instant) -> Self {
        self.whole = Some(at);
        self
    }

    /// When the time is up that was configured, whatever its caller allows.
    fn whole(&self) -> Instant {
        let configured = self.configured.map_or(UNLIMITED, nanos);
        let of_call = match (self.whole, self.deadline) {
            (Some(whole), _) => whole,
            (None, Some(deadline)) => polling::whole(deadline, nanos(self.given), configured),
            (None, None) => polling::whole(self.since, 0, configured),
        };
        self.own_end().min(of_call)
    }

    fn own_end(&self) -> Instant {
        self.limit.map_or(Instant::MAX, |limit| self.since.saturating_add(limit))
    }

    /// When its time is up: at the earlier of its own limit and the deadline.
    #[must_use]
    pub fn ends(&self) -> Instant {
        self.own_end().min(self.deadline.unwrap_or(Instant::MAX))
    }

    /// The cut at the end of its time.
    #[must_use]
    pub fn cut(&self) -> Cut {
        let allowed = self.limit.into_iter().chain(self.configured).min();
        let cut =
            Cut { whole: self.whole(), ..Cut::new(self.since, self.ends(), allowed) }.beside(self.others_answered);
        self.held_until.map_or(cut, |at| cut.of_part(at))
    }

    /// Whether its caller has given less time than would be evidence.
    fn is_hurry(&self) -> bool {
        self.limit.into_iter().chain(self.configured).min().is_some_and(|allowed| !is_evidence(self.given, allowed))
    }

    /// What is answered then. Where both end at once it was the attempt, which may be repeated.
    #[must_use]
    pub fn refusal(&self) -> Rejected {
        let refusal = match self.limit {
            Some(limit) if self.own_end() == self.ends() => Rejected::attempt_timeout(limit),
            _ => Rejected::deadline_exceeded(self.given, None).of_hurry(self.is_hurry()),
        };
        if self.cut().is_evidence() { refusal.as_evidence() } else { refusal.as_no_evidence() }
    }

    /// The same for work that was dropped then and had come so far.
    pub(in super::super) fn refusal_of(&self, progress: Progress) -> Rejected {
        let refusal = self.refusal().with_stage(progress.stage).with_sent(progress.sent);
        let cut = self.cut();
        // As far as it was held back, whoever gave it how much time.
        let held = cut.of_progress(Progress { others_answered: false, ..progress });
        if cut.of_progress(progress).is_evidence() {
            refusal
        } else if cut.is_evidence() && !held.is_evidence() {
            refusal.as_held()
        } else {
            refusal.as_no_evidence()
        }
    }

    /// Whether somebody else who was told of this time may have noticed its end by now, a moment before its owner.
    #[must_use]
    pub fn is_up(&self, now: Instant) -> bool {
        now.saturating_add(EARLY) >= self.ends()
    }

    /// What it means that the service itself answers now that its time was up: [the end of this time](Self::refusal), when
    /// it is up, or when its caller gave it less than would be evidence. `None`: it gave up by itself, with time left or
    /// where nobody limits it, which is its own failure.
    #[must_use]
    pub fn answered(&self, now: Instant) -> Option<Rejected> {
        if self.ends() == Instant::MAX {
            return None;
        }
        (self.is_up(now) || !self.cut().is_evidence()).then(|| self.refusal())
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
    fn half_of_the_limit_is_evidence_and_a_nanosecond_less_is_not() {
        assert!(is_evidence(15 * SECOND, 30 * SECOND));
        assert!(!is_evidence(15 * SECOND - Duration::from_nanos(1), 30 * SECOND));
        assert!(is_evidence(Duration::MAX, Duration::MAX));
        assert!(!Cut::new(at(0), at(60), None).is_evidence(), "nobody said how long it may take");
    }

    #[test]
    fn the_earlier_of_limit_and_deadline_ends_an_attempt_and_the_attempt_where_both_do() {
        let time = |limit: Option<u64>, deadline: Option<u64>| {
            let time = AttemptTime::new(at(10)).with_limit(limit.map(Duration::from_secs));
            time.with_deadline(deadline.map(at), 7 * SECOND).with_configured(Some(4 * SECOND))
        };
        for (limit, deadline, ends, is_own, is_evidence) in [
            (Some(3), Some(14), 13, true, true),
            (Some(3), Some(13), 13, true, true),
            (Some(3), Some(12), 12, false, true),
            (Some(3), Some(11), 11, false, false),
            (None, Some(12), 12, false, true),
            (None, Some(11), 11, false, false),
        ] {
            let time = time(limit, deadline);
            let refusal = time.refusal();
            assert_eq!((time.ends(), time.cut().at()), (at(ends), at(ends)), "{time:?}");
            assert_eq!((refusal.is_attempt_timeout(), refusal.is_evidence()), (is_own, is_evidence), "{time:?}");
        }
        assert_eq!(time(None, None).ends(), Instant::MAX);
    }

    #[test]
    fn a_service_that_nobody_limits_is_out_of_time_by_itself() {
        for limit in [None, Some(Duration::MAX)] {
            let time = AttemptTime::new(at(10)).with_limit(limit);
            assert_eq!(time.answered(at(70)), None);
            let refusal = time.with_deadline(Some(at(20)), 10 * SECOND).answered(at(20)).expect("its time was up");
            assert!(!refusal.is_attempt_timeout(), "{refusal:?}");
        }
    }

    #[test]
    fn the_end_may_be_noticed_two_milliseconds_early_and_no_earlier() {
        let time = AttemptTime::new(at(10)).with_deadline(Some(at(20)), 10 * SECOND).with_configured(Some(10 * SECOND));
        let before = |nanos| Instant::from_nanos(at(20).as_nanos() - nanos);
        for (moment, is_up) in [(before(2_000_001), false), (before(2_000_000), true), (at(20), true), (at(30), true)] {
            assert_eq!((time.is_up(moment), time.answered(moment).is_some()), (is_up, is_up), "{moment:?}");
        }
        let hurried = time.with_configured(Some(30 * SECOND));
        assert!(hurried.answered(at(12)).is_some_and(|refusal| !refusal.is_evidence()), "it never had its time");
    }

    #[test]
    fn what_was_held_back_is_judged_by_the_time_that_the_service_had() {
        let time = AttemptTime::new(at(10)).with_limit(Some(10 * SECOND));
        for (held_until, is_evidence) in [(None, true), (Some(at(15)), true), (Some(at(16)), false)] {
            let time = time.with_held_until(held_until);
            assert_eq!(time.ends(), at(20), "it ends when it would have");
            assert_eq!(time.refusal().is_evidence(), is_evidence, "{held_until:?}");
            assert_eq!(time.answered(at(20)).map(|refusal| refusal.is_evidence()), Some(is_evidence));
        }
    }

    #[test]
    fn what_was_held_back_is_neither_evidence_nor_its_callers_haste() {
        let time = |given: u64| {
            let time = AttemptTime::new(at(0)).with_deadline(Some(at(given)), Duration::from_secs(given));
            time.with_configured(Some(10 * SECOND))
        };
        let held = Progress { is_held: true, ..Progress::default() };
        let late = Progress { held_until: Some(at(7)), ..Progress::default() };
        let beside = Progress { others_answered: true, ..Progress::default() };
        for (given, progress, expected) in [
            (10, Progress::default(), (true, false)),
            (10, held, (false, false)),
            (10, late, (false, false)),
            (8, held, (false, false)),
            (8, beside, (false, true)),
            (4, Progress::default(), (false, true)),
            // It had no time for an answer in any case.
            (4, held, (false, true)),
        ] {
            let judged = crate::Judgement::from(&time(given).refusal_of(progress));
            assert_eq!(
                (judged.verdict() == crate::Verdict::Failure, judged.is_haste()),
                expected,
                "{given} {progress:?}"
            );
        }
    }

    #[test]
    fn a_part_begins_no_earlier_than_the_whole() {
        let cut = Cut::new(at(10), at(20), Some(30 * SECOND));
        assert_eq!([5, 10, 16].map(|since| cut.of_part(at(since)).ran()), [10, 10, 4].map(|ran| ran * SECOND));
        assert_eq!((cut.of_part(at(16)).at(), cut.of_part(at(16)).limit()), (cut.at(), cut.limit()));
    }
}
