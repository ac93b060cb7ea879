//! The layer.

use std::{fmt, hash::Hash};

use plugin_core::{KeyOf, sync::Striped};

use super::{ByDeadline, CoalesceHandle, WithoutDeadlines, shared_calls::SharedCalls};

/// Lets equal calls that are in flight at the same time share one.
///
/// The response is `Clone`, the error [`Shareable`](super::Shareable), and the inner future `Send + 'static`, since it may outlive the
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
    pub(super) shared: Striped<SharedCalls<K, Res, Err>>,
    pub(super) key_of: X,
    pub(super) deadlines: D,
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
