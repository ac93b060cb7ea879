//! A response, or the end of the time for it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;

use super::{
    cut::{self, Cut, Part},
    polling,
    timer::Timer,
    waiting,
};
use crate::{Reject, Rejected, Sent, clock::Instant};

/// The time of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    pub(super) started: Instant,
    pub(super) deadline: Instant,
    /// Nanoseconds that the deadline was after its start, for the text of a refusal.
    pub(super) given: u64,
    /// Nanoseconds that the call may take as it was configured, whatever its caller allows.
    pub(super) allowed: u64,
}

impl Time {
    fn part(self) -> Part {
        Part { since: self.started, limit: self.allowed }
    }
}

pin_project! {
    /// The future of [`WithDeadline`](super::WithDeadline). Dropping it drops the call.
    pub struct ResponseFuture<F, R> {
        #[pin]
        inner: Option<F>,
        timer: Option<Timer>,
        time: Time,
        stage: Option<&'static str>,
        reject: R,
    }

    impl<F, R> PinnedDrop for ResponseFuture<F, R> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // Cut by a layer further out: what is in here has this layer's limit too.
            if this.inner.is_some() && cut::current().is_some() {
                cut::within(this.time.part(), || this.inner.set(None));
            }
        }
    }
}

impl<F, R> ResponseFuture<F, R> {
    /// `None`: the deadline had passed before the call.
    pub(super) fn new(inner: Option<F>, time: Time, reject: R) -> Self {
        let stage = if inner.is_some() { None } else { Some("before it was received") };
        Self { inner, timer: None, time, stage, reject }
    }

    pub(super) fn unlimited(inner: F, reject: R) -> Self {
        let time = Time { started: Instant::MAX, deadline: Instant::MAX, given: u64::MAX, allowed: u64::MAX };
        Self::new(Some(inner), time, reject)
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
        let time = *this.time;
        let mut sent = Sent::Nothing;
        if let Some(inner) = this.inner.as_mut().as_pin_mut() {
            if time.deadline == Instant::MAX {
                return inner.poll(cx);
            }
            let tell = |cell: &polling::Polling| {
                cell.limit(time.part());
                cell.enforced.set(time.deadline);
            };
            let (result, heard) = polling::listen(tell, || inner.poll(cx));
            if result.is_ready() {
                this.inner.set(None);
                return result;
            }
            *this.stage = heard.stage.or(*this.stage);
            if !waiting::is_due(this.timer, time.deadline, heard, cx) {
                return Poll::Pending;
            }
            let cut = Cut::of(time.part(), time.deadline);
            // The work stops now, not when the caller gets round to dropping this future.
            let progress = cut::drop_under(cut, || this.inner.set(None));
            *this.stage = progress.stage.or(*this.stage);
            sent = progress.sent;
            if cut.is_evidence() {
                let rejected = Rejected::deadline_exceeded(Duration::from_nanos(time.given), *this.stage);
                return Poll::Ready(this.reject.reject(rejected.with_sent(sent).as_evidence()));
            }
        }
        let rejected = Rejected::deadline_exceeded(Duration::from_nanos(time.given), *this.stage);
        Poll::Ready(this.reject.reject(rejected.with_sent(sent)))
    }
}

impl<F, R> fmt::Debug for ResponseFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("deadline", &self.time.deadline).finish_non_exhaustive()
    }
}
