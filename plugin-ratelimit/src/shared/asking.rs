//! A question to Redis that a call waits for.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use plugin_core::{
    Rejected,
    deadline::{cut, waiting},
};

/// What a call waits for.
const WAITING: &str = "waiting for the shared limit";

pin_project! {
    /// A decision that is waited for. It says at its end, if that comes too early, that the call was held on this side.
    pub(super) struct Asking<F> {
        #[pin]
        decision: F,
        is_waiting: bool,
    }

    impl<F> PinnedDrop for Asking<F> {
        fn drop(this: Pin<&mut Self>) {
            if *this.project().is_waiting {
                cut::report_held(WAITING);
            }
        }
    }
}

impl<F> Asking<F> {
    pub(super) fn new(decision: F) -> Self {
        Self { decision, is_waiting: false }
    }
}

impl<F: Future<Output = Result<(), Rejected>>> Future for Asking<F> {
    type Output = Result<(), Rejected>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = this.decision.poll(cx);
        *this.is_waiting = polled.is_pending();
        if *this.is_waiting {
            waiting::note(WAITING);
        }
        polled
    }
}
