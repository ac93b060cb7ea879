//! Calls that are pending once: most calls of a program wait for something, and layers do more for those.

use std::fmt;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower_service::Service;

use super::case::{Batch, Case};
use super::group::{Group, wrong_answer};

impl Group {
    /// Adds a row for a service whose calls are pending, such as one over [`PendingOnce`]: like [`service`](Self::service), on a
    /// runtime of one thread which has timers and no sockets. A batch of calls is one task, so each call is polled twice and
    /// the runtime is gone through once.
    ///
    /// The row panics when a call fails.
    pub fn pending_once<S, Req, R>(&mut self, name: impl Into<String>, service: S, request: R) -> &mut Case
    where
        S: Service<Req, Error: fmt::Debug> + Clone + Send + 'static,
        R: Fn() -> Req + Clone + Send + 'static,
        Req: 'static,
    {
        let name = name.into();
        let row = name.clone();
        self.pending_case(name, move || {
            let (mut service, request, row) = (service.clone(), request.clone(), row.clone());
            async move || {
                let call = async {
                    poll_fn(|cx| service.poll_ready(cx)).await?;
                    service.call(black_box(request())).await
                };
                call.await.unwrap_or_else(|error| wrong_answer(&row, &format!("failed with {error:?}")))
            }
        })
    }

    /// Likewise for any code: `factory` is called once for the single-thread run and once for each of the two threads.
    pub fn pending_case<F, T>(&mut self, name: impl Into<String>, factory: impl Fn() -> F + 'static) -> &mut Case
    where
        F: AsyncFnMut() -> T + Send + 'static,
    {
        self.batches(name.into(), move || -> Batch {
            let mut call = factory();
            // Sockets would add a system call to each wake.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            Box::new(move |calls| {
                runtime.block_on(async {
                    for _ in 0..calls {
                        black_box(call().await);
                    }
                });
            })
        })
    }
}

/// Answers as the service within does, and lets each call be pending once, which wakes itself.
#[derive(Debug, Clone, Copy)]
pub struct PendingOnce<S>(pub S);

impl<Req, S> Service<Req> for PendingOnce<S>
where
    S: Service<Req, Future: Unpin>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = SecondPoll<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        SecondPoll { inner: self.0.call(request), polled: false }
    }
}

/// The future of [`PendingOnce`].
#[derive(Debug)]
pub struct SecondPoll<F> {
    inner: F,
    polled: bool,
}

impl<F: Future + Unpin> Future for SecondPoll<F> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if std::mem::replace(&mut self.polled, true) {
            return Pin::new(&mut self.inner).poll(cx);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;
    use crate::harness::{Echo, echo};

    #[test]
    fn each_call_is_polled_twice_and_as_many_are_made_as_were_told() {
        /// Counts how often its futures are polled.
        #[derive(Clone)]
        struct Counting(Arc<AtomicU64>, PendingOnce<Echo>);
        impl Service<u64> for Counting {
            type Response = u64;
            type Error = Infallible;
            type Future = Pin<Box<dyn Future<Output = Result<u64, Infallible>> + Send>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: u64) -> Self::Future {
                let (polls, mut inner) = (Arc::clone(&self.0), self.1.call(request));
                Box::pin(poll_fn(move |cx| {
                    polls.fetch_add(1, Relaxed);
                    Pin::new(&mut inner).poll(cx)
                }))
            }
        }
        let polls = Arc::new(AtomicU64::new(0));
        let mut group = Group::new("g", "");
        group.pending_once("row", Counting(Arc::clone(&polls), PendingOnce(echo())), || 1);
        group.cases()[0].build()(10);
        assert_eq!(polls.load(Relaxed), 20);
    }

    #[test]
    #[should_panic(expected = "row `closed`: a call failed with \"no\"")]
    fn a_call_that_fails_is_a_clear_failure() {
        let mut group = Group::new("g", "");
        group.pending_once("closed", tower::service_fn(|()| async { Err::<(), _>("no") }), || ());
        group.cases()[0].build()(1);
    }
}
