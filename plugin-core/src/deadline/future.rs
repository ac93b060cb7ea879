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
    cut::{AttemptTime, Part},
    due::{self, Alarm, Due},
    end,
    limit::duration,
    note::Note,
    polling,
};
use crate::{Reject, Rejected, Sent, clock::Instant, polled_after_end};

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
        let whole = polling::whole(self.deadline, self.given, self.allowed);
        Part { since: self.since, limit: self.allowed, whole }
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
enum CallStage {
    /// It was made, and not yet seen waiting.
    Made,
    Waits,
    /// Its deadline had passed before.
    NotMade,
    Ended,
}

pin_project! {
    /// The future of [`Deadline`](super::Deadline). Dropping it drops the call.
    ///
    /// # Panics
    ///
    /// When it is polled after it has ended.
    #[must_use = "a future does nothing until it is polled"]
    pub struct DeadlineFuture<F, R> {
        #[pin]
        inner: Option<F>,
        timer: Option<Alarm>,
        time: Time,
        stage: Option<&'static str>,
        phase: CallStage,
        reject: R,
    }

    impl<F, R> PinnedDrop for DeadlineFuture<F, R> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            end::drop_call(this.inner, || this.time.part());
        }
    }
}

impl<F, R> DeadlineFuture<F, R> {
    /// `None`: the deadline had passed before the call.
    #[inline]
    pub(super) fn new(inner: Option<F>, time: Time, reject: R) -> Self {
        let phase = if inner.is_some() { CallStage::Made } else { CallStage::NotMade };
        Self { inner, timer: None, time, stage: None, phase, reject }
    }

    pub(super) fn unlimited(inner: F, reject: R) -> Self {
        // Of a cut that comes from further out the later beginning is told inside, so that this one changes nothing.
        let time = Time { since: Instant::ZERO, deadline: Instant::MAX, given: u64::MAX, allowed: u64::MAX };
        Self::new(Some(inner), time, reject)
    }
}

impl<F, R, Res, Err> Future for DeadlineFuture<F, R>
where
    F: Future<Output = Result<Res, Err>>,
    R: Reject<Res, Err>,
{
    type Output = Result<Res, Err>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(self.not_made());
        };
        if this.time.deadline != Instant::MAX {
            return self.poll_limited(cx);
        }
        let polled = inner.poll(cx);
        if polled.is_ready() {
            this.inner.set(None);
            *this.phase = CallStage::Ended;
        }
        polled
    }
}

impl<F, R> DeadlineFuture<F, R> {
    #[cold]
    fn not_made<Res, Err>(self: Pin<&mut Self>) -> Result<Res, Err>
    where
        R: Reject<Res, Err>,
    {
        let this = self.project();
        if *this.phase == CallStage::Ended {
            polled_after_end("plugin_core::deadline::DeadlineFuture");
        }
        *this.phase = CallStage::Ended;
        let late = Rejected::deadline_exceeded(this.time.given(), Some("before it was received"));
        this.reject.reject(late.with_sent(Sent::Nothing))
    }

    /// Gives back what it has polled, and nothing else, at one place: an answer then stays where it was written.
    #[inline]
    fn poll_limited<Res, Err>(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Res, Err>>
    where
        F: Future<Output = Result<Res, Err>>,
        R: Reject<Res, Err>,
    {
        let mut this = self.as_mut().project();
        let time = *this.time;
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Pending };
        let listening = polling::listening(|cell| {
            cell.limit_call(time.part());
            cell.enforced.set(time.deadline);
        });
        let mut polled = inner.poll(cx);
        let heard = listening.heard(polled.is_pending());
        if polled.is_ready() {
            this.inner.set(None);
            *this.phase = CallStage::Ended;
        } else if let Some(rejected) = self.as_mut().late(heard, cx) {
            polled = Poll::Ready(self.project().reject.reject(rejected));
        }
        polled
    }

    /// The refusal, if the time of what waits is up.
    fn late(self: Pin<&mut Self>, mut heard: Note, cx: &mut Context<'_>) -> Option<Rejected> {
        let this = self.project();
        if *this.phase == CallStage::Made {
            *this.phase = CallStage::Waits;
            this.time.since = end::seen_waiting(&mut heard);
        }
        *this.stage = heard.stage.or(*this.stage);
        let due = due::is_due(this.timer, this.time.since, this.time.deadline, heard, cx);
        if due == Due::NotYet {
            return None;
        }
        *this.phase = CallStage::Ended;
        Some(end::end(this.inner, &this.time.whole(), *this.stage, due))
    }
}

impl<F, R> fmt::Debug for DeadlineFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineFuture").field("deadline", &self.time.deadline).finish_non_exhaustive()
    }
}
