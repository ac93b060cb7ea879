//! The future: an attempt, a wait, another attempt.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use plugin_core::{
    ByErrorType, Classify, Sent,
    classify::of_attempt,
    clock::Instant,
    deadline::{
        cut,
        timer::{self, Timer},
        waiting,
    },
    polled_after_end, readiness,
};
use tower_service::Service;

use crate::{
    ByRequest, GaveUp, Replay,
    attempts::{CallAttempts, Next, answer},
};

pin_project! {
    /// The future of [`Retry`](crate::Retry). Dropping it drops the attempt that runs, and starts no other; what an
    /// attempt that did not begin would have cost goes back to the budget.
    #[must_use = "a future does nothing until it is polled"]
    pub struct RetryFuture<S, Req, C = ByErrorType, K = ByRequest>
    where
        S: Service<Req>,
        K: Replay<Req>,
    {
        #[pin]
        stage: Stage<S, Req, S::Future>,
        // Beside the course, not in it: what is large is then written once, where it stays.
        // What another attempt is made of, or why there will be none.
        saved: Result<K::Kept, GaveUp>,
        // The error of the last attempt that failed and may have been sent.
        failed: Option<S::Error>,
        // After the attempt, which it outlives. `None`: the call passes through.
        attempts: Option<CallAttempts<S, C, K>>,
    }

    impl<S, Req, C, K> PinnedDrop for RetryFuture<S, Req, C, K>
    where
        S: Service<Req>,
        K: Replay<Req>,
    {
        fn drop(this: Pin<&mut Self>) {
            if cut::current().is_some() {
                let mut this = this.project();
                let between = match this.stage.as_mut().project() {
                    StageProject::Calling { .. } | StageProject::Done => None,
                    StageProject::Waiting { .. } => Some(BETWEEN),
                    StageProject::Readying { .. } => Some(READYING),
                };
                if let Some(attempts) = this.attempts {
                    attempts.cut(|| {
                        // What waits for its time has not been sent.
                        between.into_iter().for_each(|stage| cut::report(stage, Sent::Nothing));
                        this.stage.set(Stage::Done);
                    });
                }
            }
        }
    }
}

const BETWEEN: &str = "waiting between attempts";
const READYING: &str = "waiting for the service to be ready again";

pin_project! {
    #[project = StageProject]
    enum Stage<S, Req, F> {
        /// An attempt runs.
        Calling { #[pin] future: F },
        /// The next attempt has its request, and waits for its time.
        Waiting { timer: Timer, at: Instant, request: Option<Req> },
        /// Its time has come, and the service is not ready.
        Readying { service: S, request: Option<Req> },
        Done,
    }
}

impl<S, Req, C, K> RetryFuture<S, Req, C, K>
where
    S: Service<Req>,
    K: Replay<Req>,
{
    /// A call that passes through.
    #[inline]
    pub(crate) fn passed_through(service: &mut S, request: Req) -> Self
    where
        S: Clone,
    {
        let stage = Stage::Calling { future: readiness::call(service, request) };
        Self { stage, saved: Err(GaveUp::Attempts), failed: None, attempts: None }
    }

    /// The first attempt. What another one is made of, and `attempts`, are borrowed until it is made: nothing must be undone here
    /// when the call panics, and so the future of the call is written where it stays, and not copied there.
    #[inline]
    pub(crate) fn begin(
        service: &mut S,
        request: Req,
        saved: &mut Result<K::Kept, GaveUp>,
        attempts: &mut Option<CallAttempts<S, C, K>>,
    ) -> Self
    where
        S: Clone,
    {
        let stage = Stage::Calling { future: readiness::call(service, request) };
        let saved = mem::replace(saved, Err(GaveUp::Attempts));
        Self { stage, saved, failed: None, attempts: attempts.take() }
    }
}

impl<S, Req, C, K> Future for RetryFuture<S, Req, C, K>
where
    S: Service<Req> + Clone,
    C: Classify<S::Response, S::Error>,
    K: Replay<Req>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(attempts) = this.attempts.as_mut() else {
            let StageProject::Calling { future } = this.stage.as_mut().project() else {
                polled_after_end("plugin_retry::RetryFuture");
            };
            let result = future.poll(cx);
            if result.is_ready() {
                this.stage.set(Stage::Done);
            }
            return result;
        };
        loop {
            let next = match this.stage.as_mut().project() {
                StageProject::Calling { future } => {
                    let Poll::Ready(result) = attempts.polling(|| future.poll(cx)) else {
                        attempts.has_waited = true;
                        return Poll::Pending;
                    };
                    let judged = of_attempt(&attempts.core.classify, result.as_ref(), attempts.began);
                    match attempts.after(&judged, this.saved) {
                        Some(next) => {
                            if let (Err(error), Sent::Maybe) = (result, judged.sent()) {
                                *this.failed = Some(error);
                            }
                            begin(next, || attempts.core.service())
                        }
                        None => {
                            this.stage.set(Stage::Done);
                            if attempts.hides_what_was_sent(&judged) {
                                let earlier = this.failed.take();
                                return Poll::Ready(answer(&attempts.core.classify, result, &judged, earlier));
                            }
                            return Poll::Ready(result);
                        }
                    }
                }
                StageProject::Waiting { timer, at, request } => {
                    if timer.as_mut().poll(cx).is_pending() {
                        waiting::note(BETWEEN);
                        waiting::enforcing(*at);
                        return Poll::Pending;
                    }
                    Stage::Readying { service: attempts.core.service(), request: request.take() }
                }
                StageProject::Readying { service, request } => {
                    let Poll::Ready(readiness) = service.poll_ready(cx) else {
                        waiting::note(READYING);
                        return Poll::Pending;
                    };
                    match (readiness, request.take()) {
                        (Ok(()), Some(request)) => {
                            attempts.attempts();
                            Stage::Calling { future: service.call(request) }
                        }
                        (Ok(()), None) => Stage::Done,
                        (Err(error), _) => {
                            attempts.was_not_ready();
                            // Nothing was sent, whatever the error says of it.
                            let judged =
                                of_attempt(&attempts.core.classify, Err(&error), Instant::MAX).with_sent(Sent::Nothing);
                            match attempts.after(&judged, this.saved) {
                                Some(next) => begin(next, || attempts.core.service()),
                                None => {
                                    this.stage.set(Stage::Done);
                                    if attempts.hides_what_was_sent(&judged) {
                                        let earlier = this.failed.take();
                                        return Poll::Ready(answer(
                                            &attempts.core.classify,
                                            Err(error),
                                            &judged,
                                            earlier,
                                        ));
                                    }
                                    return Poll::Ready(Err(error));
                                }
                            }
                        }
                    }
                }
                StageProject::Done => polled_after_end("plugin_retry::RetryFuture"),
            };
            // Drops the attempt that failed before the next one is made.
            this.stage.set(next);
        }
    }
}

/// Waits for the next attempt, unless it may begin at once.
#[cold]
fn begin<S, Req, F>(next: Next<Req>, service: impl FnOnce() -> S) -> Stage<S, Req, F> {
    let Next { wait, at, request } = next;
    if wait.is_zero() {
        return Stage::Readying { service: service(), request: Some(request) };
    }
    Stage::Waiting { timer: timer::arm(wait), at, request: Some(request) }
}

impl<S, Req, C, K> fmt::Debug for RetryFuture<S, Req, C, K>
where
    S: Service<Req>,
    K: Replay<Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Calling { .. } => "calling",
            Stage::Waiting { .. } => "waiting",
            Stage::Readying { .. } => "readying",
            Stage::Done => "done",
        };
        f.debug_struct("RetryFuture").field("stage", &stage).finish_non_exhaustive()
    }
}
