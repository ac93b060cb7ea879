//! The guard of a call that was let through: reports its outcome, or that it was dropped.

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use plugin_core::{
    Judgement,
    clock::Instant,
    deadline::{cut, turn, waiting},
    sync::Lease,
};

use crate::{
    circuit::{Admitted, Circuit},
    refusal::Refusal,
};

/// What became of a call that asked to pass.
#[derive(Debug)]
pub(crate) enum Admission<P: Deref<Target = Circuit>> {
    /// It passes, and nobody wants to hear of its outcome.
    Free,
    /// It passes, and its outcome is judged.
    Judged(Guard<P>),
    Refused(Refusal),
}

impl Circuit {
    /// A call asks to pass. `hold` makes what the guard holds the breaker by.
    #[inline(always)]
    pub(crate) fn admit<P: Deref<Target = Self>>(&self, hold: impl FnOnce() -> P) -> Admission<P> {
        match self.ask() {
            Ok(None) => Admission::Free,
            Ok(Some(call)) => Admission::Judged(Guard::new(hold(), call)),
            Err(refusal) => Admission::Refused(refusal),
        }
    }
}

/// The guard of a call. `P` borrows or owns the breaker.
///
/// It reports exactly once: what it is told, or, when it is dropped, that the call was cancelled. While it is
/// [marked](Self::mark) foreign code runs, and a drop is a panic in there, which counts as a failure. So does a drop at
/// the end of the call's time when the service had enough of it ([`cut::is_evidence`]), counted from when the call was
/// first seen waiting. One that nobody has seen is cancelled.
pub(crate) struct Guard<P: Deref<Target = Circuit>> {
    shared: P,
    call: Admitted,
    /// When the call was first seen waiting, and [`Instant::ZERO`] before.
    waiting_since: Instant,
    phase: Phase,
    /// The head of the response has come.
    answered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    Running,
    Reported,
}

impl<P: Deref<Target = Circuit>> Guard<P> {
    #[inline]
    fn new(shared: P, call: Admitted) -> Self {
        Self { shared, call, waiting_since: Instant::ZERO, phase: Phase::Waiting, answered: false }
    }

    /// Foreign code runs from now on.
    #[inline]
    pub(crate) fn mark(&mut self) {
        self.phase = Phase::Running;
    }

    /// Foreign code runs from now on, and may end the call.
    #[inline]
    pub(crate) fn mark_poll(&mut self) {
        self.mark();
        if self.is_measured() {
            turn::forget();
        }
    }

    /// The call has its outcome: what it was held back on this side is not the service's time.
    #[inline]
    pub(crate) fn had_turn(&mut self) {
        if self.is_measured() {
            self.call.started = turn::since(self.call.started);
        }
    }

    fn is_measured(&self) -> bool {
        self.call.started != Instant::ZERO
    }

    /// It has come back.
    #[inline]
    pub(crate) fn unmark(&mut self) {
        self.phase = Phase::Waiting;
    }

    /// The head of the response has come, and its end decides: whoever leaves it now had time enough for an answer.
    pub(crate) fn follows(&mut self) {
        self.unmark();
        self.note_waiting();
        self.answered = true;
    }

    /// The call waits. The first time of it is what a cut is narrowed to.
    #[inline]
    pub(crate) fn note_waiting(&mut self) {
        if self.waiting_since == Instant::ZERO {
            self.waiting_since = waiting::began().unwrap_or(Instant::ZERO);
        }
    }

    /// When the service was given its time, as far as is known. Not when it was called, which a rule for slow calls asks for: one
    /// that is not polled then has had nothing.
    #[inline]
    pub(crate) fn began(&self) -> Option<Instant> {
        Some(self.waiting_since).filter(|began| *began != Instant::ZERO)
    }

    /// Whether the call is dropped at the end of its time, and the service had enough of it.
    fn is_evidence(&self) -> bool {
        cut::current().zip(self.began()).is_some_and(|(cut, began)| cut.of_part(began).is_evidence())
    }

    /// What an outcome is under the list `on` of the settings, if there is one.
    #[inline]
    pub(crate) fn judge(&self, judged: Judgement) -> Judgement {
        self.shared.judge(judged)
    }

    /// The call succeeded. By reference, here and below: futures report in place, which is cheaper than moving the guard.
    #[inline]
    pub(crate) fn success(&mut self) {
        self.phase = Phase::Reported;
        self.shared.success(self.call);
    }

    pub(crate) fn failure(&mut self, push_back: Option<Duration>) {
        self.phase = Phase::Reported;
        self.shared.failure(self.call, push_back);
    }

    /// The call says nothing of the service. `gave_up`: since its caller had no more time for it.
    pub(crate) fn ignore(&mut self, gave_up: bool) {
        self.phase = Phase::Reported;
        self.shared.ignored(self.call, gave_up && !self.answered);
    }

    pub(crate) fn is_probe(&self) -> bool {
        self.call.probe != 0
    }
}

impl<P: Deref<Target = Circuit>> Drop for Guard<P> {
    #[inline]
    fn drop(&mut self) {
        match self.phase {
            Phase::Reported => {}
            Phase::Running => self.shared.failure(self.call, None),
            Phase::Waiting if self.is_evidence() => self.shared.failure(self.call, None),
            // Its caller has an answer, and dropped nothing.
            Phase::Waiting if cut::is_superseded() => self.shared.superseded(self.call),
            // Who has the head was in no hurry, nor was one whose time passed on this side.
            Phase::Waiting => {
                let is_held = cut::current().is_some_and(|cut| cut.is_held());
                self.shared.cancelled(self.call, !self.answered && !is_held);
            }
        }
    }
}

impl<P: Deref<Target = Circuit>> fmt::Debug for Guard<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("call", &self.call).field("phase", &self.phase).finish_non_exhaustive()
    }
}

/// How a guard that lives on its own holds the breaker.
pub(crate) enum Hold {
    /// A share of a layer's breaker: two threads that take one do not meet.
    Lease(Lease<Circuit>),
    /// A breaker of one key. Stripes for every key would take more memory than the breakers themselves.
    Arc(Arc<Circuit>),
}

impl Deref for Hold {
    type Target = Circuit;

    #[inline]
    fn deref(&self) -> &Circuit {
        match self {
            Self::Lease(lease) => lease,
            Self::Arc(arc) => arc,
        }
    }
}
