//! The response future of a throttle.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use plugin_core::{
    Classify, Reject, RejectFuture, Rejected,
    classify::of_attempt,
    clock::Instant,
    deadline::{cut, waiting},
};

use super::state::ThrottleState;

pin_project! {
    /// The future of [`AdaptiveThrottle`](super::AdaptiveThrottle). Dropping it drops the call.
    #[must_use = "a future does nothing until it is polled"]
    pub struct AdaptiveThrottleFuture<F, C, R> {
        #[pin]
        inner: RejectFuture<F, R>,
        sent: Option<Sent>,
        classify: C,
    }
}

/// A request that was passed on. Dropped, it counts as one that was accepted, unless the service turned it away or had its time.
struct Sent {
    state: Arc<ThrottleState>,
    turned_away: bool,
    /// When it was first seen waiting, which a cut is narrowed to.
    waiting_since: Option<Instant>,
}

impl Drop for Sent {
    fn drop(&mut self) {
        let had_its_time =
            self.waiting_since.zip(cut::current()).is_some_and(|(since, cut)| cut.of_part(since).is_evidence());
        self.state.ended(!self.turned_away && !had_its_time);
    }
}

impl<F, C, R> AdaptiveThrottleFuture<F, C, R> {
    #[inline]
    pub(super) fn admit(
        admitted: Result<(), Rejected>,
        call: impl FnOnce() -> F,
        state: &Arc<ThrottleState>,
        classify: &C,
        reject: &R,
    ) -> Self
    where
        C: Clone,
        R: Clone,
    {
        let sent = admitted.is_ok().then(|| Sent { state: Arc::clone(state), turned_away: false, waiting_since: None });
        Self { inner: RejectFuture::admit(admitted, call, reject), sent, classify: classify.clone() }
    }
}

impl<F, C, R, Res, Err> Future for AdaptiveThrottleFuture<F, C, R>
where
    F: Future<Output = Result<Res, Err>>,
    C: Classify<Res, Err>,
    R: Reject<Res, Err>,
{
    type Output = Result<Res, Err>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = this.inner.poll(cx);
        if polled.is_pending()
            && let Some(sent) = this.sent
        {
            sent.waiting_since = sent.waiting_since.or_else(waiting::began);
        }
        let result = ready!(polled);
        if let Some(mut sent) = this.sent.take() {
            let judged = of_attempt(this.classify, result.as_ref(), sent.waiting_since.unwrap_or(Instant::MAX));
            sent.turned_away = judged.is_overload();
        }
        Poll::Ready(result)
    }
}

impl<F, C, R> fmt::Debug for AdaptiveThrottleFuture<F, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveThrottleFuture").field("sent", &self.sent.is_some()).finish_non_exhaustive()
    }
}
