//! A decision that is made elsewhere, by Redis or by a rate limit service, and that a call waits for.

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

pin_project! {
    /// A decision that is waited for. It says at its end, if that comes too early, that the call was held on this side.
    pub(crate) struct Elsewhere<F> {
        #[pin]
        decision: F,
        // What the call waits for meanwhile.
        stage: &'static str,
        is_waiting: bool,
    }

    impl<F> PinnedDrop for Elsewhere<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if *this.is_waiting {
                cut::report_held(this.stage);
            }
        }
    }
}

impl<F> Elsewhere<F> {
    pub(crate) fn new(stage: &'static str, decision: F) -> Self {
        Self { decision, stage, is_waiting: false }
    }
}

impl<F: Future<Output = Result<(), Rejected>>> Future for Elsewhere<F> {
    type Output = Result<(), Rejected>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = this.decision.poll(cx);
        *this.is_waiting = polled.is_pending();
        if *this.is_waiting {
            waiting::note(this.stage);
        }
        polled
    }
}
