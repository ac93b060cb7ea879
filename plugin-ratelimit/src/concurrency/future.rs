//! The response future of a concurrency limit.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use plugin_core::{
    Classify, ExpectedBody, Reject, Rejected, ResponseBodyRule, Sent,
    clock::{self, Instant},
    deadline::{cut, turn, waiting},
    polled_after_end, readiness, service,
};
use tower_service::Service;

use super::{
    Acquire, ConcurrencyLimit, HoldPermit, Permit,
    measure::{self, InFlight},
};

pin_project! {
    /// The future of [`ConcurrencyLimited`](super::ConcurrencyLimited). Dropping it leaves the line, or drops the call and then
    /// frees its place.
    #[must_use = "a future does nothing until it is polled"]
    pub struct ConcurrencyLimitFuture<S, Req, C, R, O>
    where
        S: Service<Req>,
    {
        #[pin]
        stage: Stage<S, Req, S::Future>,
        // After the call, so that its place is not free while the work still lives. Empty: it has no place, or not yet.
        permit: Permit,
        // When a call that has waited had its turn.
        turn: Option<Instant>,
        asked: ExpectedBody,
        answers: Answers<C, R>,
        outcome: PhantomData<fn() -> O>,
    }

    impl<S, Req, C, R, O> PinnedDrop for ConcurrencyLimitFuture<S, Req, C, R, O>
    where
        S: Service<Req>,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            measure::dropped(this.permit);
            if matches!(&*this.stage, Stage::Waiting { waiting } if waiting.acquire.is_none()) {
                cut::report(READYING, Sent::Nothing);
            }
            if let Some(turn) = this.turn.take() {
                // The time in line is not the service's.
                cut::drop_held_until(turn, || this.stage.set(Stage::Ended));
            }
        }
    }
}

pin_project! {
    #[project = StageProject]
    enum Stage<S, Req, F> {
        // Boxed: most calls find a place, and their futures stay small.
        Waiting { waiting: Box<Waiting<S, Req>> },
        Running { #[pin] inner: F },
        // Without a place or a line to wait in. What it is told is made when it asks, and so nothing is kept.
        Refused,
        Ended,
    }
}

/// What a call waits for that has its place.
const READYING: &str = "waiting for the service to be ready";

/// A call that has not been made yet.
struct Waiting<S, Req> {
    /// `None` once it had its turn.
    acquire: Option<Acquire>,
    service: S,
    /// `None` once it was given to the service.
    request: Option<Req>,
}

/// Who judges outcomes, and who answers refusals.
pub(super) struct Answers<C, R> {
    pub(super) classify: C,
    pub(super) reject: R,
}

impl<S, Req, C, R, O> ConcurrencyLimitFuture<S, Req, C, R, O>
where
    S: Service<Req>,
{
    /// Calls the service if a place is free, and waits for one otherwise.
    #[inline]
    pub(super) fn call(
        limit: &ConcurrencyLimit,
        service: &mut S,
        request: Req,
        priority: impl FnOnce(&Req) -> i16,
        answers: Answers<C, R>,
    ) -> Self
    where
        S: Clone,
        O: ResponseBodyRule<Req>,
    {
        let asked = O::asked(&request);
        if let Some(mut permit) = limit.enter() {
            return Self::made(service, request, &mut permit, asked, answers);
        }
        let permit = Permit::empty();
        // Whether it waits or is refused, what was polled ready is not used: a clone is, when its turn has come.
        readiness::unused();
        if limit.refuse_without_line().is_some() {
            return Self { stage: Stage::Refused, permit, turn: None, asked, answers, outcome: PhantomData };
        }
        let acquire = Some(limit.acquire_with_priority(priority(&request)));
        let waiting = Box::new(Waiting { acquire, service: service.clone(), request: Some(request) });
        let stage = Stage::Waiting { waiting };
        Self { stage, permit, turn: None, asked, answers, outcome: PhantomData }
    }

    /// A call that is made. A function of its own, without anything that must be undone when the call panics: the future of
    /// the call is then written where it stays, and not copied there.
    #[inline]
    fn made(service: &mut S, request: Req, permit: &mut Permit, asked: ExpectedBody, answers: Answers<C, R>) -> Self {
        let stage = Stage::Running { inner: service::call(service, request) };
        Self { stage, permit: mem::replace(permit, Permit::empty()), turn: None, asked, answers, outcome: PhantomData }
    }
}

impl<S, Req> Waiting<S, Req>
where
    S: Service<Req>,
{
    /// Takes a permit, then waits until the service is ready. `Err`: it is refused.
    fn poll_turn(&mut self, permit: &mut Permit, cx: &mut Context<'_>) -> Poll<Result<Result<(), S::Error>, Rejected>> {
        if let Some(acquire) = &mut self.acquire {
            let taken = ready!(Pin::new(acquire).poll(cx));
            self.acquire = None;
            match taken {
                Ok(taken) => *permit = taken,
                Err(rejected) => return Poll::Ready(Err(rejected)),
            }
        }
        let ready = self.service.poll_ready(cx).map(Ok);
        if ready.is_pending() {
            waiting::note(READYING);
        }
        ready
    }
}

impl<S, Req, C, R, O, Res, Err> Future for ConcurrencyLimitFuture<S, Req, C, R, O>
where
    S: Service<Req, Response = Res, Error = Err>,
    C: Classify<Res, Err> + Clone + Send + 'static,
    R: Reject<Res, Err>,
    O: HoldPermit<Res>,
{
    type Output = Result<Res, Err>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let polled = match this.stage.as_mut().project() {
                StageProject::Running { inner } => {
                    let result = ready!(inner.poll(cx));
                    if let Some(turn) = this.turn.take() {
                        turn::tell(turn);
                    }
                    result
                }
                StageProject::Waiting { waiting } => {
                    match ready!(waiting.poll_turn(this.permit, cx)) {
                        Ok(Ok(())) => {
                            // Without a request it has panicked when it was made.
                            let Some(request) = waiting.request.take() else { polled_again() };
                            *this.turn = Some(clock::now());
                            let inner = service::call(&mut waiting.service, request);
                            this.stage.set(Stage::Running { inner });
                            continue;
                        }
                        Ok(Err(error)) => Err(error),
                        Err(rejected) => this.answers.reject.reject(rejected),
                    }
                }
                StageProject::Refused => this.answers.reject.reject(Rejected::overloaded()),
                StageProject::Ended => polled_again(),
            };
            // What the call held is given back before its place is free, and both before others hear of the end.
            this.stage.set(Stage::Ended);
            if this.permit.is_empty() || !O::HOLDS && this.permit.began().is_none() {
                // In place: nobody wants to hear of it, and nothing is moved.
                *this.permit = Permit::empty();
                return Poll::Ready(polled);
            }
            let mut permit = mem::replace(this.permit, Permit::empty());
            let at_end = measure::ended(&mut permit, &this.answers.classify, polled.as_ref());
            return Poll::Ready(polled.map(|response| O::hold(response, *this.asked, InFlight { permit, at_end })));
        }
    }
}

fn polled_again() -> ! {
    polled_after_end("plugin_ratelimit::concurrency::ConcurrencyLimitFuture")
}

impl<S, Req, C, R, O> fmt::Debug for ConcurrencyLimitFuture<S, Req, C, R, O>
where
    S: Service<Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Waiting { waiting } if waiting.acquire.as_ref().is_some_and(Acquire::is_in_line) => "in line",
            Stage::Waiting { .. } => "waiting",
            Stage::Running { .. } => "running",
            Stage::Refused => "refused",
            Stage::Ended => "ended",
        };
        f.debug_struct("ConcurrencyLimitFuture").field("stage", &stage).finish_non_exhaustive()
    }
}
