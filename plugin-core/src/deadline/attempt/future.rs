//! The future of an attempt.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    Reject, Rejected,
    clock::Instant,
    deadline::{
        attempt_limit,
        cut::{AttemptTime, Part},
        due::{self, Alarm, Due},
        end,
        limit::duration,
        note::Note,
        polling,
        request::{Deadlined, Times},
        waiting,
    },
    polled_after_end,
};

/// What an attempt waits for when nobody further in knows more.
const WAITING: &str = "waiting for the answer";

pin_project! {
    /// The future of [`AttemptTimeout`](crate::deadline::AttemptTimeout). Dropping it drops the call.
    #[must_use = "a future does nothing until it is polled"]
    pub struct AttemptTimeoutFuture<F, R> {
        #[pin]
        inner: Option<F>,
        timer: Option<Alarm>,
        // When the attempt began: when the request did, until it is first seen waiting.
        since: Instant,
        // When its time is up; zero until it is first seen waiting.
        fires: Instant,
        deadline: Instant,
        given: u64,
        limit: u64,
        // The configured timeout of the call, for the rule.
        configured: u64,
        reject: R,
    }

    impl<F, R> PinnedDrop for AttemptTimeoutFuture<F, R> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let part = || part(*this.since, *this.limit, *this.deadline, *this.given, *this.configured);
            end::drop_limited(this.inner, part);
        }
    }
}

/// An attempt, as a part of what is polled or dropped.
#[inline]
fn part(since: Instant, limit: u64, deadline: Instant, given: u64, configured: u64) -> Part {
    let own_end = Instant::from_nanos(since.as_nanos().saturating_add(limit));
    let whole = own_end.min(polling::whole(deadline, given, configured));
    Part { since, limit: limit.min(configured), whole }
}

impl<F, R> AttemptTimeoutFuture<F, R> {
    /// A function of its own, without anything that must be undone when the call panics: the future of the call is then
    /// written where it stays, and not copied there.
    #[inline]
    pub(super) fn begin<S, Req>(service: &mut S, request: Req, limit: u64, reject: R) -> Self
    where
        S: Service<Req, Future = F>,
        Req: Deadlined,
    {
        let since = request.started();
        let Times { deadline, given, configured } = request.times(since);
        let inner = Some(crate::service::call(service, request));
        Self { inner, timer: None, since, fires: Instant::ZERO, deadline, given, limit, configured, reject }
    }
}

impl<F, R, Res, Err> Future for AttemptTimeoutFuture<F, R>
where
    F: Future<Output = Result<Res, Err>>,
    R: Reject<Res, Err>,
{
    type Output = Result<Res, Err>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            polled_after_end("plugin_core::deadline::AttemptTimeoutFuture");
        };
        if *this.limit != u64::MAX || *this.deadline != Instant::MAX {
            return self.poll_limited(cx);
        }
        let _told = attempt_limit::limiting(u64::MAX);
        let polled = inner.poll(cx);
        if polled.is_ready() {
            this.inner.set(None);
        }
        polled
    }
}

impl<F, R> AttemptTimeoutFuture<F, R> {
    /// Gives back what it has polled, and nothing else, at one place: an answer then stays where it was written.
    #[inline]
    fn poll_limited<Res, Err>(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Res, Err>>
    where
        F: Future<Output = Result<Res, Err>>,
        R: Reject<Res, Err>,
    {
        let mut this = self.as_mut().project();
        let part = part(*this.since, *this.limit, *this.deadline, *this.given, *this.configured);
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Pending };
        let listening = polling::listening(|cell| {
            cell.limit(part);
            cell.limit_attempt(*this.limit);
            // A layer further out may enforce an earlier one.
            cell.enforced.set(cell.enforced.get().min(*this.deadline));
        });
        let mut polled = inner.poll(cx);
        let heard = listening.heard(polled.is_pending());
        if polled.is_ready() {
            this.inner.set(None);
        } else if let Some(rejected) = self.as_mut().late(heard, cx) {
            polled = Poll::Ready(self.project().reject.reject(rejected));
        }
        polled
    }

    /// The refusal, if the time of what waits is up.
    fn late(self: Pin<&mut Self>, mut heard: Note, cx: &mut Context<'_>) -> Option<Rejected> {
        let this = self.project();
        if *this.fires == Instant::ZERO {
            *this.since = end::seen_waiting(&mut heard);
            *this.fires = Instant::from_nanos(this.since.as_nanos().saturating_add(*this.limit)).min(*this.deadline);
        }
        waiting::note(WAITING);
        let due = due::is_due(this.timer, *this.since, *this.fires, heard, cx);
        if due == Due::NotYet {
            return None;
        }
        let time = AttemptTime::new(*this.since)
            .with_limit(duration(*this.limit))
            .with_deadline(
                (*this.deadline != Instant::MAX).then_some(*this.deadline),
                Duration::from_nanos(*this.given),
            )
            .with_configured(duration(*this.configured));
        Some(end::end(this.inner, &time, heard.stage.or(Some(WAITING)), due))
    }
}

impl<F, R> fmt::Debug for AttemptTimeoutFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptTimeoutFuture").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
