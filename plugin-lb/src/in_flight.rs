//! The guard of a call on an instance, from the pick to its end, and of the body of its response.

use std::{sync::Arc, task::Poll};

use plugin_core::{
    Classify, Code, CodeKind, End, InstanceId, Judgement, Observe, Sent, Verdict,
    clock::{self, Instant},
    deadline::{cut, turn, waiting},
    ejected,
    sync::Lease,
};

#[cfg(feature = "http")]
use crate::load_report;
use crate::{
    Hints,
    membership::{Entry, Member, Membership, Snapshot},
    meter::{Meter, Settled},
    turns::Turns,
};

/// The moments of a call; each is [`Instant::ZERO`] where nobody looked.
#[derive(Clone, Copy, Debug)]
struct Timing {
    /// The pick, where the time of the call is taken, and else when the request came.
    started: Instant,
    timed: bool,
    /// When it was first seen waiting for the instance, where its time is not taken.
    waiting_since: Instant,
    /// When it had its turn, where it waited for that until others were answered.
    turn: Instant,
}

impl Timing {
    /// The call waits.
    #[inline]
    fn note_waiting(&mut self) {
        if !self.timed && self.waiting_since == Instant::ZERO {
            self.waiting_since = waiting::began().unwrap_or(Instant::ZERO);
        }
    }

    /// When the instance was given its time, as far as is known.
    #[inline]
    fn began(self) -> Option<Instant> {
        let waited = if self.timed { self.started } else { self.waiting_since };
        Some(waited.max(self.turn)).filter(|began| *began != Instant::ZERO)
    }

    /// What a call came to that is dropped now: a failure if its time was up and the instance had enough of it, and else
    /// nothing but that the answer takes longer than this. One that nobody has seen waiting says nothing.
    #[cold]
    fn dropped(self) -> Settled {
        match cut::current().zip(self.began()) {
            Some((cut, began)) if cut.of_part(began).is_evidence() => Settled::Failed,
            _ => Settled::Abandoned,
        }
    }
}

impl<S> Snapshot<S> {
    /// Picks an instance; the call is in flight on it from now. `failed` are those that this very attempt failed on.
    #[inline]
    pub(crate) fn begin(&self, turns: &Turns, hints: &Hints<'_>, failed: &[InstanceId]) -> Option<InFlight<S>> {
        let now = self.config.strategy().reads_latency().then(clock::now);
        let entry = match &*self.enabled {
            [] => return None,
            // Nothing to choose from: health and hints could not change the answer.
            [only] => Some(only).filter(|only| !failed.contains(&only.id)),
            several => self.among(several, turns, hints, failed, now).map(|index| &several[index]),
        };
        let of_all = self.config.max_load().map(|_| turns.lease());
        entry.map(|entry| InFlight::begin(entry, now, hints.started(), of_all))
    }
}

/// A call in flight on an instance, from the pick. It keeps the instance alive, also one that is removed meanwhile.
pub(crate) struct InFlight<S> {
    member: Lease<Member<S>>,
    /// In flight on all instances, where their load is bounded.
    of_all: Option<Lease<()>>,
    timing: Timing,
    /// A drop while this is set is a panic of the instance.
    polled: bool,
    settled: bool,
}

impl<S> InFlight<S> {
    /// `now` is the present moment where the strategy reads it, `came` when the request did. The clock is read only when
    /// the time of this call is taken.
    #[inline]
    fn begin(entry: &Entry<S>, now: Option<Instant>, came: Option<Instant>, of_all: Option<Lease<()>>) -> Self {
        entry.begin();
        let member = entry.member.lease();
        let timed = now.is_some() || entry.meter.wants_time();
        let started = if timed { now.unwrap_or_else(clock::now) } else { came.unwrap_or(Instant::ZERO) };
        Self {
            member,
            of_all,
            timing: Timing { started, timed, waiting_since: Instant::ZERO, turn: Instant::ZERO },
            polled: false,
            settled: false,
        }
    }

    #[inline]
    pub(crate) fn member(&self) -> &Member<S> {
        &self.member
    }

    /// Runs a poll of the instance's service.
    #[inline]
    pub(crate) fn polling<T>(&mut self, poll: impl FnOnce(&Member<S>) -> T) -> T {
        self.polled = true;
        let result = poll(&self.member);
        self.polled = false;
        result
    }

    /// The instance lets the call wait: what is cut from now on is judged by the time since the first time of it.
    #[inline]
    pub(crate) fn note_waiting(&mut self) {
        self.timing.note_waiting();
    }

    /// The instance answered others while the call waited for it, and takes it now.
    #[cold]
    pub(crate) fn has_turn(&mut self) {
        self.timing.turn = clock::now();
    }

    /// When the call had its turn, where it waited for that.
    #[inline]
    pub(crate) fn turn(&self) -> Option<Instant> {
        Some(self.timing.turn).filter(|turn| *turn != Instant::ZERO)
    }

    /// Runs a poll of the call, which hears of its own time alone. What it was held back on this side until then, or is found
    /// to have been further in, is no time of the instance, and is told to those further out.
    #[inline]
    pub(crate) fn polling_since_turn<T>(&mut self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        if self.timing.timed {
            turn::forget();
        }
        let polled = match self.turn() {
            None => self.polling(|_| poll()),
            Some(turn) => self.polling(|_| cut::narrow(turn, poll)),
        };
        if polled.is_ready() {
            if let Some(turn) = self.turn() {
                turn::tell(turn);
            }
            if self.timing.timed {
                self.timing.started = turn::since(self.timing.started);
            }
        }
        polled
    }

    /// When the instance was given its time; never, where it was not seen waiting.
    #[inline]
    pub(crate) fn began(&self) -> Instant {
        self.timing.began().unwrap_or(Instant::MAX)
    }

    /// Books how the call went. Only the first time counts.
    #[inline]
    pub(crate) fn settle(&mut self, how: Settled) {
        self.settle_sent(how, Sent::Maybe);
    }

    #[inline]
    fn settle_sent(&mut self, how: Settled, sent: Sent) {
        if !std::mem::replace(&mut self.settled, true) {
            self.member.meter.settle_sent(how, sent, self.timing.started, self.timing.timed);
        }
    }

    /// The same for an outcome that was judged. Of a failure it keeps what is `told`.
    #[inline]
    pub(crate) fn settle_as(&mut self, judged: &Judgement, told: impl FnOnce() -> Option<String>) {
        let how = Settled::of(judged);
        // Before it is counted, so that whoever is told of the count knows why.
        if how == Settled::Failed || is_misconfigured(judged) {
            self.member.meter.failure.keep(judged.code(), &told().unwrap_or_default());
        }
        if judged.verdict() == Verdict::Ignored && judged.refusal().is_none() && judged.sent() != Sent::Nothing {
            self.member.meter.told();
        }
        self.settle_sent(how, judged.sent());
    }

    /// Tells those outside that the failure that they are given is that of one instance, which is out, while others are not.
    pub(crate) fn tell_if_ejected(&self, judged: &Judgement) {
        if judged.verdict() == Verdict::Failure && self.member.meter.ejection.is_out() {
            self.tell_of_others();
        }
    }

    #[cold]
    fn tell_of_others(&self) {
        let others_take_calls = |home: Arc<Membership<S>>| home.load().enabled.iter().any(|entry| !entry.is_out());
        if self.member.home.upgrade().is_some_and(others_take_calls) {
            ejected::tell();
        }
    }

    /// Goes on as the guard of the body of a response whose head was judged so.
    pub(crate) fn into_body<C, Res, Err>(mut self, classify: &C, head: &Judgement) -> InBody<C>
    where
        C: Classify<Res, Err> + Clone,
    {
        self.settled = true;
        // For its body, at the latest.
        self.timing.note_waiting();
        self.member.meter.follow();
        let meter = self.member.bodies.lease();
        let judge = <C as Classify<Res, Err>>::classify_end;
        let declined = head.is_turned_away();
        let (of_all, timing) = (self.of_all.take(), self.timing);
        InBody { meter, _of_all: of_all, timing, declined, settled: false, classify: classify.clone(), judge }
    }
}

/// Whether it says nothing of how the instance is, and yet that no call on it will go well: it does not know who asks, is asked at
/// the wrong path, or is not what it was taken for. Nobody else tells an operator.
fn is_misconfigured(judged: &Judgement) -> bool {
    judged.verdict() == Verdict::Ignored
        && judged.refusal().is_none()
        && judged
            .code()
            .is_some_and(|code| matches!(code.kind(), CodeKind::Config | CodeKind::Auth | CodeKind::Connection))
}

impl<S> Drop for InFlight<S> {
    fn drop(&mut self) {
        if !self.settled {
            let how = if self.polled { Settled::Failed } else { self.timing.dropped() };
            match how {
                Settled::Failed if self.polled => {
                    self.member.meter.failure.keep(Some(Code::ExecutionFailed), "the service panicked");
                }
                Settled::Failed => {
                    let told = "it had not answered when the time of the call was up";
                    self.member.meter.failure.keep(Some(Code::Timeout), told);
                }
                _ => {}
            }
            self.settle(how);
        }
    }
}

/// A response whose body is still being read counts as in flight on the instance.
pub(crate) struct InBody<C> {
    meter: Lease<Meter>,
    _of_all: Option<Lease<()>>,
    timing: Timing,
    /// The head says that the instance takes no call now.
    declined: bool,
    settled: bool,
    classify: C,
    /// The classifier's own; a pointer, so that the types of response and error need not be `'static`.
    judge: fn(&C, End<'_>) -> Judgement,
}

impl<C> InBody<C> {
    fn settle(&mut self, how: Settled) {
        if !std::mem::replace(&mut self.settled, true) {
            self.meter.settle(how, self.timing.started, self.timing.timed);
        }
    }
}

impl<C: Send + 'static> Observe for InBody<C> {
    fn end(mut self: Box<Self>, end: End<'_>) {
        #[cfg(feature = "http")]
        if self.meter.reported.is_heeded()
            && let End::Complete { trailers: Some(trailers) } = end
            && let Some(report) = load_report::of_headers(trailers)
        {
            self.meter.reported.report(&report, clock::end::read());
        }
        let judged = (self.judge)(&self.classify, end);
        if judged.verdict() == Verdict::Failure {
            self.meter.failure.keep(judged.code(), "");
        }
        self.settle(match Settled::of(&judged) {
            Settled::Succeeded if self.declined => Settled::Declined,
            how => how,
        });
    }
}

impl<C> Drop for InBody<C> {
    fn drop(&mut self) {
        if !self.settled {
            self.settle(match self.timing.dropped() {
                // What nobody reads of it changes nothing.
                Settled::Abandoned if self.declined => Settled::Refused,
                how => how,
            });
        }
    }
}
