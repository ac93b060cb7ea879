//! The layer and its service.

use std::{fmt, future::Future, hash::Hash, sync::Arc};

use tower_layer::Layer;
use tower_service::Service;

use super::{
    ByDeadline, CoalesceFuture, Deadlines, Shareable, WithoutDeadlines,
    future::Caller,
    shared_calls::{JoinedCall, SharedCalls},
};
use plugin_core::{
    KeyOf, readiness,
    service::{HasHandle, Wrap, Wrapped},
    sync::Striped,
};

/// Lets equal calls that are in flight at the same time share one.
///
/// The response is `Clone`, the error [`Shareable`], and the inner future `Send + 'static`, since it may outlive the
/// caller that made it. The request carries a deadline or may ([`Deadlined`](plugin_core::deadline::Deadlined)), and a caller
/// whose deadline passes gets the refusal `PLUGIN_1204`, in the way of [`reject_with`](Self::reject_with); over requests
/// of another type add [`without_deadlines`](Self::without_deadlines). A call with a key costs four allocations, however
/// many share it.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_fallback::{
///     coalesce::CoalesceLayer,
///     plugin_core::{Call, PluginError},
/// };
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), PluginError> {
/// let service = ServiceBuilder::new()
///     .layer(CoalesceLayer::new(|call: &Call<u32>| Some(*call.payload())))
///     .service(service_fn(|call: Call<u32>| async move {
///         tokio::time::sleep(Duration::from_secs(1)).await;
///         Ok::<_, PluginError>(call.into_payload() * 2)
///     }));
///
/// // Two at the same time, one call of the service.
/// let (one, other) = tokio::join!(service.clone().oneshot(Call::new(21)), service.oneshot(Call::new(21)));
/// assert_eq!((one?, other?), (42, 42));
/// # Ok(())
/// # }
/// ```
#[must_use = "a layer does nothing until it wraps a service"]
pub struct CoalesceLayer<K, X, Res, Err, D = ByDeadline> {
    shared: Striped<SharedCalls<K, Res, Err>>,
    key_of: X,
    deadlines: D,
}

impl<K: Hash + Eq + Clone, X, Res, Err> CoalesceLayer<K, X, Res, Err> {
    /// Keys in flight at once, unless [`with_max_in_flight`](Self::with_max_in_flight) says otherwise.
    pub const DEFAULT_MAX_IN_FLIGHT: usize = 10_000;

    /// Shares calls of the same key, which a closure reads from a request; `None` is not shared.
    pub fn new<Req>(key_of: X) -> Self
    where
        X: Fn(&Req) -> Option<K>,
    {
        Self::made(key_of)
    }

    /// Shares calls by the key that a [`KeyOf`] reads from a request.
    pub fn by<Req>(key_of: X) -> Self
    where
        X: KeyOf<Req, Key = K>,
    {
        Self::made(key_of)
    }

    fn made(key_of: X) -> Self {
        let shared = Striped::new(SharedCalls::new(Self::DEFAULT_MAX_IN_FLIGHT));
        Self { shared, key_of, deadlines: ByDeadline::default() }
    }
}

impl<K: Hash + Eq + Clone, X, Res, Err, D> CoalesceLayer<K, X, Res, Err, D> {
    /// Sets how a caller is answered whose deadline has passed. Default: `AsErrorValue`.
    pub fn reject_with<R>(self, reject: R) -> CoalesceLayer<K, X, Res, Err, ByDeadline<R>> {
        CoalesceLayer { shared: self.shared, key_of: self.key_of, deadlines: ByDeadline(reject) }
    }

    /// For HTTP: a caller whose deadline has passed is answered with 504 and a problem+json body.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> CoalesceLayer<K, X, Res, Err, ByDeadline<plugin_core::AsHttpResponse>> {
        self.reject_with(plugin_core::AsHttpResponse)
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    /// For gRPC: a caller whose deadline has passed is answered with `DEADLINE_EXCEEDED`.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> CoalesceLayer<K, X, Res, Err, ByDeadline<plugin_core::AsGrpcStatus>> {
        self.reject_with(plugin_core::AsGrpcStatus)
    }

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: a caller whose deadline has passed gets an error, as it does by default.
    pub fn for_calls(self) -> CoalesceLayer<K, X, Res, Err> {
        self.reject_with(plugin_core::AsErrorValue)
    }

    /// Looks at no deadline, so that the request needs nothing. A deadline that a request carries all the same stays in
    /// it, and whatever inside enforces it ends the call for all its callers.
    pub fn without_deadlines(self) -> CoalesceLayer<K, X, Res, Err, WithoutDeadlines> {
        CoalesceLayer { shared: self.shared, key_of: self.key_of, deadlines: WithoutDeadlines(()) }
    }

    /// Shares calls of at most this many keys at once, and at least one; a call beyond goes alone. Handles that were
    /// taken before belong to another table.
    pub fn with_max_in_flight(mut self, keys: usize) -> Self {
        self.shared = Striped::new(SharedCalls::new(keys));
        self
    }

    /// Reads the counts of every service that this layer makes.
    pub fn handle(&self) -> CoalesceHandle<K, Res, Err> {
        CoalesceHandle(self.shared.to_arc())
    }
}

impl<S, K, X: Clone, Res, Err, D: Clone> Layer<S> for CoalesceLayer<K, X, Res, Err, D> {
    type Service = Coalesce<S, K, X, Res, Err, D>;

    fn layer(&self, inner: S) -> Self::Service {
        Coalesce::new(self.clone(), inner)
    }
}

impl<K, X: Clone, Res, Err, D: Clone> Clone for CoalesceLayer<K, X, Res, Err, D> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), key_of: self.key_of.clone(), deadlines: self.deadlines.clone() }
    }
}

impl<K, X, Res, Err, D> fmt::Debug for CoalesceLayer<K, X, Res, Err, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoalesceLayer").finish_non_exhaustive()
    }
}

/// Reads the counts of a [`CoalesceLayer`].
///
/// ```
/// use std::time::Duration;
///
/// use plugin_fallback::{
///     coalesce::CoalesceLayer,
///     plugin_core::{Call, PluginError},
/// };
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let layer = CoalesceLayer::new(|call: &Call<u32>| Some(*call.payload()));
/// let handle = layer.handle();
/// let service = layer.layer(service_fn(|call: Call<u32>| async move {
///     tokio::time::sleep(Duration::from_secs(1)).await;
///     Ok::<_, PluginError>(call.into_payload())
/// }));
///
/// let ask = |article| service.clone().oneshot(Call::new(article));
/// let _ = tokio::join!(ask(7), ask(7), ask(8));
/// let stats = handle.stats();
/// assert_eq!((stats.led, stats.joined, stats.in_flight), (2, 1, 0));
/// # }
/// ```
pub struct CoalesceHandle<K, Res, Err>(Arc<SharedCalls<K, Res, Err>>);

impl<K: Hash + Eq, Res, Err> CoalesceHandle<K, Res, Err> {
    /// The statistics.
    #[must_use]
    pub fn stats(&self) -> CoalesceStats {
        CoalesceStats { led: self.0.led.sum(), joined: self.0.joined.sum(), in_flight: self.0.flights.len() }
    }
}

/// The statistics of a [`CoalesceLayer`]. Calls without a key are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoalesceStats {
    /// Calls that were made, for their caller and for those that joined.
    pub led: u64,
    /// Calls that joined one in flight.
    pub joined: u64,
    /// Keys that a call is in flight for now.
    pub in_flight: usize,
}

impl<K, Res, Err> Clone for CoalesceHandle<K, Res, Err> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, Res, Err> fmt::Debug for CoalesceHandle<K, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoalesceHandle").finish_non_exhaustive()
    }
}

/// The service that [`CoalesceLayer`] makes.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_fallback::{
///     coalesce::CoalesceLayer,
///     plugin_core::{Call, PluginError},
/// };
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), PluginError> {
/// let layer = CoalesceLayer::new(|call: &Call<u32>| Some(*call.payload()));
/// let service = layer.layer(service_fn(|call: Call<u32>| async move {
///     tokio::time::sleep(Duration::from_secs(1)).await;
///     Ok::<_, PluginError>(call.into_payload())
/// }));
///
/// // The one who came first goes away; the other has its answer all the same.
/// let (first, second) = (service.clone().oneshot(Call::new(7)), service.oneshot(Call::new(7)));
/// let first = tokio::time::timeout(Duration::from_millis(500), first);
/// let (gave_up, answered) = tokio::join!(first, second);
/// assert!(gave_up.is_err());
/// assert_eq!(answered?, 7);
/// # Ok(())
/// # }
/// ```
pub type Coalesce<S, K, X, Res, Err, D = ByDeadline> = Wrapped<CoalesceLayer<K, X, Res, Err, D>, S>;

impl<K: Hash + Eq + Clone, X, Res, Err, D> HasHandle for CoalesceLayer<K, X, Res, Err, D> {
    type Handle = CoalesceHandle<K, Res, Err>;

    fn handle(&self) -> CoalesceHandle<K, Res, Err> {
        CoalesceHandle(self.shared.to_arc())
    }
}

impl<S, K, X, Req, D> Wrap<S, Req> for CoalesceLayer<K, X, S::Response, S::Error, D>
where
    S: Service<Req>,
    S::Response: Clone,
    S::Error: Shareable,
    S::Future: Future + Send + 'static,
    K: Hash + Eq + Clone,
    X: KeyOf<Req, Key = K>,
    D: Deadlines<Req, S::Response, S::Error>,
{
    type Future = CoalesceFuture<S::Future, D::Waiting<Caller<K, S::Response, S::Error>>>;

    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        let Some(key) = self.key_of.key(&request) else { return CoalesceFuture::alone(inner.call(request)) };
        let joined = self.deadlines.join(request, |mut request, until| {
            let shared = self.shared.lease();
            let Some(JoinedCall { shared_call, place, leads }) = shared.board(&key, until) else {
                return Err(inner.call(request));
            };
            let caller = Caller::new(shared, key, shared_call, place);
            if leads {
                D::take(&mut request);
                caller.lead(|| Box::pin(inner.call(request)));
            } else {
                readiness::unused();
            }
            Ok(caller)
        });
        match joined {
            Ok(waiting) => CoalesceFuture::shared(waiting),
            Err(alone) => CoalesceFuture::alone(alone),
        }
    }
}
