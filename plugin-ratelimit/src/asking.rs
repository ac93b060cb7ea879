//! The response of the inner service, or a refusal, after somebody elsewhere was asked where that must be.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use plugin_core::{
    Reject, Rejected,
    deadline::{cut, waiting},
    polled_after_end, service,
};
use tower_service::Service;

/// A decision that is made elsewhere.
pub(crate) type Decision = Pin<Box<dyn Future<Output = Result<(), Rejected>> + Send>>;

pin_project! {
    /// The future of a limit that is decided elsewhere, in Redis or by a rate limit service. Dropping it drops the
    /// question, or the inner call.
    #[must_use = "a future does nothing until it is polled"]
    pub struct SharedResponseFuture<S, Req, R>
    where
        S: Service<Req>,
    {
        #[pin]
        state: State<S, S::Future, Req, R>,
    }
}

pin_project! {
    #[project = StateProject]
    #[project_replace = StateReplaced]
    enum State<S, F, Req, R> {
        Asking { deciding: Deciding, service: S, request: Req, reject: R },
        Passed { #[pin] inner: F },
        Refused { rejected: Rejected, reject: R },
        Ended,
    }
}

/// A decision that is waited for. It says at its end, if that comes too early, that the call was held on this side.
struct Deciding {
    decision: Decision,
    /// What a call waits for meanwhile.
    stage: &'static str,
    is_waiting: bool,
}

impl Deciding {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        let polled = self.decision.as_mut().poll(cx);
        self.is_waiting = polled.is_pending();
        if self.is_waiting {
            waiting::note(self.stage);
        }
        polled
    }
}

impl Drop for Deciding {
    fn drop(&mut self) {
        if self.is_waiting {
            cut::report_held(self.stage);
        }
    }
}

impl<S: Service<Req>, Req, R> SharedResponseFuture<S, Req, R> {
    pub(crate) fn passed(inner: S::Future) -> Self {
        Self { state: State::Passed { inner } }
    }

    /// Without a question.
    #[cfg(feature = "redis")]
    pub(crate) fn refused(rejected: Rejected, reject: R) -> Self {
        Self { state: State::Refused { rejected, reject } }
    }

    /// Waits for the decision, which is told as this stage, and calls the service that was ready then.
    pub(crate) fn asking(decision: Decision, stage: &'static str, service: S, request: Req, reject: R) -> Self {
        let deciding = Deciding { decision, stage, is_waiting: false };
        Self { state: State::Asking { deciding, service, request, reject } }
    }
}

impl<S, Req, R> Future for SharedResponseFuture<S, Req, R>
where
    S: Service<Req>,
    R: Reject<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProject::Asking { deciding, .. } => {
                    let decided = ready!(deciding.poll(cx));
                    if let StateReplaced::Asking { mut service, request, reject, .. } =
                        state.as_mut().project_replace(State::Ended)
                    {
                        state.set(match decided {
                            Ok(()) => State::Passed { inner: service::call(&mut service, request) },
                            Err(rejected) => State::Refused { rejected, reject },
                        });
                    }
                }
                StateProject::Passed { inner } => {
                    let answer = ready!(inner.poll(cx));
                    state.set(State::Ended);
                    return Poll::Ready(answer);
                }
                StateProject::Refused { rejected, reject } => {
                    let answer = reject.reject(*rejected);
                    state.set(State::Ended);
                    return Poll::Ready(answer);
                }
                StateProject::Ended => polled_after_end("plugin_ratelimit::SharedResponseFuture"),
            }
        }
    }
}

impl<S: Service<Req>, Req, R> fmt::Debug for SharedResponseFuture<S, Req, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedResponseFuture").finish_non_exhaustive()
    }
}
