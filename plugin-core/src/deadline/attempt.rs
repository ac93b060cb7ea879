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
use tower_layer::Layer;
use tower_service::Service;

use super::{
    attempt_limit,
    cut::{AttemptTime, Part},
    due::{self, Alarm, Due},
    end,
    limit::{Limit, duration},
    note::Note,
    polling,
    request::{Deadlined, Times},
    waiting,
};
use crate::{
    AsErrorValue, Reject, Rejected,
    clock::{Instant, nanos},
    polled_after_end,
    service::{HasHandle, Wrap, Wrapped},
};

/// What an attempt waits for when nobody further in knows more.
const WAITING: &str = "waiting for the answer";

/// Limits one attempt, and watches the request's deadline with the same timer.
///
/// Put it inside a retry. It has one timer, armed when a response is not ready at once, that fires at the earlier of the
/// attempt's limit and the deadline; it needs none while a layer further in has one that fires no later. The refusal says
/// which limit it was, what the attempt was waiting for and how much of the request had been sent: an attempt that took
/// too long may be repeated, a deadline that passed may not.
///
/// Either is evidence against the service when the attempt ran for at least half of the smaller of its own limit and the
/// call's configured timeout ([`cut::is_evidence`](super::cut::is_evidence)): a caller in a hurry says nothing of the service.
///
/// ```
/// use std::{future::pending, time::Duration};
///
/// use plugin_core::{
///     Call, Code, PluginError,
///     deadline::{AttemptTimeoutLayer, DeadlineLayer},
/// };
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(DeadlineLayer::new(Duration::from_secs(30)))
///     // A retry stands here, and has time for more than one attempt.
///     .layer(AttemptTimeoutLayer::new(Duration::from_secs(5)))
///     .service(service_fn(|_: Call<()>| pending::<Result<(), PluginError>>()));
///
/// let error = service.oneshot(Call::new(())).await.expect_err("no answer comes");
/// assert_eq!(error.code(), Code::Timeout);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct AttemptTimeoutLayer<R = AsErrorValue> {
    limit: Arc<Limit>,
    reject: R,
}

impl AttemptTimeoutLayer {
    /// Limits an attempt to this time.
    pub fn new(limit: Duration) -> Self {
        Self { limit: Arc::new(Limit::new(nanos(limit))), reject: AsErrorValue }
    }

    /// Sets no limit of its own, and watches the deadline.
    pub fn disabled() -> Self {
        Self { limit: Arc::new(Limit::new(u64::MAX)), reject: AsErrorValue }
    }
}

impl<R> AttemptTimeoutLayer<R> {
    /// Sets how a refusal is answered: a ready-made [`Reject`](crate::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> AttemptTimeoutLayer<R2> {
        AttemptTimeoutLayer { limit: self.limit, reject }
    }

    /// For HTTP: a refusal is answered with 504, and a problem+json body.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> AttemptTimeoutLayer<crate::AsHttpResponse> {
        self.reject_with(crate::AsHttpResponse)
    }

    crate::without_feature!("http", for_http, crate::missing::Http);

    /// For gRPC: a refusal is answered with `DEADLINE_EXCEEDED`.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> AttemptTimeoutLayer<crate::AsGrpcStatus> {
        self.reject_with(crate::AsGrpcStatus)
    }

    crate::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: a refusal is an error, as it is by default.
    pub fn for_calls(self) -> AttemptTimeoutLayer {
        self.reject_with(AsErrorValue)
    }

    /// Reads and changes the limit of every service that this layer makes.
    pub fn handle(&self) -> AttemptTimeoutHandle {
        AttemptTimeoutHandle(Arc::clone(&self.limit))
    }
}

impl<S, R: Clone> Layer<S> for AttemptTimeoutLayer<R> {
    type Service = AttemptTimeout<S, R>;

    fn layer(&self, inner: S) -> AttemptTimeout<S, R> {
        AttemptTimeout::new(self.clone(), inner)
    }
}

/// Reads and changes the limit of an [`AttemptTimeoutLayer`].
///
/// ```
/// use std::time::Duration;
///
/// use plugin_core::deadline::AttemptTimeoutLayer;
///
/// let layer = AttemptTimeoutLayer::new(Duration::from_secs(5));
/// let handle = layer.handle();
/// handle.reconfigure(None); // no limit but the deadline
/// assert_eq!(handle.config(), None);
/// handle.reconfigure(Some(Duration::from_secs(2))); // for attempts that begin from now on
/// assert_eq!(handle.config(), Some(Duration::from_secs(2)));
/// ```
#[derive(Clone, Debug)]
pub struct AttemptTimeoutHandle(Arc<Limit>);

impl AttemptTimeoutHandle {
    /// The limit, when there is one.
    #[must_use]
    pub fn config(&self) -> Option<Duration> {
        self.0.duration()
    }

    /// Changes the limit for attempts that begin from now on.
    pub fn reconfigure(&self, limit: Option<Duration>) {
        self.0.set(limit);
    }
}

/// The service that [`AttemptTimeoutLayer`] makes.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_core::{Call, PluginError, deadline::AttemptTimeoutLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), PluginError> {
/// let service = AttemptTimeoutLayer::new(Duration::from_secs(5)).layer(service_fn(|call: Call<u64>| async move {
///     tokio::time::sleep(Duration::from_secs(call.into_payload())).await;
///     Ok::<_, PluginError>("done")
/// }));
/// assert_eq!(service.clone().oneshot(Call::new(1)).await?, "done");
/// assert!(service.oneshot(Call::new(10)).await.is_err());
/// # Ok(())
/// # }
/// ```
pub type AttemptTimeout<S, R = AsErrorValue> = Wrapped<AttemptTimeoutLayer<R>, S>;

impl<R> HasHandle for AttemptTimeoutLayer<R> {
    type Handle = AttemptTimeoutHandle;

    fn handle(&self) -> AttemptTimeoutHandle {
        AttemptTimeoutHandle(Arc::clone(&self.limit))
    }
}

impl<S, R, Req> Wrap<S, Req> for AttemptTimeoutLayer<R>
where
    S: Service<Req>,
    R: Reject<S::Response, S::Error> + Clone,
    Req: Deadlined,
{
    type Future = AttemptTimeoutFuture<S::Future, R>;

    #[inline]
    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        let limit = self.limit.get();
        let _told = attempt_limit::limiting(limit);
        AttemptTimeoutFuture::begin(inner, request, limit, self.reject.clone())
    }
}

pin_project! {
    /// The future of [`AttemptTimeout`]. Dropping it drops the call.
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
    fn begin<S, Req>(service: &mut S, request: Req, limit: u64, reject: R) -> Self
    where
        S: Service<Req, Future = F>,
        Req: Deadlined,
    {
        let since = request.started();
        let Times { deadline, given, configured } = request.times(since);
        let inner = Some(service.call(request));
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
