//! A kept answer, or a call whose answer may be kept.

use std::{
    fmt,
    future::Future,
    hash::Hash,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::handle::Store;
use plugin_core::{
    Classify, Verdict,
    clock::{self, Instant},
    polled_after_end,
    sync::Lease,
};

/// What is needed when the answer has come.
pub(super) struct KeepPlan<K, Res, C> {
    pub(super) shared: Lease<Store<K, Res>>,
    pub(super) key: K,
    /// When the call was made, and in which generation.
    pub(super) made: (Instant, u64),
    pub(super) classify: C,
    /// Whether a success may be kept.
    pub(super) keeps: fn(&Res) -> bool,
}

pin_project! {
    /// The future of [`Cache`](super::Cache). Dropping it drops the call; nothing is kept of it.
    #[must_use = "a future does nothing until it is polled"]
    pub struct CacheFuture<F, K, Res, C> {
        #[pin]
        inner: Option<F>,
        kept: Option<Res>,
        // `None` for a call that the cache has no part in.
        plan: Option<KeepPlan<K, Res, C>>,
    }
}

impl<F, K, Res, C> CacheFuture<F, K, Res, C> {
    pub(super) fn from_cache(response: Res) -> Self {
        Self { inner: None, kept: Some(response), plan: None }
    }

    pub(super) fn asking(call: F, plan: Option<KeepPlan<K, Res, C>>) -> Self {
        Self { inner: Some(call), kept: None, plan }
    }
}

impl<F, K, Res, Err, C> Future for CacheFuture<F, K, Res, C>
where
    F: Future<Output = Result<Res, Err>>,
    K: Hash + Eq + Send + Sync + 'static,
    Res: Clone + Send + Sync + 'static,
    C: Classify<Res, Err>,
{
    type Output = Result<Res, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            let Some(response) = this.kept.take() else { polled_after_end("plugin_fallback::cache::CacheFuture") };
            return Poll::Ready(Ok(response));
        };
        let outcome = ready!(inner.poll(cx));
        this.inner.set(None);
        let Some(KeepPlan { shared, key, made, classify, keeps }) = this.plan.take() else {
            return Poll::Ready(outcome);
        };
        let judged = classify.classify(outcome.as_ref());
        if judged.is_lost() {
            return Poll::Ready(shared.in_place_of_failure(&key, clock::now()).map_or(outcome, Ok));
        }
        if let (Verdict::Success, Ok(response)) = (judged.verdict(), &outcome)
            && keeps(response)
        {
            shared.keep(key, response.clone(), made, clock::now());
        }
        Poll::Ready(outcome)
    }
}

impl<F, K, Res, C> fmt::Debug for CacheFuture<F, K, Res, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheFuture").field("hit", &self.inner.is_none()).finish_non_exhaustive()
    }
}
