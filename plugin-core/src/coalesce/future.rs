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
    ShareError,
    flight::{Flight, Seen, Work},
    layer::Shared,
};
use crate::Lease;

/// A caller of a shared call. Dropped, it is gone; the last one takes the call with it.
pub(super) struct Caller<K: Hash + Eq, Res, Err> {
    shared: Lease<Shared<K, Res, Err>>,
    key: K,
    flight: Arc<Flight<Res, Err>>,
    place: Option<usize>,
}

/// Held while foreign code of the call runs: dropped, that code has panicked, and the other callers are told.
struct Running<'a, K: Hash + Eq, Res, Err> {
    shared: &'a Shared<K, Res, Err>,
    key: &'a K,
    flight: &'a Arc<Flight<Res, Err>>,
}

impl<K: Hash + Eq, Res, Err> Drop for Running<'_, K, Res, Err> {
    fn drop(&mut self) {
        self.shared.remove(self.key, self.flight);
        self.flight.panicked();
    }
}

impl<K: Hash + Eq, Res, Err> Caller<K, Res, Err> {
    pub(super) fn new(shared: Lease<Shared<K, Res, Err>>, key: K, flight: Arc<Flight<Res, Err>>) -> Self {
        Self { shared, key, flight, place: None }
    }

    /// Makes the call, as its first caller.
    pub(super) fn lead(&self, make: impl FnOnce() -> Work<Res, Err>) {
        let running = Running { shared: &self.shared, key: &self.key, flight: &self.flight };
        let work = self.flight.make(make);
        std::mem::forget(running);
        self.flight.start(work);
    }
}

impl<K: Hash + Eq, Res: Clone, Err: ShareError> Caller<K, Res, Err> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Res, Err>> {
        let running = Running { shared: &self.shared, key: &self.key, flight: &self.flight };
        let seen = self.flight.poll(&mut self.place, cx);
        std::mem::forget(running);
        match seen {
            Seen::Pending => Poll::Pending,
            Seen::Panicked => Poll::Ready(Err(Err::panicked())),
            Seen::Alone(result) => {
                self.shared.remove(&self.key, &self.flight);
                Poll::Ready(result)
            }
            Seen::Shared { result, drove } => {
                if drove {
                    self.shared.remove(&self.key, &self.flight);
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
        if self.flight.leave(self.place) {
            self.shared.remove(&self.key, &self.flight);
        }
    }
}

pin_project! {
    /// The future of [`Coalesce`](super::Coalesce). The call goes on without it while it has other callers; dropped as
    /// the last of them, it drops the call.
    pub struct ResponseFuture<F, K, Res, Err>
    where
        K: Hash,
        K: Eq,
    {
        // A call that is not shared.
        #[pin]
        alone: Option<F>,
        caller: Option<Caller<K, Res, Err>>,
    }
}

impl<F, K: Hash + Eq, Res, Err> ResponseFuture<F, K, Res, Err> {
    pub(super) fn alone(call: F) -> Self {
        Self { alone: Some(call), caller: None }
    }

    pub(super) fn shared(caller: Caller<K, Res, Err>) -> Self {
        Self { alone: None, caller: Some(caller) }
    }
}

impl<F, K, Res, Err> Future for ResponseFuture<F, K, Res, Err>
where
    F: Future<Output = Result<Res, Err>>,
    K: Hash + Eq,
    Res: Clone,
    Err: ShareError,
{
    type Output = Result<Res, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(alone) = this.alone.as_pin_mut() {
            return alone.poll(cx);
        }
        let Some(caller) = this.caller else { panic!("a call was polled after it had ended") };
        let result = caller.poll(cx);
        if result.is_ready() {
            *this.caller = None;
        }
        result
    }
}

impl<F, K: Hash + Eq, Res, Err> fmt::Debug for ResponseFuture<F, K, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("shared", &self.alone.is_none()).finish_non_exhaustive()
    }
}
