//! A call whose outcome is evidence.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use plugin_core::{
    Classify, End, ExpectedBody, Observe, Observer, Outcome, Verdict,
    classify::of_attempt,
    clock::Instant,
    deadline::{cut, waiting},
    polled_after_end,
    sync::Lease,
};

use super::handle::Passive;

/// A call that was passed on. Dropped before it has ended it is a failure where what it ran panicked, or the service had its time;
/// else it says nothing.
struct Sent {
    state: Lease<Passive>,
    /// When it was first seen waiting, which a cut is narrowed to.
    waiting_since: Option<Instant>,
    running: bool,
    ended: bool,
}

impl Drop for Sent {
    fn drop(&mut self) {
        let had_its_time =
            || self.waiting_since.zip(cut::current()).is_some_and(|(since, cut)| cut.of_part(since).is_evidence());
        if !self.ended && (self.running || had_its_time()) {
            self.state.failed();
        }
    }
}

pin_project! {
    /// The future of [`PassiveHealth`](crate::PassiveHealth). Dropping it drops the call.
    #[must_use = "a future does nothing until it is polled"]
    pub struct PassiveHealthFuture<F, C, O> {
        #[pin]
        inner: F,
        // After the future: the call lasts for as long as its work lives.
        sent: Option<Sent>,
        asked: ExpectedBody,
        classify: C,
        outcome: PhantomData<fn() -> O>,
    }
}

impl<F, C, O> PassiveHealthFuture<F, C, O> {
    pub(super) fn new(state: Lease<Passive>, call: impl FnOnce() -> F, asked: ExpectedBody, classify: C) -> Self {
        let mut sent = Sent { state, waiting_since: None, running: true, ended: false };
        let inner = call();
        sent.running = false;
        Self { inner, sent: Some(sent), asked, classify, outcome: PhantomData }
    }
}

impl<F, C, O, Res, Err> Future for PassiveHealthFuture<F, C, O>
where
    F: Future<Output = Result<Res, Err>>,
    C: Classify<Res, Err> + Clone + Send + 'static,
    O: Outcome<Res>,
    Res: 'static,
    Err: 'static,
{
    type Output = Result<Res, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(sent) = this.sent.as_mut() else { polled_after_end("plugin_health::PassiveHealthFuture") };
        sent.running = true;
        let polled = this.inner.poll(cx);
        sent.running = false;
        if polled.is_pending() {
            sent.waiting_since = sent.waiting_since.or_else(waiting::began);
        }
        let result = ready!(polled);
        let judged = of_attempt(this.classify, result.as_ref(), sent.waiting_since.unwrap_or(Instant::MAX));
        let Some(mut sent) = this.sent.take() else { return Poll::Ready(result) };
        Poll::Ready(match result {
            Ok(response) if judged.verdict() == Verdict::AtEnd => {
                let observe = BeingRead { sent, classify: this.classify.clone(), of: PhantomData::<fn(&Res, &Err)> };
                Ok(O::follow(response, *this.asked, Observer::new(observe)))
            }
            result => {
                sent.ended = true;
                sent.state.ended(&judged);
                result
            }
        })
    }
}

/// A call whose response has come and whose body is still read.
struct BeingRead<C, T> {
    sent: Sent,
    of: PhantomData<T>,
    classify: C,
}

impl<C, Res, Err> Observe for BeingRead<C, fn(&Res, &Err)>
where
    C: Classify<Res, Err> + Send + 'static,
    Res: 'static,
    Err: 'static,
{
    fn end(mut self: Box<Self>, end: End<'_>) {
        self.sent.ended = true;
        self.sent.state.ended(&self.classify.classify_end(end));
    }
}

impl<F, C, O> fmt::Debug for PassiveHealthFuture<F, C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PassiveHealthFuture").field("sent", &self.sent.is_some()).finish_non_exhaustive()
    }
}
