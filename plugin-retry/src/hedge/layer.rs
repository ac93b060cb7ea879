//! The hedge layer.

use std::{fmt, sync::Arc};

#[cfg(feature = "grpc")]
use plugin_core::ByGrpcStatus;
#[cfg(feature = "http")]
use plugin_core::ByHttpStatus;
use plugin_core::{ByErrorType, sync::Striped};
use tower_layer::Layer;

use super::{Hedge, HedgeConfig, HedgeHandle, state::HedgeState};
use crate::{ByRequest, ReplayFn, attempts::SharedService};

/// Makes a second attempt beside one that is slow, and takes the answer that comes first.
///
/// Only requests that may be repeated are hedged: the service does the work twice. The attempt that loses is dropped,
/// which cancels it. An attempt that fails while another runs is forgotten; if none succeeds, the last failure is the
/// answer. A failure before the delay has passed is not hedged but returned, for a retry layer outside.
///
/// After J. Dean and L. A. Barroso, "The Tail at Scale" (2013); the delay as a percentile of what was measured.
/// ```
/// use std::{sync::atomic::{AtomicU32, Ordering}, time::Duration};
///
/// use plugin_retry::{
///     HedgeConfig, HedgeLayer,
///     plugin_core::{Call, PluginError},
/// };
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// static CALLS: AtomicU32 = AtomicU32::new(0);
///
/// let config = HedgeConfig::builder().with_delay(Duration::from_millis(50)).build()?;
/// let layer = HedgeLayer::new(config);
/// let handle = layer.handle();
/// let service = ServiceBuilder::new().layer(layer).service(service_fn(|call: Call<&'static str>| async move {
///     if CALLS.fetch_add(1, Ordering::Relaxed) == 0 {
///         tokio::time::sleep(Duration::from_secs(10)).await; // the first attempt is slow
///     }
///     Ok::<_, PluginError>(call.into_payload().len())
/// }));
///
/// let call = Call::new("hello").with_idempotent(true);
/// assert_eq!(service.oneshot(call).await?, 5); // after 50 ms
/// assert_eq!((handle.stats().hedges, handle.stats().won), (1, 1));
/// # Ok(())
/// # }
/// ```
pub struct HedgeLayer<C = ByErrorType, K = ByRequest> {
    state: Arc<HedgeState>,
    classify: C,
    replay: K,
}

impl HedgeLayer {
    /// Hedges calls.
    #[must_use]
    pub fn new(config: HedgeConfig) -> Self {
        Self { state: Arc::new(HedgeState::new(config, true)), classify: ByErrorType, replay: ByRequest }
    }

    /// Hedges nothing until its handle reconfigures and enables it. For stacks whose type must not depend on their
    /// settings.
    #[must_use]
    pub fn disabled() -> Self {
        let layer = HedgeLayer::new(HedgeConfig::default());
        layer.state.switch(false);
        layer
    }
}

impl<C, K> HedgeLayer<C, K> {
    /// Sets what counts as a failure: a ready-made [`Classify`](plugin_core::Classify) or a closure. Default:
    /// `ByErrorType`.
    #[must_use]
    pub fn classify<C2>(self, classify: C2) -> HedgeLayer<C2, K> {
        HedgeLayer { state: self.state, classify, replay: self.replay }
    }

    /// Hedges HTTP requests; a response is a failure as [`ByHttpStatus`] says.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn for_http(self) -> HedgeLayer<ByHttpStatus, K> {
        self.classify(ByHttpStatus::new())
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    /// Hedges gRPC requests; a response is a failure as [`ByGrpcStatus`] says.
    #[cfg(feature = "grpc")]
    #[must_use]
    pub fn for_grpc(self) -> HedgeLayer<ByGrpcStatus, K> {
        self.classify(ByGrpcStatus)
    }

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// Hedges calls of plugins, whose failures are errors ([`ByErrorType`]), as it does by default.
    #[must_use]
    pub fn for_calls(self) -> HedgeLayer<ByErrorType, K> {
        self.classify(ByErrorType)
    }

    /// Makes requests again by a closure that copies them, for any request type. What it copies may be sent twice, a POST
    /// too: it gives `None` for a request that may not be repeated.
    #[must_use]
    pub fn replay_with<F, Req>(self, copy: F) -> HedgeLayer<C, ReplayFn<F, Req>>
    where
        F: Fn(&Req) -> Option<Req>,
    {
        HedgeLayer { state: self.state, classify: self.classify, replay: ReplayFn::new(copy) }
    }

    /// Reads and changes what all services of this layer share.
    pub fn handle(&self) -> HedgeHandle {
        HedgeHandle::new(Arc::clone(&self.state))
    }
}

impl<S, C, K> Layer<S> for HedgeLayer<C, K>
where
    S: Clone,
    C: Clone,
    K: Clone,
{
    type Service = Hedge<S, C, K>;

    fn layer(&self, inner: S) -> Hedge<S, C, K> {
        let core =
            SharedService::new(Arc::clone(&self.state), self.classify.clone(), self.replay.clone(), inner.clone());
        Hedge { inner, core: Striped::new(core) }
    }
}

impl<C: Clone, K: Clone> Clone for HedgeLayer<C, K> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), classify: self.classify.clone(), replay: self.replay.clone() }
    }
}

impl<C, K> fmt::Debug for HedgeLayer<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HedgeLayer").field("config", &self.state.config()).finish_non_exhaustive()
    }
}
