//! The response future of a balancer.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use plugin_core::{
    AsErrorValue, AtHead, ByErrorType, Classify, Code, CodeKind, ExpectedBody, InstanceId, Judgement, Observer,
    Outcome, Reject, Rejected, Sent, Verdict,
    classify::of_attempt,
    clock::{self, Instant},
    deadline::{
        cut,
        timer::{self, Timer},
        waiting,
    },
    polled_after_end,
    sync::NotCalled,
};
use tower_service::Service;

use crate::{Envelope, PlainEnvelope, in_flight::InFlight, meter::Settled};

/// How a balancer judges, refuses, reads and tags. Cloned for every call, so each should be cheap to clone.
#[derive(Clone)]
pub(crate) struct Policy<C, R, E> {
    pub(crate) classify: C,
    pub(crate) reject: R,
    pub(crate) envelope: E,
}

pin_project! {
    /// The future of [`Balance`](crate::Balance). Dropping it drops the call.
    #[must_use = "a future does nothing until it is polled"]
    pub struct ResponseFuture<S, Req, C = ByErrorType, R = AsErrorValue, O = AtHead, E = PlainEnvelope>
    where
        S: Service<Req>,
    {
        #[pin]
        state: CallState<S, Req, S::Future, S::Error>,
        // After the state: the instance is in flight until its future is gone. `None`: there was nothing to pick.
        attempt: Option<InFlight<S>>,
        // A copy of the request, for when the instance cannot be reached.
        retained: Option<Req>,
        // Empty as a rule, and then it is nowhere.
        failed: Box<[InstanceId]>,
        asked: ExpectedBody,
        policy: Policy<C, R, E>,
        outcome: PhantomData<fn() -> O>,
    }

    impl<S, Req, C, R, O, E> PinnedDrop for ResponseFuture<S, Req, C, R, O, E>
    where
        S: Service<Req>,
    {
        fn drop(this: Pin<&mut Self>) {
            if cut::current().is_some() {
                let this = this.project();
                drop_cut(this.state, this.attempt.as_ref());
            }
        }
    }
}

pin_project! {
    #[project = StateProject]
    enum CallState<S, Req, F, E> {
        // Picked, not polled.
        Start { request: Option<Req> },
        // The instance did not take the request, because of this error.
        NotTaken { error: Option<E>, request: Option<Req> },
        // Polled, and not ready.
        // `answered`: the calls that the instance had answered by then.
        Waiting { service: S, request: Option<Req>, timer: Option<(Timer, Instant)>, answered: u64 },
        // Called.
        Called { #[pin] future: F },
        Ended,
    }
}

impl<S: Service<Req>, Req, C, R, O, E> ResponseFuture<S, Req, C, R, O, E> {
    pub(crate) fn new(
        request: Req,
        retained: Option<Req>,
        attempt: Option<InFlight<S>>,
        asked: ExpectedBody,
        policy: Policy<C, R, E>,
    ) -> Self {
        let state = CallState::Start { request: Some(request) };
        Self { state, attempt, retained, failed: Box::default(), asked, policy, outcome: PhantomData }
    }
}

const READYING: &str = "waiting for an instance to be ready";

/// Drops a call whose time is up.
#[cold]
fn drop_cut<S: Service<Req>, Req>(
    mut state: Pin<&mut CallState<S, Req, S::Future, S::Error>>,
    attempt: Option<&InFlight<S>>,
) {
    match (state.as_mut().project(), attempt) {
        // Whatever was tried before was not sent either.
        (StateProject::Start { .. }, _) => cut::report(READYING, Sent::Nothing),
        (StateProject::Waiting { answered, .. }, Some(attempt)) => {
            cut::report_in_line(READYING, attempt.member().meter.answered() != *answered);
        }
        (StateProject::Waiting { .. }, None) => cut::report_in_line(READYING, false),
        (StateProject::Called { .. }, Some(attempt)) => {
            if let Some(turn) = attempt.turn() {
                cut::drop_held_until(turn, || state.set(CallState::Ended));
            }
        }
        (StateProject::Called { .. } | StateProject::NotTaken { .. } | StateProject::Ended, _) => {}
    }
}

/// Also when it has panicked: the request is gone.
fn polled_again() -> ! {
    polled_after_end("plugin_lb::ResponseFuture")
}

/// What a look at the state came to.
enum Step<Req, Res, Err> {
    /// There is a new state to look at.
    Go,
    /// The instance did not take the request, because of this error or for too long.
    NotReady(Option<Err>, Req),
    Answer(Result<Res, Err>),
    Pending,
}

impl<S, Req, C, R, O, E> Future for ResponseFuture<S, Req, C, R, O, E>
where
    S: Service<Req> + Clone,
    C: Classify<S::Response, S::Error> + Clone + Send + 'static,
    R: Reject<S::Response, S::Error>,
    O: Outcome<S::Response>,
    E: Envelope<Req, S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let this = self.as_mut().project();
            let Some(attempt) = this.attempt else {
                let mut this = self.project();
                if let StateProject::Ended = this.state.as_mut().project() {
                    polled_again();
                }
                this.state.set(CallState::Ended);
                return Poll::Ready(this.policy.reject.reject(Rejected::no_endpoint()));
            };
            match step(this.state, attempt, this.failed, cx) {
                Step::Pending => {
                    attempt.note_waiting();
                    return Poll::Pending;
                }
                Step::Go => {}
                Step::NotReady(error, request) => {
                    let judged =
                        error.as_ref().map(|error| of_attempt(&this.policy.classify, Err(error), attempt.began()));
                    // It was never called, whatever the error says.
                    match judged {
                        Some(judged) => attempt.settle_as(&judged.with_sent(Sent::Nothing), || {
                            error.as_ref().and_then(|error| this.policy.envelope.tell(error))
                        }),
                        None => attempt.settle(Settled::Abandoned),
                    }
                    let instance = attempt.member().id;
                    if self.as_mut().go_elsewhere(request) {
                        continue;
                    }
                    let mut this = self.project();
                    this.state.set(CallState::Ended);
                    *this.attempt = None;
                    let policy = this.policy;
                    return Poll::Ready(match error {
                        Some(mut error) => {
                            policy.envelope.tag(Err(&mut error), instance);
                            Err(error)
                        }
                        None => policy.reject.reject(Rejected::new(Code::PickFailed)),
                    });
                }
                Step::Answer(result) => {
                    let judged = of_attempt(&this.policy.classify, result.as_ref(), attempt.began());
                    if result.is_err()
                        && is_for_another(&judged)
                        && let Some(request) = this.retained.take()
                    {
                        attempt.settle_as(&judged, || told(&this.policy.envelope, &result));
                        if self.as_mut().go_elsewhere(request) {
                            continue;
                        }
                    }
                    return Poll::Ready(self.finish(result, &judged));
                }
            }
        }
    }
}

/// Whether another instance may have the request: this one never saw it, and the fault is this one's. The caller's own
/// mistakes and limits would be the same on any other.
fn is_for_another(judged: &Judgement) -> bool {
    let is_of_instance = judged.code().is_some_and(|code| {
        matches!(
            code.kind(),
            CodeKind::Connection
                | CodeKind::CircuitOpen
                | CodeKind::Unhealthy
                | CodeKind::Overloaded
                | CodeKind::Lifecycle
        )
    });
    is_of_instance && judged.sent() == Sent::Nothing
}

/// What an operator is told of a failure.
#[cold]
fn told<Req, Res, Err>(envelope: &impl Envelope<Req, Res, Err>, result: &Result<Res, Err>) -> Option<String> {
    result.as_ref().err().and_then(|error| envelope.tell(error))
}

/// One look at the state.
fn step<S, Req>(
    mut state: Pin<&mut CallState<S, Req, S::Future, S::Error>>,
    attempt: &mut InFlight<S>,
    failed: &[InstanceId],
    cx: &mut Context<'_>,
) -> Step<Req, S::Response, S::Error>
where
    S: Service<Req> + Clone,
{
    let next = match state.as_mut().project() {
        StateProject::Called { future } => {
            return match attempt.polling_since_turn(|| future.poll(cx)) {
                Poll::Ready(result) => Step::Answer(result),
                Poll::Pending => Step::Pending,
            };
        }
        StateProject::Start { request } => {
            let request = request.take().unwrap_or_else(|| polled_again());
            attempt.polling(|member| {
                member.slots.start(
                    request,
                    cx,
                    |ready, request| CallState::Called { future: ready.call(request) },
                    |why| match why {
                        NotCalled::Failed(error, request) => {
                            CallState::NotTaken { error: Some(error), request: Some(request) }
                        }
                        NotCalled::Wait(service, request) => {
                            let answered = member.meter.answered();
                            CallState::Waiting { service, request: Some(request), timer: None, answered }
                        }
                    },
                )
            })
        }
        StateProject::Waiting { service, request, timer, answered } => {
            match attempt.polling(|_| service.poll_ready(cx)) {
                Poll::Ready(Ok(())) => {
                    let request = request.take().unwrap_or_else(|| polled_again());
                    // It had no room, and answered others meanwhile: what this call waited is not held against it.
                    if attempt.member().meter.answered() != *answered {
                        attempt.has_turn();
                    }
                    CallState::Called { future: attempt.polling(|_| service.call(request)) }
                }
                Poll::Ready(Err(error)) => CallState::NotTaken { error: Some(error), request: request.take() },
                Poll::Pending if is_overdue(timer, attempt, failed, cx) => {
                    CallState::NotTaken { error: None, request: request.take() }
                }
                Poll::Pending => {
                    waiting::note(READYING);
                    return Step::Pending;
                }
            }
        }
        StateProject::NotTaken { error, request } => {
            return Step::NotReady(error.take(), request.take().unwrap_or_else(|| polled_again()));
        }
        StateProject::Ended => polled_again(),
    };
    state.set(next);
    Step::Go
}

/// Whether the instance had its time to become ready. Arms the timer, unless there is no other instance to go to.
fn is_overdue<S>(
    timer: &mut Option<(Timer, Instant)>,
    attempt: &InFlight<S>,
    failed: &[InstanceId],
    cx: &mut Context<'_>,
) -> bool {
    if timer.is_none() {
        let Some(home) = attempt.member().home.upgrade() else { return false };
        let snapshot = home.load();
        // The last one of several is waited for no longer than the others were.
        if failed.is_empty() && !snapshot.has_another(attempt.member().id) {
            return false;
        }
        let limit = snapshot.config.pick_timeout();
        *timer = Some((timer::arm(limit), clock::now().saturating_add(limit)));
    }
    let Some((timer, due)) = timer else { return false };
    let overdue = timer::fired(timer.as_mut(), cx).is_ready();
    if !overdue {
        waiting::enforcing(*due);
    }
    overdue
}

impl<S, Req, C, R, O, E> ResponseFuture<S, Req, C, R, O, E>
where
    S: Service<Req>,
    C: Classify<S::Response, S::Error> + Clone + Send + 'static,
    O: Outcome<S::Response>,
    E: Envelope<Req, S::Response, S::Error>,
{
    /// Picks another instance for this request. False when there is none that this call did not fail on, or failover
    /// is off, or the balancer is gone.
    #[cold]
    fn go_elsewhere(self: Pin<&mut Self>, request: Req) -> bool {
        let mut this = self.project();
        let Some(attempt) = this.attempt.as_mut() else { return false };
        let Some(home) = attempt.member().home.upgrade() else { return false };
        let snapshot = home.load();
        if !snapshot.config.failover() {
            return false;
        }
        let mut failed = mem::take(this.failed).into_vec();
        failed.push(attempt.member().id);
        *this.failed = failed.into_boxed_slice();
        let hints = this.policy.envelope.hints(&request);
        let Some(next) = snapshot.begin(&home.turns, &hints, this.failed) else { return false };
        *this.retained = this.policy.envelope.retain(&request);
        // The state first: what is left of the failed try goes before its guard does.
        this.state.set(CallState::Start { request: Some(request) });
        *this.attempt = Some(next);
        true
    }

    /// Books the outcome, or lets the guard follow the body.
    #[inline]
    fn finish(
        self: Pin<&mut Self>,
        mut result: Result<S::Response, S::Error>,
        judged: &Judgement,
    ) -> Result<S::Response, S::Error> {
        let mut this = self.project();
        let Some(mut attempt) = this.attempt.take() else { return result };
        this.state.set(CallState::Ended);
        this.policy.envelope.tag(result.as_mut(), attempt.member().id);
        if attempt.member().meter.reported.is_heeded()
            && let Some(report) = result.as_ref().ok().and_then(|response| this.policy.envelope.load_report(response))
        {
            attempt.member().meter.reported.report(&report, clock::end::read());
        }
        match (judged.verdict(), result) {
            (Verdict::AtEnd, Ok(response)) => {
                let body = attempt.into_body::<C, S::Response, S::Error>(&this.policy.classify, judged);
                Ok(O::follow(response, *this.asked, Observer::new(body)))
            }
            (_, result) => {
                attempt.settle_as(judged, || told(&this.policy.envelope, &result));
                // Where it has failed on others too, it is not that of one.
                if this.failed.is_empty() {
                    attempt.tell_if_ejected(judged);
                }
                result
            }
        }
    }
}

impl<S: Service<Req>, Req, C, R, O, E> fmt::Debug for ResponseFuture<S, Req, C, R, O, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("instance", &self.attempt.as_ref().map(|attempt| &attempt.member().name))
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
