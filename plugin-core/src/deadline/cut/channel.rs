//! How the layers on one thread learn why a call's time ended: those that are dropped, and those that are polled.

use std::{cell::Cell, time::Duration};

use super::{
    super::{
        enforced,
        limit::duration,
        polling::{self, Part, UNLIMITED},
    },
    progress::Progress,
    rule::{AttemptTime, Cut},
};
use crate::{
    Code, PluginError, Rejected, Sent,
    clock::{self, Instant, nanos},
};

impl Progress {
    /// Tells it, from the drop of a transport's future, after it has withdrawn what it could. What [`report`] and the
    /// functions like it are short for.
    pub fn report(self) {
        add(self);
    }
}

#[derive(Clone, Copy)]
struct Dropping {
    cut: Cut,
    progress: Option<Progress>,
    /// What a call that code makes has for a limit of its own, once that was found further in: the layers that the call is made
    /// through hear of it too, wherever they stand.
    own: Option<Part>,
}

impl Dropping {
    const fn new(cut: Cut) -> Self {
        Self { cut, progress: None, own: None }
    }

    /// The cut for a part: of what another part is limited to it hears nothing.
    fn of_next(self) -> Cut {
        self.progress.map_or(self.cut, |progress| self.cut.of_progress(progress))
    }

    /// The cut, as far as is known by now.
    fn so_far(self) -> Cut {
        self.own.map_or(self.of_next(), |own| self.of_next().of_call(own))
    }
}

// Apart from what is known of a poll: it is asked when something is dropped, and written when time is up.
thread_local! {
    static DROPPING: Cell<Option<Dropping>> = const { Cell::new(None) };
    static SUPERSEDED: Cell<bool> = const { Cell::new(false) };
    // What a judge has found in this poll to be the time that the service was told: its deadline, `Instant::ZERO` for none,
    // and the nanoseconds that it may take.
    static TOLD_DEADLINE: Cell<Instant> = const { Cell::new(Instant::ZERO) };
    static TOLD_LIMIT: Cell<u64> = const { Cell::new(UNLIMITED) };
}

/// Puts back what was dropped before when it goes, also when what ran meanwhile panics.
struct RestoreDropping(Option<Dropping>);

impl Drop for RestoreDropping {
    fn drop(&mut self) {
        DROPPING.set(self.0);
    }
}

/// Says what is being dropped for as long as the answer lives.
fn dropping(cut: Cut) -> RestoreDropping {
    RestoreDropping(DROPPING.replace(Some(Dropping::new(cut))))
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
    told_under(cut, drop).1
}

/// The cut under which work is being dropped on this thread, for what is dropped to ask. `None`: it is dropped for
/// another reason, such as a caller that went away.
#[must_use]
#[inline]
pub fn current() -> Option<Cut> {
    // Every future of a layer asks when it is dropped, and hardly ever is there one.
    if is_dropping() { so_far() } else { None }
}

/// Without a look at what is known of the cut.
#[inline]
fn is_dropping() -> bool {
    DROPPING.with(|dropping| dropping.get().is_some())
}

#[cold]
fn so_far() -> Option<Cut> {
    DROPPING.get().map(Dropping::so_far)
}

/// The cut under which a part of what is being dropped is dropped.
fn for_part() -> Option<Cut> {
    DROPPING.get().map(Dropping::of_next)
}

/// Drops attempts of a call that has its answer from another one, so that they are told from those that nobody had the time
/// to wait for. For a layer that makes several at a time.
pub fn drop_superseded(drop: impl FnOnce()) {
    struct RestoreSuperseded(bool);

    impl Drop for RestoreSuperseded {
        fn drop(&mut self) {
            SUPERSEDED.set(self.0);
        }
    }

    let _restore = RestoreSuperseded(SUPERSEDED.replace(true));
    drop();
}

/// Whether what is being dropped on this thread is an attempt whose call has its answer from another one.
#[must_use]
pub fn is_superseded() -> bool {
    SUPERSEDED.get()
}

/// Tells how far a request had come, from the drop of a transport's future, after it has withdrawn what it could. Of
/// several attempts that are dropped together, the first tells the stage, and all are unsent only when each is.
pub fn report(stage: &'static str, sent: Sent) {
    add(Progress { stage: Some(stage), sent, ..Progress::default() });
}

/// Like [`report`], for a request of which nothing was sent because it was held on this side, and that says nothing of the
/// service: then the end of its time is no evidence against it. Of several attempts that are dropped together, each must say
/// so. What waits for others to be answered says it with [`report_in_line`](super::report_in_line).
pub fn report_held(stage: &'static str) {
    add(Progress { stage: Some(stage), sent: Sent::Nothing, is_held: true, ..Progress::default() });
}

/// Like [`report`], for a request that may have been sent at this moment, and was held back until then for the sake of others:
/// the service is judged by the time that it had. Of several attempts that are dropped together, the first one to be sent
/// says since when.
pub fn report_held_until(stage: &'static str, sent: Sent, at: Instant) {
    add(Progress { stage: Some(stage), sent, held_until: Some(at), ..Progress::default() });
}

/// Drops, under a cut, work that was held back on this side until this moment, for the sake of others: it is judged by the time
/// since then, here and by those further out. For a layer that lets a call wait for its turn and then makes it. Of
/// work that ends otherwise nothing is told.
pub fn drop_held_until<T>(at: Instant, drop: impl FnOnce() -> T) -> T {
    let Some(cut) = for_part() else { return drop() };
    let (result, progress, own) = told_under(cut.of_part(at), drop);
    limited_by(own);
    let held_until = Some(progress.held_until.map_or(at, |later| later.max(at)));
    add(Progress { held_until, ..progress });
    result
}

/// Drops, under a cut, code that answered others since it had this call, or did not. For a transport that carries a call to code
/// in this process, which may make calls itself: each is judged by the first limit that a layer has which it is made through,
/// whether that limits calls or attempts, and by that of this call where it has none. Of work that ends otherwise nothing is
/// told.
pub fn drop_code<T>(others_answered: bool, drop: impl FnOnce() -> T) -> T {
    let Some(cut) = for_part() else { return drop() };
    let (result, progress, _) = told_under(cut.beside(others_answered).of_code(), drop);
    add(Progress { others_answered: progress.others_answered || others_answered, ..progress });
    result
}

/// Tells, from the drop of a layer that makes several attempts, that one which ended before may have been sent: then the
/// call was, however little is known of the attempt that is dropped.
pub fn sent_before() {
    add(Progress { stage: None, sent: Sent::Maybe, ..Progress::default() });
}

fn add(new: Progress) {
    let Some(dropping) = DROPPING.get() else { return };
    let progress = match dropping.progress {
        None => new,
        Some(Progress { stage, sent, is_held, held_until, others_answered }) => Progress {
            stage: stage.or(new.stage),
            sent: if sent == Sent::Nothing { new.sent } else { sent },
            is_held: is_held && new.is_held,
            // One that was held all the time says nothing of when another was sent.
            held_until: match (is_held, new.is_held) {
                (true, _) => new.held_until,
                (_, true) => held_until,
                _ => held_until.zip(new.held_until).map(|(first, second)| first.min(second)),
            },
            others_answered: match (is_held, new.is_held) {
                (true, _) => new.others_answered,
                (_, true) => others_answered,
                _ => others_answered && new.others_answered,
            },
        },
    };
    DROPPING.set(Some(Dropping { progress: Some(progress), ..dropping }));
}

/// Runs what concerns one attempt of a call that began before it: a poll of the attempt, or its drop. Who asks within
/// hears of the attempt's time. An attempt that is dropped under a cut and does not [`report`] may have been sent.
pub fn narrow<T>(since: Instant, run: impl FnOnce() -> T) -> T {
    // Outside of every limit there is nothing to narrow, and `elapsed` is to say so.
    let is_limited = current().is_some() || polling::with(|cell| cell.limits.get());
    if is_limited { within(Part { since, limit: UNLIMITED, whole: Instant::MAX }, run) } else { run() }
}

/// Like [`narrow`], with the time that the part may take.
pub(in super::super) fn within<T>(part: Part, run: impl FnOnce() -> T) -> T {
    match for_part() {
        Some(cut) => handed_on(cut.narrowed(part), part, run),
        None => polled(polling::with(|cell| cell.part.get()).narrowed(part), run),
    }
}

/// Like [`narrow`], for the drop of a call that has a limit of its own, if it has.
pub(in super::super) fn within_call<T>(call: Part, drop: impl FnOnce() -> T) -> T {
    match for_part() {
        Some(cut) => handed_on(cut.of_call(call), call, drop),
        None => drop(),
    }
}

/// Runs what concerns a call that is shared, for one of its callers: a poll of it, or its drop by the last. Who asks within
/// hears of the call's own time, which may have begun before this caller's. It may take as long as this caller allows, or
/// another one did.
pub fn shared<T>(began: Instant, allowed: Option<Duration>, run: impl FnOnce() -> T) -> T {
    if let Some(cut) = for_part() {
        let (result, progress, _) = told_under(cut.of_shared(began, allowed), run);
        add(progress);
        return result;
    }
    let Some(before) = polling::with(|cell| cell.limits.get().then(|| cell.part.get())) else { return run() };
    let limit = duration(before.limit).max(allowed).map_or(UNLIMITED, nanos);
    let whole = before.whole.min(polling::whole(began, 0, limit));
    polled(Part { since: began, limit, whole }, run)
}

/// Drops a part under a cut of its own, and adds its progress to that of the whole.
fn handed_on<T>(cut: Cut, part: Part, run: impl FnOnce() -> T) -> T {
    let (result, progress, own) = told_under(cut, run);
    add(progress);
    limited_by(Some(part).filter(|part| part.limit != UNLIMITED).or(own));
    result
}

/// Tells the layers further out, of a call that code makes, which limit it has: that of the layer which is furthest out.
fn limited_by(own: Option<Part>) {
    if let (Some(dropping), Some(_)) = (DROPPING.get().filter(|dropping| dropping.cut.is_code()), own) {
        DROPPING.set(Some(Dropping { own, ..dropping }));
    }
}

/// Drops a part under a cut of its own, and gives back its progress, and the limit of its own that was found further in.
fn told_under<T>(cut: Cut, run: impl FnOnce() -> T) -> (T, Progress, Option<Part>) {
    let _restore = dropping(cut);
    let result = run();
    let Dropping { progress, own, .. } = DROPPING.get().unwrap_or(Dropping::new(cut));
    (result, progress.unwrap_or_default(), own)
}

/// Polls a part of a call whose time is this, so that [`elapsed`] knows of it.
fn polled<T>(part: Part, poll: impl FnOnce() -> T) -> T {
    let _restore = polling::with(|cell| Unlimit { limits: cell.limits.replace(true), part: cell.part.replace(part) });
    poll()
}

/// How the call that this thread is polling would be judged if its time were up now. `None` outside of a
/// [`Deadline`](crate::deadline::Deadline) and an [`AttemptTimeout`](crate::deadline::AttemptTimeout), or when a
/// task stands between them and this. It reads the clock.
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
    TOLD_DEADLINE.set(deadline);
    TOLD_LIMIT.set(part.limit);
    let time = AttemptTime::new(part.since).with_deadline(Some(deadline), deadline.saturating_since(part.since));
    Some(time.with_configured(duration(part.limit)).with_whole(part.whole))
}

/// Forgets what time a service was told: before the poll of a call that is judged by
/// [`classify::of_call`](crate::classify::of_call).
#[inline]
pub fn forget_told() {
    TOLD_DEADLINE.set(Instant::ZERO);
}

/// Judges the answer of a call that began at this moment, for who stands outside of the layers that own its time: as in
/// there, where somebody in there has judged it in this poll by the time that the service was told. A layer that owns a
/// time leaves no word of it by itself, which would cost every call.
pub(crate) fn as_told<T>(began: Instant, judge: impl FnOnce() -> T) -> T {
    let (deadline, limit) = (TOLD_DEADLINE.get(), TOLD_LIMIT.get());
    if deadline == Instant::ZERO || enforced::enforced().is_some() {
        return narrow(began, judge);
    }
    let _enforced = enforced::enforcing(deadline);
    polled(Part { since: began, limit, whole: Instant::MAX }, judge)
}

/// What it means that a service says itself that its time was up (`PLUGIN_1204`): the end of the time that it was told,
/// where it is that ([`AttemptTime::answered`]). What says that another attempt may help was some other limit. For the poll
/// of the service, under the layers that own its time.
pub(crate) fn end_of_told_time(error: &PluginError, others_answered: bool) -> Option<Rejected> {
    if error.code() != Code::Timeout || error.rejected().is_some() || error.is_retryable() {
        return None;
    }
    told()?.with_others_answered(others_answered).answered(clock::now())
}

/// The error of a service which says itself that its time was up (`PLUGIN_1204`), for who calls it: as the end of the time
/// that it was told, where it is that, and as it came otherwise. For the poll of the service, under the layers that own its
/// time. `others_answered` since it had the request: where nobody knows, `false`.
#[must_use]
pub fn out_of_time(error: PluginError, others_answered: bool) -> PluginError {
    let Some(refusal) = end_of_told_time(&error, others_answered) else { return error };
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

    /// What began then and may take so many seconds.
    fn part(since: u64, limit: Option<u32>) -> Part {
        let limit = limit.map_or(UNLIMITED, |seconds| nanos(seconds * SECOND));
        Part { since: at(since), limit, whole: polling::whole(at(since), 0, limit) }
    }

    #[test]
    fn what_was_held_back_and_then_sent_is_judged_from_then_on() {
        let time = AttemptTime::new(at(0)).with_limit(Some(10 * SECOND));
        let judged = |reports: &dyn Fn()| {
            let mut inner = None;
            let progress = drop_under(time.cut(), || {
                reports();
                inner = current().map(|cut| cut.is_evidence());
            });
            assert_eq!(inner, Some(time.refusal_of(progress).is_evidence()), "{progress:?}");
            time.refusal_of(progress).is_evidence()
        };
        let sent = |seconds: u64| report_held_until("on the plugin", Sent::Maybe, at(seconds));
        assert!(judged(&|| sent(5)), "it had half of the time");
        assert!(!judged(&|| sent(6)));
        assert!(judged(&|| [6, 5].into_iter().for_each(sent)), "one of two had");
        assert!(!judged(&|| [6, 7].into_iter().for_each(sent)));
        for held_first in [true, false] {
            let both = |seconds| {
                let held = || report_held("held back");
                if held_first {
                    held()
                }
                sent(seconds);
                if !held_first {
                    held()
                }
            };
            assert!(judged(&|| both(5)) && !judged(&|| both(6)), "{held_first}");
        }
        assert!(
            judged(&|| {
                sent(9);
                report("on the plugin", Sent::Maybe);
            }),
            "the other was not held back"
        );
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
            let part = part(0, None);
            let _enforced = enforced::enforcing(deadline);
            polled(part, || end_of_told_time(error, false))
        };
        let late = || PluginError::new(Code::Timeout, "late");
        let refused = PluginError::from(Rejected::deadline_exceeded(SECOND, None));
        assert!(said(&late()).is_some());
        for error in [late().with_retryable(true), refused, PluginError::execution("no")] {
            assert_eq!(said(&error), None, "{error}");
        }
        assert_eq!(end_of_told_time(&late(), false), None, "nobody told it a time");
    }

    #[test]
    fn what_is_dropped_hears_of_the_cut_and_of_its_own_part_of_it() {
        assert_eq!(current(), None);
        let cut = Cut::new(at(10), at(20), Some(10 * SECOND));
        let progress = drop_under(cut, || {
            assert_eq!(current(), Some(cut));
            narrow(at(16), || assert!(current().is_some_and(|cut| cut.ran() == 4 * SECOND && !cut.is_evidence())));
            within_call(part(16, Some(8)), || assert!(current().is_some_and(|cut| cut.is_evidence())));
            assert_eq!(current(), Some(cut));
        });
        assert_eq!(current(), None);
        assert_eq!(progress, Progress::default());
    }

    #[test]
    fn what_has_a_limit_of_its_own_is_judged_by_that_and_else_by_that_of_whoever_makes_it() {
        for (outer, inner, expected) in [
            (Some(4), Some(8), Some(8)),
            (Some(8), Some(4), Some(4)),
            (Some(4), None, Some(4)),
            (None, Some(1), Some(1)),
        ] {
            let limit = || current().and_then(|cut| cut.limit());
            let _ = drop_under(Cut::new(at(0), at(20), outer.map(|seconds: u32| seconds * SECOND)), || {
                let expected = expected.map(|seconds: u32| seconds * SECOND);
                within_call(part(0, inner), || {
                    assert_eq!(limit(), expected, "{outer:?} s outside, {inner:?} s inside")
                });
            });
        }
    }

    #[test]
    fn of_two_limits_the_smaller_one_is_that_of_the_part_and_of_code_that_makes_a_call_the_first_of_the_call() {
        let limit = || current().and_then(|cut| cut.limit()).map(|limit| limit.as_secs());
        let attempt = |limit: Option<u32>, run: &dyn Fn()| within(part(0, limit), run);
        for (outer, inner, of_part, of_code) in [
            (Some(4), Some(8), Some(4), Some(8)),
            (Some(8), Some(4), Some(4), Some(4)),
            (Some(4), None, Some(4), Some(4)),
            (None, Some(1), Some(1), Some(1)),
        ] {
            let _ = drop_under(Cut::new(at(0), at(20), outer.map(|seconds: u32| seconds * SECOND)), || {
                attempt(inner, &|| assert_eq!(limit(), of_part, "{outer:?} s outside, {inner:?} s inside"));
                drop_code(false, || {
                    // Through layers that set none, and once it has one the smaller of those that follow.
                    narrow(at(1), || {
                        within_call(part(0, None), || attempt(inner, &|| assert_eq!(limit(), of_code)));
                        // Who stands between the code and that limit, such as a breaker, hears of it as well.
                        assert_eq!(limit(), of_code);
                    });
                    // And of another call that the code makes nothing of the first.
                    attempt(Some(9), &|| assert_eq!(limit(), Some(9)));
                    attempt(inner, &|| {
                        attempt(Some(2), &|| assert_eq!(limit(), inner.or(outer).map(|s| u64::from(s.min(2)))))
                    });
                });
            });
        }
    }

    #[test]
    fn a_shorter_limit_of_a_caller_is_evidence_only_where_nobody_else_was_answered_and_a_configured_one_always() {
        for (given, others_answered, expected) in [
            (10, false, true),
            (10, true, true),
            (9, false, true),
            (9, true, false),
            (5, true, false),
            (4, false, false),
        ] {
            let time = AttemptTime::new(at(0)).with_deadline(Some(at(given)), Duration::from_secs(given));
            let time = time.with_configured(Some(10 * SECOND));
            let mut inner = None;
            let progress = drop_under(time.cut(), || {
                Progress { stage: Some("on the plugin"), others_answered, ..Progress::default() }.report();
                inner = current().map(|cut| cut.is_evidence());
            });
            let refused = time.refusal_of(progress).is_evidence();
            assert_eq!((inner, refused), (Some(expected), expected), "{given} s of ten, {others_answered}");
            let said =
                time.with_others_answered(others_answered).answered(at(given)).map(|refusal| refusal.is_evidence());
            assert_eq!(said, Some(expected), "that the service itself says it changes nothing: {given} s");
        }
        // What is reported by two that are dropped together is so of each.
        for (second, expected) in [(true, true), (false, false)] {
            let both = drop_under(Cut::new(at(0), at(9), Some(10 * SECOND)), || {
                for others_answered in [true, second] {
                    Progress { others_answered, ..Progress::default() }.report();
                }
            });
            assert_eq!(both.others_answered, expected);
        }
    }

    #[test]
    fn the_configured_time_counts_from_when_the_request_came_and_that_of_an_attempt_from_its_own_start() {
        let others = |time: AttemptTime| time.with_others_answered(true).refusal().is_evidence();
        // It came at 0, and was seen waiting 2 s later.
        let late = AttemptTime::new(at(2)).with_deadline(Some(at(10)), 10 * SECOND).with_configured(Some(10 * SECOND));
        assert!(others(late), "all of the time that is configured");
        assert!(!others(late.with_deadline(Some(at(9)), 9 * SECOND)), "its caller's");
        let attempt = late.with_limit(Some(4 * SECOND));
        assert!(others(attempt), "its own limit is up");
        assert!(!others(attempt.with_deadline(Some(at(5)), 5 * SECOND)), "and here its caller's");
        // A call that is made within another has time left when that one is cut, so it was its caller's.
        let cut = Cut::new(at(0), at(6), Some(6 * SECOND));
        for (inner, expected) in [(Some(10), false), (None, true)] {
            let _ = drop_under(cut, || {
                within_call(part(0, inner), || {
                    drop_code(true, || assert_eq!(current().map(|cut| cut.is_evidence()), Some(expected)));
                    assert_eq!(current().map(|cut| cut.is_evidence()), Some(expected), "{inner:?}");
                });
            });
        }
    }

    #[test]
    fn outside_of_a_limit_there_is_no_part_of_it() {
        narrow(at(1), || assert_eq!(elapsed(), None));
        polled(part(1, Some(1)), || {
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
        assert_eq!(both, Progress { stage: Some("connecting"), sent: Sent::Nothing, ..Progress::default() });
        let silent = drop_under(cut, || {
            narrow(at(1), || {});
            narrow(at(1), unsent);
        });
        assert_eq!(silent, Progress { stage: Some("connecting"), sent: Sent::Maybe, ..Progress::default() });
        let one_sent = drop_under(cut, || {
            unsent();
            report("reading", Sent::Maybe);
            unsent();
        });
        assert_eq!(one_sent.sent, Sent::Maybe);
    }

    #[test]
    fn what_was_held_back_is_no_evidence_unless_another_attempt_was_not() {
        let cut = Cut::new(at(1), at(31), Some(30 * SECOND));
        let held = || {
            narrow(at(1), || report_held("held back"));
            // What is dropped after it, such as a guard, hears of it.
            assert!(current().is_some_and(|cut| !cut.is_evidence() && cut.ran() == 30 * SECOND));
        };
        let progress = drop_under(cut, held);
        let expected = Progress { stage: Some("held back"), sent: Sent::Nothing, is_held: true, ..Progress::default() };
        assert_eq!(progress, expected);
        let time = AttemptTime::new(at(1)).with_limit(Some(30 * SECOND));
        assert!(time.refusal().is_evidence() && !time.refusal_of(progress).is_evidence());
        assert_eq!(time.refusal_of(progress).sent(), Sent::Nothing);
        let both = drop_under(cut, || {
            held();
            narrow(at(1), || report("reading", Sent::Nothing));
            assert!(current().is_some_and(|cut| cut.is_evidence()));
        });
        assert!(!both.is_held && time.refusal_of(both).is_evidence());
    }

    #[test]
    fn a_panic_in_what_is_dropped_leaves_no_cut_behind() {
        let cut = Cut::new(at(1), at(2), Some(SECOND));
        let panicked = std::panic::catch_unwind(|| drop_under(cut, || panic!("in a drop")));
        assert!(panicked.is_err());
        assert_eq!(current(), None);
        let panicked = std::panic::catch_unwind(|| polled(part(1, None), || panic!("polled")));
        assert!(panicked.is_err());
        assert_eq!(elapsed(), None);
    }

    #[test]
    fn an_attempt_that_another_has_made_needless_hears_so_and_a_panic_leaves_no_word_of_it() {
        assert!(!is_superseded());
        drop_superseded(|| assert!(is_superseded()));
        assert!(!is_superseded());
        let panicked = std::panic::catch_unwind(|| drop_superseded(|| panic!("in a drop")));
        assert!(panicked.is_err() && !is_superseded());
    }

    #[test]
    fn a_report_outside_of_a_cut_is_heard_by_nobody() {
        report("connecting", Sent::Nothing);
        assert_eq!(drop_under(Cut::new(at(1), at(2), None), || {}).sent, Sent::Maybe);
    }
}
