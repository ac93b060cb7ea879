//! The response future of a split.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use plugin_core::{
    AsErrorValue, AtHead, ByErrorType, Classify, ExpectedBody, Observer, Outcome, Reject, Rejected, Sent, Verdict,
    classify::of_attempt,
    deadline::{cut, waiting},
    polled_after_end,
    sync::NotCalled,
};
use tower_service::Service;

use super::{branch::Ended, in_flight::InFlight};

pin_project! {
    /// The future of [`TrafficSplit`](crate::TrafficSplit). Dropping it drops the call.
    #[must_use = "a future does nothing until it is polled"]
    pub struct TrafficSplitFuture<S, Req, C = ByErrorType, R = AsErrorValue, O = AtHead>
    where
        S: Service<Req>,
    {
        #[pin]
        state: CallState<S, Req, S::Future, S::Error>,
        // After the state: the call is in flight until its future is gone. `None`: no branch has a weight.
        call: Option<InFlight<S>>,
        asked: ExpectedBody,
        classify: C,
        reject: R,
        outcome: PhantomData<fn() -> O>,
    }

    impl<S, Req, C, R, O> PinnedDrop for TrafficSplitFuture<S, Req, C, R, O>
    where
        S: Service<Req>,
    {
        fn drop(this: Pin<&mut Self>) {
            if cut::current().is_some() {
                let this = this.project();
                drop_cut(this.state, this.call.as_ref());
            }
        }
    }
}

pin_project! {
    #[project = StateProject]
    enum CallState<S, Req, F, E> {
        Start { request: Option<Req> },
        // The branch failed its readiness.
        NotReady { error: Option<E> },
        // `answered`: the calls that the branch had answered by then.
        Waiting { service: S, request: Option<Req>, answered: u64 },
        Called { #[pin] future: F },
        Ended,
    }
}

const READYING: &str = "waiting for a branch to be ready";

/// Drops a call whose time is up.
#[cold]
fn drop_cut<S: Service<Req>, Req>(
    mut state: Pin<&mut CallState<S, Req, S::Future, S::Error>>,
    call: Option<&InFlight<S>>,
) {
    let Some(call) = call else { return };
    match state.as_mut().project() {
        StateProject::Start { .. } => cut::report(READYING, Sent::Nothing),
        StateProject::Waiting { answered, .. } => {
            cut::report_in_line(READYING, call.branch().counts.ended() != *answered);
        }
        StateProject::Called { .. } => {
            if let Some(turn) = call.turn() {
                cut::drop_held_until(turn, || state.set(CallState::Ended));
            }
        }
        StateProject::NotReady { .. } | StateProject::Ended => {}
    }
}

/// Also when it has panicked: the request is gone.
fn polled_again() -> ! {
    polled_after_end("plugin_lb::TrafficSplitFuture")
}

impl<S: Service<Req>, Req, C, R, O> TrafficSplitFuture<S, Req, C, R, O> {
    pub(super) fn new(request: Req, call: Option<InFlight<S>>, asked: ExpectedBody, classify: C, reject: R) -> Self {
        let state = CallState::Start { request: Some(request) };
        Self { state, call, asked, classify, reject, outcome: PhantomData }
    }
}

impl<S, Req, C, R, O> Future for TrafficSplitFuture<S, Req, C, R, O>
where
    S: Service<Req> + Clone,
    C: Classify<S::Response, S::Error> + Clone + Send + 'static,
    R: Reject<S::Response, S::Error>,
    O: Outcome<S::Response>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(call) = this.call else {
            if let StateProject::Ended = this.state.as_mut().project() {
                polled_again();
            }
            this.state.set(CallState::Ended);
            return Poll::Ready(this.reject.reject(Rejected::no_endpoint()));
        };
        let polled = poll_call(this.state.as_mut(), call, cx);
        if polled.is_pending() {
            call.note_waiting();
        }
        let result = ready!(polled);
        let judged = of_attempt(this.classify, result.as_ref(), call.began());
        this.state.set(CallState::Ended);
        let Some(mut call) = this.call.take() else { return Poll::Ready(result) };
        Poll::Ready(match (judged.verdict(), result) {
            (Verdict::AtEnd, Ok(response)) => {
                let body = call.into_body::<C, S::Response, S::Error>(this.classify);
                Ok(O::follow(response, *this.asked, Observer::new(body)))
            }
            (_, result) => {
                call.settle(Ended::of(&judged));
                result
            }
        })
    }
}

/// Polls the branch, for its readiness first.
fn poll_call<S, Req>(
    mut state: Pin<&mut CallState<S, Req, S::Future, S::Error>>,
    call: &mut InFlight<S>,
    cx: &mut Context<'_>,
) -> Poll<Result<S::Response, S::Error>>
where
    S: Service<Req> + Clone,
{
    loop {
        let next = match state.as_mut().project() {
            StateProject::Called { future } => return call.polling_since_turn(|| future.poll(cx)),
            StateProject::Start { request } => {
                let request = request.take().unwrap_or_else(|| polled_again());
                call.polling(|branch| {
                    branch.slots.start(
                        request,
                        cx,
                        |ready, request| CallState::Called { future: ready.call(request) },
                        |why| match why {
                            NotCalled::Failed(error, _) => CallState::NotReady { error: Some(error) },
                            NotCalled::Wait(service, request) => {
                                let answered = branch.counts.ended();
                                CallState::Waiting { service, request: Some(request), answered }
                            }
                        },
                    )
                })
            }
            StateProject::Waiting { service, request, answered } => match call.polling(|_| service.poll_ready(cx)) {
                Poll::Ready(Ok(())) => {
                    let request = request.take().unwrap_or_else(|| polled_again());
                    // It had no room, and answered others meanwhile: what this call waited is not held against it.
                    if call.branch().counts.ended() != *answered {
                        call.has_turn();
                    }
                    CallState::Called { future: call.polling(|_| service.call(request)) }
                }
                Poll::Ready(Err(error)) => CallState::NotReady { error: Some(error) },
                Poll::Pending => {
                    waiting::note(READYING);
                    return Poll::Pending;
                }
            },
            StateProject::NotReady { error } => {
                return Poll::Ready(Err(error.take().unwrap_or_else(|| polled_again())));
            }
            StateProject::Ended => polled_again(),
        };
        state.set(next);
    }
}

impl<S: Service<Req>, Req, C, R, O> fmt::Debug for TrafficSplitFuture<S, Req, C, R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrafficSplitFuture")
            .field("branch", &self.call.as_ref().map(|call| &call.branch().name))
            .finish_non_exhaustive()
    }
}
