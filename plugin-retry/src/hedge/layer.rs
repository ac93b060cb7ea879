//! The hedge layer.

use std::{fmt, sync::Arc, time::Duration};

use plugin_core::Striped;
use tower_layer::Layer;

use super::{Hedge, HedgeConfig, HedgeHandle, state::HedgeState};
use crate::{ByRequest, OnError, PolicyFn, ReplayFn, course::Core, policy::Judged};

/// Makes a second attempt beside one that is slow, and takes the answer that comes first.
///
/// Only requests that may be repeated are hedged: the service does the work twice. The attempt that loses is dropped,
/// which cancels it. An attempt that fails while another runs is forgotten; if none succeeds, the last failure is the
/// answer. A failure before the delay has passed is not hedged but returned, for a retry layer outside.
///
/// After J. Dean and L. A. Barroso, "The Tail at Scale" (2013); the delay as a percentile of what was measured.
pub struct HedgeLayer<P = OnError, K = ByRequest> {
    state: Arc<HedgeState>,
    policy: P,
    replay: K,
}

impl HedgeLayer {
    /// Hedges calls.
    #[must_use]
    pub fn new(config: HedgeConfig) -> Self {
        Self { state: Arc::new(HedgeState::new(config, true)), policy: OnError, replay: ByRequest }
    }

    /// Hedges nothing until its handle reconfigures and enables it. For stacks whose type must not depend on their
    /// settings.
    #[must_use]
    pub fn disabled() -> Self {
        let layer = HedgeLayer::new(HedgeConfig::unused());
        layer.state.switch(false);
        layer
    }
}

impl HedgeConfig {
    /// What a disabled layer holds: the settings of the 95th percentile.
    fn unused() -> Self {
        Self::at_percentile(95.0).build().unwrap_or(Self {
            delay: super::HedgeDelay::After(Duration::MAX),
            max: 1,
            budget: None,
            idempotent: false,
            max_body: 0,
        })
    }
}

#[cfg(feature = "http")]
impl HedgeLayer<crate::OnHttpStatus> {
    /// Hedges HTTP requests; a response is a failure as [`OnHttpStatus`](crate::OnHttpStatus) says.
    #[must_use]
    pub fn http(config: HedgeConfig) -> Self {
        HedgeLayer::new(config).decide_by(crate::OnHttpStatus)
    }
}

#[cfg(feature = "grpc")]
impl HedgeLayer<crate::OnGrpcStatus> {
    /// Hedges gRPC requests; a response is a failure as [`OnGrpcStatus`](crate::OnGrpcStatus) says.
    #[must_use]
    pub fn grpc(config: HedgeConfig) -> Self {
        HedgeLayer::new(config).decide_by(crate::OnGrpcStatus)
    }
}

impl<P, K> HedgeLayer<P, K> {
    /// Judges outcomes in another way.
    #[must_use]
    pub fn decide_by<P2>(self, policy: P2) -> HedgeLayer<P2, K> {
        HedgeLayer { state: self.state, policy, replay: self.replay }
    }

    /// Judges outcomes by a closure.
    #[must_use]
    pub fn decide_with<F, Res, Err>(self, judge: F) -> HedgeLayer<PolicyFn<F, Res, Err>, K>
    where
        F: Fn(Result<&Res, &Err>) -> Judged,
    {
        self.decide_by(PolicyFn::new(judge))
    }

    /// Makes requests again by a closure that copies them; `None` for a request that may not be repeated.
    #[must_use]
    pub fn replay_with<F, Req>(self, copy: F) -> HedgeLayer<P, ReplayFn<F, Req>>
    where
        F: Fn(&Req) -> Option<Req>,
    {
        HedgeLayer { state: self.state, policy: self.policy, replay: ReplayFn::new(copy) }
    }

    /// Reads and changes what all services of this layer share.
    pub fn handle(&self) -> HedgeHandle {
        HedgeHandle::new(Arc::clone(&self.state))
    }
}

impl<S, P, K> Layer<S> for HedgeLayer<P, K>
where
    S: Clone,
    P: Clone,
    K: Clone,
{
    type Service = Hedge<S, P, K>;

    fn layer(&self, inner: S) -> Hedge<S, P, K> {
        let core = Core::new(Arc::clone(&self.state), self.policy.clone(), self.replay.clone(), inner.clone());
        Hedge::new(inner, Striped::new(core))
    }
}

impl<P: Clone, K: Clone> Clone for HedgeLayer<P, K> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), policy: self.policy.clone(), replay: self.replay.clone() }
    }
}

impl<P, K> fmt::Debug for HedgeLayer<P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HedgeLayer").field("config", &self.state.config()).finish_non_exhaustive()
    }
}
