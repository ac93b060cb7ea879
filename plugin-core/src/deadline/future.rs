//! A response, or the end of the time for it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::waiting::{self, Note};
use crate::{
    Reject, Rejected,
    clock::{self, Instant},
};

pin_project! {
    /// The future of [`WithDeadline`](super::WithDeadline). Dropping it drops the call.
    pub struct ResponseFuture<F, R> {
        #[pin]
        inner: Option<F>,
        timer: Option<Pin<Box<Sleep>>>,
        given: Duration,
        deadline: Instant,
        stage: Option<&'static str>,
        reject: R,
    }
}

impl<F, R> ResponseFuture<F, R> {
    pub(super) fn new(inner: F, given: Duration, deadline: Instant, reject: R) -> Self {
        Self { inner: Some(inner), timer: None, given, deadline, stage: None, reject }
    }

    /// The deadline had passed before the call.
    pub(super) fn refused(given: Duration, deadline: Instant, reject: R) -> Self {
        Self { inner: None, timer: None, given, deadline, stage: Some("before it was received"), reject }
    }
}

impl<F, R, Res, Err> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Res, Err>>,
    R: Reject<Res, Err>,
{
    type Output = Result<Res, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(inner) = this.inner.as_mut().as_pin_mut() {
            if *this.deadline == Instant::MAX {
                return inner.poll(cx);
            }
            let (result, heard) = waiting::listen(|| inner.poll(cx));
            if result.is_ready() {
                return result;
            }
            *this.stage = heard.stage.or(*this.stage);
            if !is_due(this.timer, *this.deadline, heard, cx) {
                return Poll::Pending;
            }
            // The work stops now, not when the caller gets round to dropping this future.
            this.inner.set(None);
        }
        Poll::Ready(this.reject.reject(Rejected::deadline_exceeded(*this.given, *this.stage)))
    }
}

/// Whether the deadline has passed; arms a timer unless an inner layer has one that fires no later.
fn is_due(timer: &mut Option<Pin<Box<Sleep>>>, deadline: Instant, heard: Note, cx: &mut Context<'_>) -> bool {
    if timer.is_none() {
        if heard.timer <= deadline {
            return false;
        }
        let now = clock::now();
        if deadline <= now {
            return true;
        }
        *timer = Some(Box::pin(tokio::time::sleep(deadline.saturating_since(now))));
    }
    waiting::enforcing(deadline);
    timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready())
}

impl<F, R> fmt::Debug for ResponseFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
