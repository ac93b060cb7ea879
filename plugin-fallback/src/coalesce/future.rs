//! One caller of a call that may have others.

use std::{
    fmt,
    future::Future,
    hash::Hash,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::{
    Shareable,
    shared_call::{Seen, SharedCall, Work},
    shared_calls::SharedCalls,
};
use plugin_core::{polled_after_end, sync::Lease};

/// A caller of a shared call. Dropped, it is gone; the last one takes the call with it.
pub struct Caller<K: Hash + Eq, Res, Err> {
    shared: Lease<SharedCalls<K, Res, Err>>,
    key: K,
    shared_call: Arc<SharedCall<Res, Err>>,
    place: usize,
}

/// Held while foreign code of the call runs: dropped, that code has panicked, and the other callers are told.
struct Running<'a, K: Hash + Eq, Res, Err> {
    shared: &'a SharedCalls<K, Res, Err>,
    key: &'a K,
    shared_call: &'a Arc<SharedCall<Res, Err>>,
}

impl<K: Hash + Eq, Res, Err> Drop for Running<'_, K, Res, Err> {
    fn drop(&mut self) {
        self.shared.remove(self.key, self.shared_call);
        self.shared_call.panicked();
    }
}

impl<K: Hash + Eq, Res, Err> Caller<K, Res, Err> {
    pub(super) fn new(
        shared: Lease<SharedCalls<K, Res, Err>>,
        key: K,
        shared_call: Arc<SharedCall<Res, Err>>,
        place: usize,
    ) -> Self {
        Self { shared, key, shared_call, place }
    }

    /// Makes the call, as its first caller.
    pub(super) fn lead(&self, make: impl FnOnce() -> Work<Res, Err>) {
        let running = Running { shared: &self.shared, key: &self.key, shared_call: &self.shared_call };
        let work = self.shared_call.make(make);
        std::mem::forget(running);
        self.shared_call.start(work);
    }
}

// Nothing in it is pinned: the call itself is boxed.
impl<K: Hash + Eq, Res, Err> Unpin for Caller<K, Res, Err> {}

impl<K: Hash + Eq, Res: Clone, Err: Shareable> Future for Caller<K, Res, Err> {
    type Output = Result<Res, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Res, Err>> {
        let this = self.get_mut();
        let running = Running { shared: &this.shared, key: &this.key, shared_call: &this.shared_call };
        let seen = this.shared_call.poll(this.place, cx);
        std::mem::forget(running);
        match seen {
            Seen::Pending => Poll::Pending,
            Seen::Panicked => Poll::Ready(Err(Err::panicked())),
            Seen::Alone(result) => {
                this.shared.remove(&this.key, &this.shared_call);
                Poll::Ready(result)
            }
            Seen::Shared { result, drove } => {
                if drove {
                    this.shared.remove(&this.key, &this.shared_call);
                }
                Poll::Ready(match &*result {
                    Ok(response) => Ok(response.clone()),
                    Err(error) => Err(Err::share(error)),
                })
            }
        }
    }
}

impl<K: Hash + Eq, Res, Err> Drop for Caller<K, Res, Err> {
    fn drop(&mut self) {
        if self.shared_call.leave(self.place) {
            self.shared.remove(&self.key, &self.shared_call);
        }
    }
}

impl<K: Hash + Eq, Res, Err> fmt::Debug for Caller<K, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("place", &self.place).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Coalesce`](super::Coalesce). The call goes on without it while it has other callers; dropped as
    /// the last of them, it drops the call.
    #[must_use = "a future does nothing until it is polled"]
    pub struct CoalesceFuture<F, W> {
        // A call that is not shared.
        #[pin]
        alone: Option<F>,
        // A caller of one that is, and how long it waits.
        #[pin]
        waiting: Option<W>,
    }
}

impl<F, W> CoalesceFuture<F, W> {
    pub(super) fn alone(call: F) -> Self {
        Self { alone: Some(call), waiting: None }
    }

    pub(super) fn shared(waiting: W) -> Self {
        Self { alone: None, waiting: Some(waiting) }
    }
}

impl<F, W> Future for CoalesceFuture<F, W>
where
    F: Future,
    W: Future<Output = F::Output>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(alone) = this.alone.as_mut().as_pin_mut() {
            let result = alone.poll(cx);
            if result.is_ready() {
                this.alone.set(None);
            }
            return result;
        }
        let Some(waiting) = this.waiting.as_mut().as_pin_mut() else {
            polled_after_end("plugin_fallback::coalesce::CoalesceFuture");
        };
        let result = waiting.poll(cx);
        if result.is_ready() {
            this.waiting.set(None);
        }
        result
    }
}

impl<F, W> fmt::Debug for CoalesceFuture<F, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoalesceFuture").field("shared", &self.alone.is_none()).finish_non_exhaustive()
    }
}
