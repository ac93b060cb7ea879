//! Who is to blame when time is up: one rule, and the way in which everybody involved hears of it.
//!
//! A call ends early when the layer that owns its time drops it: [`AttemptTimeout`](super::AttemptTimeout) one attempt,
//! [`WithDeadline`](super::WithDeadline) the whole call. Dropping is what withdraws a request, so only then is it certain
//! how far it came. Therefore a layer drops what it cuts with [`drop_under`]; whatever is dropped asks [`current`] why, a
//! transport tells with [`report`] how far it came, and the layer has it in the [`Progress`]. All of it happens on one
//! thread during one drop, and costs a call that ends by itself nothing.
//!
//! Whether the end is evidence against the service is asked of one function, [`is_evidence`], whoever cut the call.

use std::{cell::Cell, time::Duration};

use super::{
    enforced,
    layer::duration,
    polling::{self, UNLIMITED},
};
use crate::{
    Code, PluginError, Rejected, Sent,
    clock::{self, Instant, nanos},
};

pub(super) use super::polling::Part;

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
}

impl Cut {
    /// Work that began `since` and is cut `at` this moment. `limit` is the time that it may take as it was configured, and
    /// not what its caller allowed; without one, no end is evidence.
    #[must_use]
    pub const fn new(since: Instant, at: Instant, limit: Option<Duration>) -> Self {
        Self { at, since, limit }
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

    /// Whether this says something of the service: [`is_evidence`].
    #[must_use]
    pub const fn is_evidence(&self) -> bool {
        match self.limit {
            Some(limit) => is_evidence(self.ran(), limit),
            None => false,
        }
    }

    /// The same cut for a part of the work that began at this moment, if that is later.
    #[must_use]
    pub const fn of_part(self, since: Instant) -> Self {
        let since = if since.as_nanos() > self.since.as_nanos() { since } else { self.since };
        Self { since, ..self }
    }

    /// The same for a part that began later, or may take less.
    fn narrowed(self, part: Part) -> Self {
        let own = Part { since: self.since, limit: self.limit.map_or(UNLIMITED, nanos) };
        Self::of(own.narrowed(part), self.at)
    }

    /// This part of a call, cut at this moment.
    pub(super) fn of(part: Part, at: Instant) -> Self {
        Self { at, since: part.since, limit: duration(part.limit) }
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
}

impl AttemptTime {
    /// An attempt that began at this moment, with no limit yet.
    #[must_use]
    pub const fn new(since: Instant) -> Self {
        Self { since, limit: None, deadline: None, given: Duration::MAX, configured: None }
    }

    /// Limits the attempt to this time. `Duration::MAX` is none, as it is what [`attempt_limit`](super::attempt_limit) tells.
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
        Cut::new(self.since, self.ends(), allowed)
    }

    /// What is answered then. Where both end at once it was the attempt, which may be repeated.
    #[must_use]
    pub fn refusal(&self) -> Rejected {
        let refusal = match self.limit {
            Some(limit) if self.own_end() == self.ends() => Rejected::attempt_timeout(limit),
            _ => Rejected::deadline_exceeded(self.given, None),
        };
        if self.cut().is_evidence() { refusal.as_evidence() } else { refusal }
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

/// How far a request had come when it was dropped, as its transport reported. The default is that of a transport that reports
/// nothing: the request may have been sent, and what it was waiting for is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Progress {
    /// What it was waiting for; reads on from "spent ...".
    pub stage: Option<&'static str>,
    /// How much of it had left the host.
    pub sent: Sent,
}

#[derive(Clone, Copy)]
struct Dropping {
    cut: Cut,
    progress: Option<Progress>,
}

// Apart from what is known of a poll: it is asked when something is dropped, and written when time is up.
thread_local!(static DROPPING: Cell<Option<Dropping>> = const { Cell::new(None) });

/// Puts back what was dropped before when it goes, also when what ran meanwhile panics.
struct Restore(Option<Dropping>);

impl Drop for Restore {
    fn drop(&mut self) {
        DROPPING.set(self.0);
    }
}

/// Says what is being dropped for as long as the answer lives.
fn dropping(cut: Cut) -> Restore {
    Restore(DROPPING.replace(Some(Dropping { cut, progress: None })))
}

/// Puts back whose time it was that was polled.
struct Unlimit {
    limits: bool,
    part: Part,
}

impl Drop for Unlimit {
    fn drop(&mut self) {
        polling::with(|cell| {
            cell.limits.set(self.limits);
            cell.part.set(self.part);
        });
    }
}

/// Drops work whose time is up, and gives back how far it had come. For a layer that owns a limit.
pub fn drop_under(cut: Cut, drop: impl FnOnce()) -> Progress {
    let _restore = dropping(cut);
    drop();
    DROPPING.get().and_then(|dropping| dropping.progress).unwrap_or_default()
}

/// The cut under which work is being dropped on this thread, for what is dropped to ask. `None`: it is dropped for
/// another reason, such as a caller that went away.
#[must_use]
pub fn current() -> Option<Cut> {
    DROPPING.get().map(|dropping| dropping.cut)
}

/// Tells how far a request had come, from the drop of a transport's future, after it has withdrawn what it could. Of
/// several attempts that are dropped together, the first tells the stage, and all are unsent only when each is.
pub fn report(stage: &'static str, sent: Sent) {
    add(Progress { stage: Some(stage), sent });
}

/// Tells, from the drop of a layer that makes several attempts, that one which ended before may have been sent: then the
/// call was, however little is known of the attempt that is dropped.
pub fn sent_before() {
    add(Progress { stage: None, sent: Sent::Maybe });
}

fn add(new: Progress) {
    let Some(dropping) = DROPPING.get() else { return };
    let progress = match dropping.progress {
        None => new,
        Some(Progress { stage, sent }) => {
            Progress { stage: stage.or(new.stage), sent: if sent == Sent::Nothing { new.sent } else { sent } }
        }
    };
    DROPPING.set(Some(Dropping { progress: Some(progress), ..dropping }));
}

/// Runs what concerns one attempt of a call that began before it: a poll of the attempt, or its drop. Who asks within
/// hears of the attempt's time. An attempt that is dropped under a cut and does not [`report`] may have been sent.
pub fn narrow<T>(since: Instant, run: impl FnOnce() -> T) -> T {
    // Outside of every limit there is nothing to narrow, and `elapsed` is to say so.
    let is_limited = current().is_some() || polling::with(|cell| cell.limits.get());
    if is_limited { within(Part { since, limit: UNLIMITED }, run) } else { run() }
}

/// Like [`narrow`], with the time that the part may take.
pub(super) fn within<T>(part: Part, run: impl FnOnce() -> T) -> T {
    match current() {
        Some(cut) => handed_on(cut.narrowed(part), run),
        None => polled(polling::with(|cell| cell.part.get()).narrowed(part), run),
    }
}

/// Runs what concerns a call that is shared, for one of its callers: a poll of it, or its drop by the last. Who asks within
/// hears of the call's own time, which may have begun before this caller's. It may take as long as this caller allows, or
/// another one did.
pub(crate) fn shared<T>(began: Instant, allowed: Option<Duration>, run: impl FnOnce() -> T) -> T {
    if let Some(cut) = current() {
        return handed_on(Cut { since: began, limit: cut.limit.max(allowed), ..cut }, run);
    }
    let Some(before) = polling::with(|cell| cell.limits.get().then(|| cell.part.get())) else { return run() };
    let limit = duration(before.limit).max(allowed).map_or(UNLIMITED, nanos);
    polled(Part { since: began, limit }, run)
}

/// Drops a part under a cut of its own, and adds its progress to that of the whole.
fn handed_on<T>(cut: Cut, run: impl FnOnce() -> T) -> T {
    let restore = dropping(cut);
    let result = run();
    let progress = DROPPING.get().and_then(|dropping| dropping.progress);
    drop(restore);
    add(progress.unwrap_or_default());
    result
}

/// Polls a part of a call whose time is this, so that [`elapsed`] knows of it.
fn polled<T>(part: Part, poll: impl FnOnce() -> T) -> T {
    let _restore = polling::with(|cell| Unlimit { limits: cell.limits.replace(true), part: cell.part.replace(part) });
    poll()
}

/// How the call that this thread is polling would be judged if its time were up now. `None` outside of a [`WithDeadline`](super::WithDeadline) and an
/// [`AttemptTimeout`](super::AttemptTimeout), or when a task stands between them and this. It reads the clock.
#[must_use]
pub fn elapsed() -> Option<Cut> {
    let part = polling::with(|cell| cell.limits.get().then(|| cell.part.get()))?;
    Some(Cut::of(part, clock::now()))
}

/// The time that the service was told of which this thread is polling: until the deadline that is enforced outside. For a
/// classifier that meets an end of time of another owner, such as tonic's `Timeout expired`: tonic reads `grpc-timeout`
/// itself and may be a moment earlier than the layer that set it. `None` where there is no deadline, or a task stands
/// between it and this, and inside of a call that is shared, which ends at no caller's.
pub(crate) fn told() -> Option<AttemptTime> {
    let part = polling::with(|cell| cell.limits.get().then(|| cell.part.get()))?;
    let deadline = enforced::enforced()?;
    let time = AttemptTime::new(part.since).with_deadline(Some(deadline), deadline.saturating_since(part.since));
    Some(time.with_configured(duration(part.limit)))
}

/// What it means that a service says itself that its time was up (`PLUGIN_1204`): the end of the time that it was told,
/// where it is that ([`AttemptTime::answered`]). What says that another attempt may help was some other limit. For the poll
/// of the service, under the layers that own its time.
pub(crate) fn end_of_told_time(error: &PluginError) -> Option<Rejected> {
    if error.code() != Code::Timeout || error.rejected().is_some() || error.is_retryable() {
        return None;
    }
    told()?.answered(clock::now())
}

/// The error of a service which says itself that its time was up (`PLUGIN_1204`), for who calls it: as the end of the time
/// that it was told, where it is that, and as it came otherwise. For the poll of the service, under the layers that own its
/// time.
#[must_use]
pub fn out_of_time(error: PluginError) -> PluginError {
    let Some(refusal) = end_of_told_time(&error) else { return error };
    let refused = PluginError::from(refusal);
    match error.plugin() {
        Some(name) => refused.with_plugin(name),
        None => refused,
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
    fn a_part_begins_no_earlier_than_the_whole() {
        let cut = Cut::new(at(10), at(20), Some(30 * SECOND));
        assert_eq!([5, 10, 16].map(|since| cut.of_part(at(since)).ran()), [10, 10, 4].map(|ran| ran * SECOND));
        assert_eq!((cut.of_part(at(16)).at(), cut.of_part(at(16)).limit()), (cut.at(), cut.limit()));
    }

    #[test]
    fn a_shared_call_is_cut_by_its_own_time_and_by_the_most_that_a_caller_allows() {
        let of = |cut, allowed| {
            let mut heard = None;
            let _ = drop_under(cut, || shared(at(1), allowed, || heard = current()));
            heard
        };
        let last = Cut::new(at(15), at(20), Some(4 * SECOND));
        assert_eq!(of(last, Some(10 * SECOND)), Some(Cut::new(at(1), at(20), Some(10 * SECOND))));
        assert_eq!(of(last, None), Some(Cut::new(at(1), at(20), Some(4 * SECOND))));
    }

    #[test]
    fn only_a_plain_word_that_time_was_up_is_taken_for_the_end_of_the_told_time() {
        let deadline = clock::now();
        let said = |error: &PluginError| {
            let part = Part { since: Instant::ZERO, limit: UNLIMITED };
            enforced::within(deadline, || polled(part, || end_of_told_time(error)))
        };
        let late = || PluginError::new(Code::Timeout, "late");
        let refused = PluginError::from(Rejected::deadline_exceeded(SECOND, None));
        assert!(said(&late()).is_some());
        for error in [late().with_retryable(true), refused, PluginError::execution("no")] {
            assert_eq!(said(&error), None, "{error}");
        }
        assert_eq!(end_of_told_time(&late()), None, "nobody told it a time");
    }

    #[test]
    fn what_is_dropped_hears_of_the_cut_and_of_its_own_part_of_it() {
        assert_eq!(current(), None);
        let cut = Cut::new(at(10), at(20), Some(10 * SECOND));
        let progress = drop_under(cut, || {
            assert_eq!(current(), Some(cut));
            narrow(at(16), || assert!(current().is_some_and(|cut| cut.ran() == 4 * SECOND && !cut.is_evidence())));
            within(Part { since: at(16), limit: nanos(8 * SECOND) }, || {
                assert!(current().is_some_and(|cut| cut.is_evidence()));
            });
            assert_eq!(current(), Some(cut));
        });
        assert_eq!(current(), None);
        assert_eq!(progress, Progress { stage: None, sent: Sent::Maybe });
    }

    #[test]
    fn of_two_limits_the_smaller_one_is_that_of_the_part_whoever_set_it() {
        for (outer, inner, both) in [(4, Some(8), 4), (8, Some(4), 4), (4, None, 4)] {
            let part = Part { since: at(0), limit: inner.map_or(UNLIMITED, |seconds| nanos(seconds * SECOND)) };
            let limit = || current().and_then(|cut| cut.limit());
            let _ = drop_under(Cut::new(at(0), at(20), Some(outer * SECOND)), || {
                within(part, || assert_eq!(limit(), Some(both * SECOND), "{outer} s outside, {inner:?} s inside"));
            });
        }
        let part = Part { since: at(0), limit: nanos(SECOND) };
        let _ = drop_under(Cut::new(at(0), at(20), None), || {
            within(part, || assert_eq!(current().and_then(|cut| cut.limit()), Some(SECOND), "nobody outside set one"));
        });
    }

    #[test]
    fn outside_of_a_limit_there_is_no_part_of_it() {
        narrow(at(1), || assert_eq!(elapsed(), None));
        polled(Part { since: at(1), limit: nanos(SECOND) }, || {
            narrow(at(2), || assert!(elapsed().is_some_and(|cut| (cut.since(), cut.limit()) == (at(2), Some(SECOND)))));
        });
    }

    #[test]
    fn several_attempts_are_unsent_only_when_each_says_so() {
        let cut = Cut::new(at(1), at(2), None);
        let unsent = || report("connecting", Sent::Nothing);
        let both = drop_under(cut, || {
            narrow(at(1), unsent);
            narrow(at(1), || report("reading", Sent::Nothing));
        });
        assert_eq!(both, Progress { stage: Some("connecting"), sent: Sent::Nothing });
        let silent = drop_under(cut, || {
            narrow(at(1), || {});
            narrow(at(1), unsent);
        });
        assert_eq!(silent, Progress { stage: Some("connecting"), sent: Sent::Maybe });
        let one_sent = drop_under(cut, || {
            unsent();
            report("reading", Sent::Maybe);
            unsent();
        });
        assert_eq!(one_sent.sent, Sent::Maybe);
    }

    #[test]
    fn a_panic_in_what_is_dropped_leaves_no_cut_behind() {
        let cut = Cut::new(at(1), at(2), Some(SECOND));
        let panicked = std::panic::catch_unwind(|| drop_under(cut, || panic!("in a drop")));
        assert!(panicked.is_err());
        assert_eq!(current(), None);
        let panicked =
            std::panic::catch_unwind(|| polled(Part { since: at(1), limit: UNLIMITED }, || panic!("polled")));
        assert!(panicked.is_err());
        assert_eq!(elapsed(), None);
    }

    #[test]
    fn a_report_outside_of_a_cut_is_heard_by_nobody() {
        report("connecting", Sent::Nothing);
        assert_eq!(drop_under(Cut::new(at(1), at(2), None), || {}).sent, Sent::Maybe);
    }
}
