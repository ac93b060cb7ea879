//! The response of the inner service, or a refusal that was decided in `call`.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::Reject;
use crate::{Rejected, polled_after_end, readiness};

pin_project! {
    /// The future of a layer that refuses in `call` or passes the request on. Dropping it drops the call.
    #[must_use = "a future does nothing until it is polled"]
    pub struct RejectFuture<F, R> {
        #[pin]
        state: RejectState<F, R>,
    }
}

pin_project! {
    #[project = StateProject]
    enum RejectState<F, R> {
        Passed { #[pin] inner: F },
        Refused { rejected: Rejected, reject: R },
        Ended,
    }
}

impl<F, R> RejectFuture<F, R> {
    /// The future of a request that was admitted, which `call` passes on, or that `reject` answers. What was polled ready
    /// for one that is refused is said to be [unused](readiness::unused).
    #[inline]
    pub fn admit(admitted: Result<(), Rejected>, call: impl FnOnce() -> F, reject: &R) -> Self
    where
        R: Clone,
    {
        match admitted {
            Ok(()) => Self { state: RejectState::Passed { inner: call() } },
            Err(rejected) => {
                readiness::unused();
                Self { state: RejectState::Refused { rejected, reject: reject.clone() } }
            }
        }
    }
}

impl<F, R, Res, Err> Future for RejectFuture<F, R>
where
    F: Future<Output = Result<Res, Err>>,
    R: Reject<Res, Err>,
{
    type Output = Result<Res, Err>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        // One answer at one place, which stays where it was written.
        let polled = match state.as_mut().project() {
            StateProject::Passed { inner } => inner.poll(cx),
            StateProject::Refused { rejected, reject } => Poll::Ready(reject.reject(*rejected)),
            StateProject::Ended => polled_after_end("plugin_core::RejectFuture"),
        };
        if polled.is_ready() {
            state.set(RejectState::Ended);
        }
        polled
    }
}

impl<F, R> fmt::Debug for RejectFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RejectFuture");
        if let RejectState::Refused { rejected, .. } = &self.state {
            debug.field("refused", rejected);
        }
        debug.finish_non_exhaustive()
    }
}
