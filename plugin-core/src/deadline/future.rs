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
    cut::{self, AttemptTime, Part, Progress},
    layer::duration,
    polling,
    timer::Timer,
    waiting,
};
use crate::{
    Reject, Rejected, Sent,
    clock::{self, Instant},
    polled_after_end,
};

/// The time of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    /// When it began: when the request did, until the call is first seen waiting. What was before, such as a body that was
    /// read, was nobody's time further in.
    pub(super) since: Instant,
    pub(super) deadline: Instant,
    /// Nanoseconds that the deadline was after its start, for the text of a refusal.
    pub(super) given: u64,
    /// Nanoseconds that the call may take as it was configured, whatever its caller allows.
    pub(super) allowed: u64,
}

impl Time {
    fn part(self) -> Part {
        Part { since: self.since, limit: self.allowed }
    }

    fn given(self) -> Duration {
        Duration::from_nanos(self.given)
    }

    /// The same for the rule of its end: a call is one attempt that has no limit of its own.
    fn whole(self) -> AttemptTime {
        AttemptTime::new(self.since)
            .with_deadline(Some(self.deadline), self.given())
            .with_configured(duration(self.allowed))
    }
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// It was made, and not yet seen waiting.
    Made,
    Waits,
    /// Its deadline had passed before.
    NotMade,
    Ended,
}

pin_project! {
    /// The future of [`WithDeadline`](super::WithDeadline). Dropping it drops the call.
    ///
    /// # Panics
    ///
    /// When it is polled after it has ended.
    pub struct ResponseFuture<F, R> {
        #[pin]
        inner: Option<F>,
        timer: Option<Timer>,
        time: Time,
        stage: Option<&'static str>,
        course: Course,
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
        let course = if inner.is_some() { Course::Made } else { Course::NotMade };
        Self { inner, timer: None, time, stage: None, course, reject }
    }

    pub(super) fn unlimited(inner: F, reject: R) -> Self {
        // Of a cut that comes from further out the later beginning is told inside, so that this one changes nothing.
        let time = Time { since: Instant::ZERO, deadline: Instant::MAX, given: u64::MAX, allowed: u64::MAX };
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
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            if *this.course == Course::Ended {
                polled_after_end("plugin_core::deadline::ResponseFuture");
            }
            *this.course = Course::Ended;
            let late = Rejected::deadline_exceeded(time.given(), Some("before it was received"));
            return Poll::Ready(this.reject.reject(late.with_sent(Sent::Nothing)));
        };
        if time.deadline == Instant::MAX {
            let result = inner.poll(cx);
            if result.is_ready() {
                this.inner.set(None);
                *this.course = Course::Ended;
            }
            return result;
        }
        let tell = |cell: &polling::Polling| {
            cell.limit(time.part());
            cell.enforced.set(time.deadline);
        };
        let (result, mut heard) = polling::listen(tell, || inner.poll(cx));
        if result.is_ready() {
            this.inner.set(None);
            *this.course = Course::Ended;
            return result;
        }
        if *this.course == Course::Made {
            *this.course = Course::Waits;
            this.time.since = heard.now.unwrap_or_else(clock::now);
            heard.now = Some(this.time.since);
            waiting::read(this.time.since);
        }
        *this.stage = heard.stage.or(*this.stage);
        if !waiting::is_due(this.timer, time.deadline, heard, cx) {
            return Poll::Pending;
        }
        *this.course = Course::Ended;
        let ends = this.time.whole();
        // The work stops now, not when the caller gets round to dropping this future.
        let progress = cut::drop_under(ends.cut(), || this.inner.set(None));
        let stage = progress.stage.or(*this.stage);
        Poll::Ready(this.reject.reject(ends.refusal_of(Progress { stage, ..progress })))
    }
}

impl<F, R> fmt::Debug for ResponseFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("deadline", &self.time.deadline).finish_non_exhaustive()
    }
}
