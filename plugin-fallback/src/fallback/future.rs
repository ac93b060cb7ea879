//! A call, and what is answered where it fails.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{FallbackAnswer, counted_answer::CountedAnswer};
use plugin_core::{
    Classify, Sent,
    classify::Amendment,
    clock::{self, Instant},
    deadline::cut,
    polled_after_end,
    sync::Lease,
};

/// What is needed when the call fails.
pub(super) struct FallbackPlan<I, K, C> {
    pub(super) shared: Lease<CountedAnswer<I>>,
    pub(super) saved: K,
    pub(super) classify: C,
}

pin_project! {
    /// The future of [`Fallback`](super::Fallback). Dropping it drops the call, or the fallback that runs in its place.
    #[must_use = "a future does nothing until it is polled"]
    pub struct FallbackFuture<Req, F, G, I, K, C> {
        // `None` once it has ended.
        #[pin]
        inner: Option<F>,
        #[pin]
        other: Option<G>,
        // When the fallback began, which the time of the call is not to be held against.
        began: Instant,
        // The call that failed before the fallback may have been sent: who says so of what the fallback answers.
        sent: Option<C>,
        // `None` when the fallback is switched off, and once the call has ended.
        plan: Option<FallbackPlan<I, K, C>>,
        of: PhantomData<fn(Req)>,
    }

    impl<Req, F, G, I, K, C> PinnedDrop for FallbackFuture<Req, F, G, I, K, C> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.other.is_some() && cut::current().is_some() {
                // Cut in the fallback: the call that failed before it may have been sent.
                if this.sent.is_some() {
                    cut::sent_before();
                }
                cut::narrow(*this.began, || this.other.set(None));
            }
        }
    }
}

impl<Req, F, G, I, K, C> FallbackFuture<Req, F, G, I, K, C> {
    pub(super) fn new(inner: F, plan: Option<FallbackPlan<I, K, C>>) -> Self {
        Self { inner: Some(inner), other: None, began: Instant::ZERO, sent: None, plan, of: PhantomData }
    }
}

impl<Req, F, G, I, K, C, Res, Err> Future for FallbackFuture<Req, F, G, I, K, C>
where
    F: Future<Output = Result<Res, Err>>,
    G: Future<Output = Result<Res, Err>>,
    I: FallbackAnswer<Req, Res, Err, Kept = K, Future = G>,
    C: Classify<Res, Err>,
{
    type Output = Result<Res, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(inner) = this.inner.as_mut().as_pin_mut() {
            let outcome = ready!(inner.poll(cx));
            // What the call held, such as a permit, is given back before the fallback begins.
            this.inner.set(None);
            let plan = this.plan.take();
            let lost = plan.map(|plan| (plan.classify.classify(outcome.as_ref()), plan));
            let Some((judged, plan)) = lost.filter(|(judged, _)| judged.is_lost()) else {
                return Poll::Ready(outcome);
            };
            *this.began = clock::now();
            this.other.set(Some(plan.shared.used().answer(plan.saved, outcome)));
            *this.sent = (judged.sent() != Sent::Nothing).then_some(plan.classify);
        }
        let Some(other) = this.other.as_mut().as_pin_mut() else {
            polled_after_end("plugin_fallback::FallbackFuture");
        };
        let mut outcome = ready!(cut::narrow(*this.began, || other.poll(cx)));
        this.other.set(None);
        if let Some(classify) = this.sent.take() {
            classify.amend(&mut outcome, Amendment::sent());
        }
        Poll::Ready(outcome)
    }
}

impl<Req, F, G, I, K, C> fmt::Debug for FallbackFuture<Req, F, G, I, K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackFuture").field("fallback", &self.other.is_some()).finish_non_exhaustive()
    }
}
