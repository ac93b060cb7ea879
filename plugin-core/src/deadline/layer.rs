//! The layer that sets and enforces the caller's deadline.

use std::{sync::Arc, time::Duration};

use tower_layer::Layer;
use tower_service::Service;

use super::{
    enforced,
    future::{DeadlineFuture, Time},
    limit::Limit,
    request::Deadlined,
};
use crate::{
    AsErrorValue, Reject,
    clock::{Instant, nanos},
    readiness,
    service::{HasHandle, Wrap, Wrapped},
};

/// Gives every request a deadline and answers when it has passed.
///
/// A request without a deadline gets one, `timeout` after it was received; a request that has an earlier one keeps it,
/// and a later one is cut: a deadline is never extended. When it passes, the inner future is dropped and the refusal
/// (`PLUGIN_1204`) says how long it was and what the call was waiting for. What is dropped hears why ([`cut`](super::cut)),
/// so that a breaker further in counts a service that hangs, and ignores a caller in a hurry. `timeout` itself travels
/// with the request, as the time that the service gives its calls.
///
/// No timer is armed for a response that is ready when first polled, nor while an inner
/// [`AttemptTimeoutLayer`](super::AttemptTimeoutLayer) watches the same deadline. It covers the time until the response
/// arrives, not a body that is read afterwards.
///
/// ```
/// use std::{future::pending, time::Duration};
///
/// use plugin_core::{Call, Code, PluginError, deadline::DeadlineLayer};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(DeadlineLayer::new(Duration::from_secs(30)))
///     .service(service_fn(|_: Call<()>| pending::<Result<(), PluginError>>()));
///
/// let call = Call::new(()).with_timeout(Duration::from_millis(500)); // earlier than the layer's, so it stays
/// let error = service.oneshot(call).await.expect_err("no answer comes");
/// assert_eq!(error.code(), Code::Timeout);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct DeadlineLayer<R = AsErrorValue> {
    limit: Arc<Limit>,
    reject: R,
}

impl DeadlineLayer {
    /// Limits requests to this time.
    pub fn new(timeout: Duration) -> Self {
        Self { limit: Arc::new(Limit::new(nanos(timeout))), reject: AsErrorValue }
    }

    /// Sets no deadline, and enforces those that requests bring.
    pub fn enforce_only() -> Self {
        Self { limit: Arc::new(Limit::new(u64::MAX)), reject: AsErrorValue }
    }
}

impl<R> DeadlineLayer<R> {
    /// Sets how a refusal is answered: a ready-made [`Reject`](crate::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> DeadlineLayer<R2> {
        DeadlineLayer { limit: self.limit, reject }
    }

    /// For HTTP: a refusal is answered with 504, and a problem+json body.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> DeadlineLayer<crate::AsHttpResponse> {
        self.reject_with(crate::AsHttpResponse)
    }

    crate::without_feature!("http", for_http, crate::missing::Http);

    /// For gRPC: a refusal is answered with `DEADLINE_EXCEEDED`.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> DeadlineLayer<crate::AsGrpcStatus> {
        self.reject_with(crate::AsGrpcStatus)
    }

    crate::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: a refusal is an error, as it is by default.
    pub fn for_calls(self) -> DeadlineLayer {
        self.reject_with(AsErrorValue)
    }

    /// Reads and changes the limit of every service that this layer makes.
    pub fn handle(&self) -> DeadlineHandle {
        DeadlineHandle(Arc::clone(&self.limit))
    }
}

impl<S, R: Clone> Layer<S> for DeadlineLayer<R> {
    type Service = Deadline<S, R>;

    fn layer(&self, inner: S) -> Deadline<S, R> {
        Deadline::new(self.clone(), inner)
    }
}

/// Reads and changes the limit of a [`DeadlineLayer`].
///
/// ```
/// use std::{future::pending, time::Duration};
///
/// use plugin_core::{Call, PluginError, deadline::DeadlineLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let layer = DeadlineLayer::new(Duration::from_secs(30));
/// let handle = layer.handle();
/// let service = layer.layer(service_fn(|_: Call<()>| pending::<Result<(), PluginError>>()));
///
/// handle.reconfigure(Some(Duration::from_secs(2))); // for the calls that come from now on
/// let error = service.oneshot(Call::new(())).await.expect_err("no answer comes");
/// assert!(error.to_string().contains("2s were given"), "{error}");
/// assert_eq!(handle.config(), Some(Duration::from_secs(2)));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DeadlineHandle(Arc<Limit>);

impl DeadlineHandle {
    /// The limit; `None` when the layer only enforces what requests bring.
    #[must_use]
    pub fn config(&self) -> Option<Duration> {
        self.0.duration()
    }

    /// Changes the limit for requests that come from now on.
    pub fn reconfigure(&self, timeout: Option<Duration>) {
        self.0.set(timeout);
    }
}

/// The service that [`DeadlineLayer`] makes.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_core::{Call, PluginError, deadline::DeadlineLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), PluginError> {
/// let service = DeadlineLayer::new(Duration::from_secs(30)).layer(service_fn(|call: Call<()>| async move {
///     // The deadline travels with the request: whoever makes a call of its own knows what is left.
///     Ok::<_, PluginError>(call.context().deadline().is_some())
/// }));
/// assert!(service.oneshot(Call::new(())).await?);
/// # Ok(())
/// # }
/// ```
pub type Deadline<S, R = AsErrorValue> = Wrapped<DeadlineLayer<R>, S>;

impl<R> HasHandle for DeadlineLayer<R> {
    type Handle = DeadlineHandle;

    fn handle(&self) -> DeadlineHandle {
        DeadlineHandle(Arc::clone(&self.limit))
    }
}

impl<S, R, Req> Wrap<S, Req> for DeadlineLayer<R>
where
    S: Service<Req>,
    R: Reject<S::Response, S::Error> + Clone,
    Req: Deadlined,
{
    type Future = DeadlineFuture<S::Future, R>;

    #[inline]
    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        limited(request, self.limit.get(), |request| inner.call(request), self.reject.clone())
    }
}

/// Makes one call within the deadline that its request brings: what [`DeadlineLayer::enforce_only`] does, for whoever
/// serves calls and has no stack. `call` is not run when the deadline has passed.
pub fn enforce<Req, F, R>(request: Req, call: impl FnOnce(Req) -> F, reject: R) -> DeadlineFuture<F, R>
where
    Req: Deadlined,
{
    limited(request, u64::MAX, call, reject)
}

#[inline]
fn limited<Req, F, R>(mut request: Req, limit: u64, call: impl FnOnce(Req) -> F, reject: R) -> DeadlineFuture<F, R>
where
    Req: Deadlined,
{
    let started = request.started();
    let brought = request.deadline(started).unwrap_or(Instant::MAX);
    let deadline = brought.min(Instant::from_nanos(started.as_nanos().saturating_add(limit)));
    if deadline == Instant::MAX {
        return DeadlineFuture::unlimited(call(request), reject);
    }
    request.limit(deadline, started, limit);
    let times = request.times(started);
    let time = Time { since: started, deadline, given: times.given, allowed: limit.min(times.configured) };
    if deadline <= started {
        readiness::unused();
        return DeadlineFuture::new(None, time, reject);
    }
    let _enforced = enforced::enforcing(deadline);
    begun(request, time, call, reject)
}

/// A function of its own, without anything that must be undone when the call panics: the future of the call is then written
/// where it stays, and not copied there.
#[inline]
fn begun<Req, F, R>(request: Req, time: Time, call: impl FnOnce(Req) -> F, reject: R) -> DeadlineFuture<F, R> {
    DeadlineFuture::new(Some(call(request)), time, reject)
}

/// Joins a call that has other callers, as the caller that brings this request, and waits for it until the deadline of that
/// request: unless a layer further out enforces one that is no later. `join` is told until when this caller waits
/// ([`Instant::MAX`]: for as long as it takes), and is not run when the deadline has passed. For layers that share calls.
///
/// # Errors
///
/// What `join` answers with.
pub fn join<Req, C, E, R>(
    request: Req,
    join: impl FnOnce(Req, Instant) -> Result<C, E>,
    reject: R,
) -> Result<DeadlineFuture<C, R>, E>
where
    Req: Deadlined,
{
    let started = request.started();
    let times = request.times(started);
    let awaited = enforced::awaited().min(times.deadline);
    if enforced::until() <= times.deadline {
        return Ok(DeadlineFuture::unlimited(join(request, awaited)?, reject));
    }
    let time = Time { since: started, deadline: times.deadline, given: times.given, allowed: times.configured };
    if time.deadline <= started {
        readiness::unused();
        return Ok(DeadlineFuture::new(None, time, reject));
    }
    Ok(DeadlineFuture::new(Some(join(request, awaited)?), time, reject))
}
