//! The layer that limits one attempt.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_layer::Layer;
use tower_service::Service;

use super::{Deadlined, layer::Limit, waiting};
use crate::{
    AsError, Reject, Rejected,
    clock::{self, Instant, nanos},
};

/// Limits one attempt, and watches the request's deadline with the same timer.
///
/// Put it inside a retry. It has one timer, armed when a response is not ready at once, that fires at the earlier of the
/// attempt's limit and the deadline. The refusal says which it was: an attempt that took too long may be repeated, a
/// deadline that passed may not. Either is evidence against the service, the deadline only when the attempt had run for
/// at least half of its own limit: a caller in a hurry says nothing of the service.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct AttemptTimeoutLayer<R = AsError> {
    limit: Arc<Limit>,
    reject: R,
}

impl AttemptTimeoutLayer {
    /// Limits an attempt to this time.
    pub fn new(limit: Duration) -> Self {
        Self { limit: Arc::new(Limit::new(nanos(limit))), reject: AsError }
    }

    /// Sets no limit of its own, and watches the deadline.
    pub fn disabled() -> Self {
        Self { limit: Arc::new(Limit::new(u64::MAX)), reject: AsError }
    }
}

impl<R> AttemptTimeoutLayer<R> {
    /// Answers refusals in another way.
    pub fn reject_with<R2>(self, reject: R2) -> AttemptTimeoutLayer<R2> {
        AttemptTimeoutLayer { limit: self.limit, reject }
    }

    /// Reads and changes the limit of every service that this layer makes.
    pub fn handle(&self) -> AttemptTimeoutHandle {
        AttemptTimeoutHandle(Arc::clone(&self.limit))
    }
}

impl<S, R: Clone> Layer<S> for AttemptTimeoutLayer<R> {
    type Service = AttemptTimeout<S, R>;

    fn layer(&self, inner: S) -> AttemptTimeout<S, R> {
        AttemptTimeout { inner, limit: Arc::clone(&self.limit), reject: self.reject.clone() }
    }
}

/// Reads and changes the limit of an [`AttemptTimeoutLayer`].
#[derive(Clone, Debug)]
pub struct AttemptTimeoutHandle(Arc<Limit>);

impl AttemptTimeoutHandle {
    /// The limit, when there is one.
    #[must_use]
    pub fn limit(&self) -> Option<Duration> {
        self.0.duration()
    }

    /// Changes the limit for attempts that begin from now on.
    pub fn set_limit(&self, limit: Option<Duration>) {
        self.0.set(limit);
    }
}

/// The service that [`AttemptTimeoutLayer`] makes.
#[derive(Clone, Debug)]
pub struct AttemptTimeout<S, R = AsError> {
    inner: S,
    limit: Arc<Limit>,
    reject: R,
}

impl<S, R> AttemptTimeout<S, R> {
    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, to write to.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service alone.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, Req> Service<Req> for AttemptTimeout<S, R>
where
    S: Service<Req>,
    R: Reject<S::Response, S::Error> + Clone,
    Req: Deadlined,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = AttemptFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let started = request.started();
        AttemptFuture {
            deadline: request.deadline(started).unwrap_or(Instant::MAX),
            given: request.given(started).unwrap_or(Duration::MAX),
            limit: self.limit.get(),
            inner: Some(self.inner.call(request)),
            running: None,
            reject: self.reject.clone(),
        }
    }
}

pin_project! {
    /// The future of [`AttemptTimeout`]. Dropping it drops the call.
    pub struct AttemptFuture<F, R> {
        #[pin]
        inner: Option<F>,
        running: Option<Running>,
        given: Duration,
        deadline: Instant,
        limit: u64,
        reject: R,
    }
}

/// An attempt that was not ready at once.
struct Running {
    timer: Pin<Box<Sleep>>,
    fires: Instant,
    refusal: Rejected,
}

impl Running {
    fn new(given: Duration, deadline: Instant, limit: u64) -> Self {
        let now = clock::now();
        let ends = Instant::from_nanos(now.as_nanos().saturating_add(limit));
        let fires = ends.min(deadline);
        let refusal = if ends <= deadline {
            Rejected::attempt_timeout(Duration::from_nanos(limit))
        } else {
            let refusal = Rejected::deadline_exceeded(given, Some("waiting for the answer"));
            let had_time = deadline.saturating_since(now).saturating_mul(2) >= Duration::from_nanos(limit);
            if had_time { refusal.as_evidence() } else { refusal }
        };
        Self { timer: Box::pin(tokio::time::sleep(fires.saturating_since(now))), fires, refusal }
    }
}

impl<F, R, Res, Err> Future for AttemptFuture<F, R>
where
    F: Future<Output = Result<Res, Err>>,
    R: Reject<Res, Err>,
{
    type Output = Result<Res, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let result = inner.poll(cx);
        if result.is_ready() || (*this.limit == u64::MAX && *this.deadline == Instant::MAX) {
            return result;
        }
        let running = this.running.get_or_insert_with(|| Running::new(*this.given, *this.deadline, *this.limit));
        if running.timer.as_mut().poll(cx).is_pending() {
            waiting::note("waiting for the answer");
            waiting::enforcing(running.fires);
            return Poll::Pending;
        }
        let refusal = running.refusal;
        // The work stops now, not when the caller gets round to dropping this future.
        this.inner.set(None);
        Poll::Ready(this.reject.reject(refusal))
    }
}

impl<F, R> fmt::Debug for AttemptFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptFuture").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
