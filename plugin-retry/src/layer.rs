//! The layer.

use std::{fmt, sync::Arc};

#[cfg(feature = "grpc")]
use plugin_core::ByGrpcStatus;
#[cfg(feature = "http")]
use plugin_core::ByHttpStatus;
use plugin_core::{ByErrorType, sync::Striped};
use tower_layer::Layer;

use crate::{Budget, ByRequest, ReplayFn, Retry, RetryConfig, RetryHandle, attempts::SharedService, state::RetryState};

/// Repeats calls that failed in a way that another attempt may not meet.
///
/// `C` judges outcomes ([`Classify`](plugin_core::Classify)), `K` makes requests again ([`Replay`](crate::Replay)). All services
/// that one layer makes share its budget, settings and counters, and so do clones of the layer.
///
/// The inner service must be `Clone`: an attempt after the first is made by a clone, which is polled until it is ready.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use plugin_retry::{
///     RetryConfig, RetryLayer,
///     plugin_core::{Call, PluginError, Sent},
/// };
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), PluginError> {
/// static CALLS: AtomicU32 = AtomicU32::new(0);
///
/// let layer = RetryLayer::new(RetryConfig::default());
/// let handle = layer.handle();
/// let service = ServiceBuilder::new().layer(layer).service(service_fn(|call: Call<&'static str>| async move {
///     match CALLS.fetch_add(1, Ordering::Relaxed) {
///         0 => Err(PluginError::connection("refused", Sent::Nothing)),
///         _ => Ok(call.into_payload().len()),
///     }
/// }));
///
/// assert_eq!(service.oneshot(Call::new("hello")).await?, 5);
/// assert_eq!((handle.stats().retries, handle.stats().recovered), (1, 1));
/// # Ok(())
/// # }
/// ```
pub struct RetryLayer<C = ByErrorType, K = ByRequest> {
    state: Arc<RetryState>,
    classify: C,
    replay: K,
}

impl RetryLayer {
    /// Retries by what the error says ([`ByErrorType`]).
    #[must_use]
    pub fn new(config: RetryConfig) -> Self {
        Self::with_state(RetryState::new(config, true, None))
    }

    /// Retries nothing until its handle enables it, and then as `config` says. For stacks whose type must not depend on
    /// their settings.
    #[must_use]
    pub fn disabled() -> Self {
        Self::with_state(RetryState::new(RetryConfig::default(), false, None))
    }

    /// Like [`new`](Self::new), and takes from a budget that others take from as well. The settings of the budget
    /// are its own.
    #[must_use]
    pub fn sharing(config: RetryConfig, budget: &Arc<Budget>) -> Self {
        Self::with_state(RetryState::new(config, true, Some(Arc::clone(budget))))
    }

    fn with_state(state: RetryState) -> Self {
        Self { state: Arc::new(state), classify: ByErrorType, replay: ByRequest }
    }
}

impl<C, K> RetryLayer<C, K> {
    /// Sets what counts as a failure: a ready-made [`Classify`](plugin_core::Classify) or a closure. Default:
    /// `ByErrorType`.
    #[must_use]
    pub fn classify<C2>(self, classify: C2) -> RetryLayer<C2, K> {
        RetryLayer { state: self.state, classify, replay: self.replay }
    }

    /// Retries by the status of HTTP responses ([`ByHttpStatus`]).
    #[cfg(feature = "http")]
    #[must_use]
    pub fn for_http(self) -> RetryLayer<ByHttpStatus, K> {
        self.classify(ByHttpStatus::new())
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    /// Retries by the gRPC status ([`ByGrpcStatus`]). With the defaults only calls that were never sent are repeated, since a
    /// gRPC method does not say whether it may be: set `idempotent` for services whose methods all may.
    #[cfg(feature = "grpc")]
    #[must_use]
    pub fn for_grpc(self) -> RetryLayer<ByGrpcStatus, K> {
        self.classify(ByGrpcStatus)
    }

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// Retries by what the error says ([`ByErrorType`]), as it does by default: for plugins, whose failures are errors.
    #[must_use]
    pub fn for_calls(self) -> RetryLayer<ByErrorType, K> {
        self.classify(ByErrorType)
    }

    /// Makes requests again by a closure that copies them, for any request type.
    ///
    /// **What it copies is repeated**, whatever it is: the closure stands in place of the rule that only what is idempotent
    /// is, so `|request| Some(request.clone())` over HTTP sends a POST, and with it a payment, twice. It gives `None` for a
    /// request that may not be repeated:
    ///
    /// ```
    /// # #[cfg(feature = "http")] {
    /// use http::{Method, Request};
    /// use plugin_retry::{RetryConfig, RetryLayer};
    ///
    /// let retry = RetryLayer::new(RetryConfig::default()).for_http().replay_with(|request: &Request<String>| {
    ///     (request.method() != Method::POST).then(|| request.clone())
    /// });
    /// # drop(retry);
    /// # }
    /// ```
    #[must_use]
    pub fn replay_with<F, Req>(self, copy: F) -> RetryLayer<C, ReplayFn<F, Req>>
    where
        F: Fn(&Req) -> Option<Req>,
    {
        RetryLayer { state: self.state, classify: self.classify, replay: ReplayFn::new(copy) }
    }

    /// Reads and changes what all services of this layer share.
    pub fn handle(&self) -> RetryHandle {
        RetryHandle::new(Arc::clone(&self.state))
    }
}

impl Default for RetryLayer {
    fn default() -> Self {
        Self::new(RetryConfig::default())
    }
}

impl<S, C, K> Layer<S> for RetryLayer<C, K>
where
    S: Clone,
    C: Clone,
    K: Clone,
{
    type Service = Retry<S, C, K>;

    fn layer(&self, inner: S) -> Retry<S, C, K> {
        let core =
            SharedService::new(Arc::clone(&self.state), self.classify.clone(), self.replay.clone(), inner.clone());
        Retry { inner, state: Arc::clone(&self.state), core: Striped::new(core) }
    }
}

impl<C: Clone, K: Clone> Clone for RetryLayer<C, K> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), classify: self.classify.clone(), replay: self.replay.clone() }
    }
}

impl<C, K> fmt::Debug for RetryLayer<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer").field("config", &self.state.config()).finish_non_exhaustive()
    }
}
