//! The response of the inner service, or a refusal, where a call may be held until it is decided.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use plugin_core::{
    Reject, Rejected, Sent,
    deadline::{cut, waiting},
    polled_after_end, service,
};
use tower_service::Service;

/// Whether a call that is held is let through. Dropped before it has ended, it says by itself that the call was held on this side.
pub(crate) type Decision = Pin<Box<dyn Future<Output = Result<(), Rejected>> + Send>>;

/// What a call waits for that is let through.
const READYING: &str = "waiting for the service to be ready";

pin_project! {
    /// The future of a limit that may hold a call before it decides: [`WaitingRateLimit`](crate::WaitingRateLimit),
    /// `SharedRateLimit` (feature `redis`) and `EnvoyRateLimit` (feature `envoy-rls`).
    ///
    /// A call that is held keeps no readiness of the inner service: a clone of it is polled ready when the call is let through.
    /// Dropping the future drops the call that is held, which leaves its line, or the inner call.
    #[must_use = "a future does nothing until it is polled"]
    pub struct HeldResponseFuture<S, Req, R>
    where
        S: Service<Req>,
    {
        #[pin]
        state: State<S, S::Future, Req, R>,
    }

    impl<S, Req, R> PinnedDrop for HeldResponseFuture<S, Req, R>
    where
        S: Service<Req>,
    {
        fn drop(this: Pin<&mut Self>) {
            if let State::Held { held } = &*this.project().state
                && held.decision.is_none()
            {
                cut::report(READYING, Sent::Nothing);
            }
        }
    }
}

pin_project! {
    #[project = StateProject]
    #[project_replace = StateReplaced]
    enum State<S, F, Req, R> {
        // Boxed: most calls are decided at once, and their futures stay small.
        Held { held: Box<Held<S, Req, R>> },
        Passed { #[pin] inner: F },
        Refused { rejected: Rejected, reject: R },
        Ended,
    }
}

/// A call that has not been made yet.
struct Held<S, Req, R> {
    /// `None` once it is let through.
    decision: Option<Decision>,
    service: S,
    request: Req,
    reject: R,
}

impl<S: Service<Req>, Req, R> Held<S, Req, R> {
    /// Waits until it is decided, and then until the service is ready. `Err`: it is refused.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Result<(), S::Error>, Rejected>> {
        if let Some(decision) = &mut self.decision {
            let decided = ready!(decision.as_mut().poll(cx));
            self.decision = None;
            if let Err(rejected) = decided {
                return Poll::Ready(Err(rejected));
            }
        }
        let ready = self.service.poll_ready(cx).map(Ok);
        if ready.is_pending() {
            waiting::note(READYING);
        }
        ready
    }
}

impl<S: Service<Req>, Req, R> HeldResponseFuture<S, Req, R> {
    pub(crate) fn passed(inner: S::Future) -> Self {
        Self { state: State::Passed { inner } }
    }

    /// Refuses it, without that it was held.
    #[cfg(all(feature = "redis", not(loom)))]
    pub(crate) fn refused(rejected: Rejected, reject: R) -> Self {
        plugin_core::readiness::unused();
        Self { state: State::Refused { rejected, reject } }
    }

    /// Holds the call until it is decided. What the service has reserved goes with the clone that was ready.
    pub(crate) fn held(decision: Decision, service: &mut S, request: Req, reject: R) -> Self
    where
        S: Clone,
    {
        *service = service.clone();
        let held = Box::new(Held { decision: Some(decision), service: service.clone(), request, reject });
        Self { state: State::Held { held } }
    }
}

impl<S, Req, R> Future for HeldResponseFuture<S, Req, R>
where
    S: Service<Req>,
    R: Reject<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProject::Passed { inner } => {
                    let answer = ready!(inner.poll(cx));
                    state.set(State::Ended);
                    return Poll::Ready(answer);
                }
                StateProject::Held { held } => {
                    let turn = ready!(held.poll_turn(cx));
                    let StateReplaced::Held { held } = state.as_mut().project_replace(State::Ended) else { continue };
                    let Held { mut service, request, reject, .. } = *held;
                    state.set(match turn {
                        Ok(Ok(())) => State::Passed { inner: service::call(&mut service, request) },
                        Ok(Err(error)) => return Poll::Ready(Err(error)),
                        Err(rejected) => State::Refused { rejected, reject },
                    });
                }
                StateProject::Refused { rejected, reject } => {
                    let answer = reject.reject(*rejected);
                    state.set(State::Ended);
                    return Poll::Ready(answer);
                }
                StateProject::Ended => polled_after_end("plugin_ratelimit::HeldResponseFuture"),
            }
        }
    }
}

impl<S: Service<Req>, Req, R> fmt::Debug for HeldResponseFuture<S, Req, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldResponseFuture")
            .field("held", &matches!(self.state, State::Held { .. }))
            .finish_non_exhaustive()
    }
}
