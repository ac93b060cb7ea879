//! The guard of a call on a branch, and of the body of its response.

use std::task::Poll;

use plugin_core::{
    Classify, End, Judgement, Observe,
    clock::{self, Instant},
    deadline::{cut, turn, waiting},
    sync::Lease,
};

use super::branch::{Branch, BranchCounts, Ended};

/// The moments of a call; each is [`Instant::ZERO`] where nobody looked.
#[derive(Clone, Copy)]
struct Timing {
    /// When it was first seen waiting for the branch.
    waiting_since: Instant,
    /// When it had its turn, where it waited until others were answered.
    turn: Instant,
}

impl Timing {
    fn note_waiting(&mut self) {
        if self.waiting_since == Instant::ZERO {
            self.waiting_since = waiting::began().unwrap_or(Instant::ZERO);
        }
    }

    /// When the branch was given its time, as far as is known.
    fn began(self) -> Option<Instant> {
        Some(self.waiting_since.max(self.turn)).filter(|began| *began != Instant::ZERO)
    }

    /// What a call came to that is dropped now: a failure if its time was up and the branch had enough of it.
    #[cold]
    fn dropped(self) -> Ended {
        match cut::current().zip(self.began()) {
            Some((cut, began)) if cut.of_part(began).is_evidence() => Ended::Failed,
            _ => Ended::Neither,
        }
    }
}

/// A call in flight on a branch, which it keeps alive, also one that is removed meanwhile.
pub(super) struct InFlight<S> {
    branch: Lease<Branch<S>>,
    timing: Timing,
    /// A drop while this is set is a panic of the branch.
    polled: bool,
    settled: bool,
}

impl<S> InFlight<S> {
    #[inline]
    pub(super) fn on(branch: Lease<Branch<S>>) -> Self {
        let timing = Timing { waiting_since: Instant::ZERO, turn: Instant::ZERO };
        Self { branch, timing, polled: false, settled: false }
    }

    #[inline]
    pub(super) fn branch(&self) -> &Branch<S> {
        &self.branch
    }

    /// Runs a poll of the branch's service.
    #[inline]
    pub(super) fn polling<T>(&mut self, poll: impl FnOnce(&Branch<S>) -> T) -> T {
        self.polled = true;
        let result = poll(&self.branch);
        self.polled = false;
        result
    }

    /// Runs a poll of the call, which hears of its own time alone.
    #[inline]
    pub(super) fn polling_since_turn<T>(&mut self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let Some(turn) = self.turn() else { return self.polling(|_| poll()) };
        let polled = self.polling(|_| cut::narrow(turn, poll));
        if polled.is_ready() {
            turn::tell(turn);
        }
        polled
    }

    #[inline]
    pub(super) fn note_waiting(&mut self) {
        self.timing.note_waiting();
    }

    /// The branch had no room, answered others meanwhile, and takes the call now.
    #[cold]
    pub(super) fn has_turn(&mut self) {
        self.timing.turn = clock::now();
    }

    /// When the call had its turn, where it waited for that.
    #[inline]
    pub(super) fn turn(&self) -> Option<Instant> {
        Some(self.timing.turn).filter(|turn| *turn != Instant::ZERO)
    }

    /// When the branch was given its time; never, where the call was not seen waiting.
    #[inline]
    pub(super) fn began(&self) -> Instant {
        self.timing.began().unwrap_or(Instant::MAX)
    }

    /// Counts how the call went. Only the first time counts.
    #[inline]
    pub(super) fn settle(&mut self, how: Ended) {
        if !std::mem::replace(&mut self.settled, true) {
            self.branch.counts.add(how);
        }
    }

    /// Goes on as the guard of the body of the response.
    pub(super) fn into_body<C, Res, Err>(mut self, classify: &C) -> InBody<C>
    where
        C: Classify<Res, Err> + Clone,
    {
        self.settled = true;
        // For its body, at the latest.
        self.timing.note_waiting();
        let counts = self.branch.bodies.lease();
        let judge = <C as Classify<Res, Err>>::classify_end;
        InBody { counts, timing: self.timing, settled: false, classify: classify.clone(), judge }
    }
}

impl<S> Drop for InFlight<S> {
    fn drop(&mut self) {
        if !self.settled {
            let how = if self.polled { Ended::Failed } else { self.timing.dropped() };
            self.settle(how);
        }
    }
}

/// A response whose body is still being read counts as in flight on the branch.
pub(super) struct InBody<C> {
    counts: Lease<BranchCounts>,
    timing: Timing,
    settled: bool,
    classify: C,
    /// The classifier's own; a pointer, so that the types of response and error need not be `'static`.
    judge: fn(&C, End<'_>) -> Judgement,
}

impl<C: Send + 'static> Observe for InBody<C> {
    fn end(mut self: Box<Self>, end: End<'_>) {
        self.settled = true;
        self.counts.add(Ended::of(&(self.judge)(&self.classify, end)));
    }
}

impl<C> Drop for InBody<C> {
    fn drop(&mut self) {
        if !self.settled {
            self.counts.add(self.timing.dropped());
        }
    }
}
