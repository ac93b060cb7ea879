//! The layer.

use std::{fmt, sync::Arc};

use plugin_core::Striped;
use tower_layer::Layer;

use crate::{
    Budget, ByRequest, OnError, PolicyFn, ReplayFn, Retry, RetryConfig, RetryHandle, course::Core, policy::Judged,
    state::State,
};

/// Repeats calls that failed in a way that another attempt may not meet.
///
/// `P` judges outcomes ([`Policy`](crate::Policy)), `K` makes requests again ([`Replay`](crate::Replay)). All services
/// that one layer makes share its budget, settings and counters, and so do clones of the layer.
///
/// The inner service must be `Clone`: an attempt after the first is made by a clone, which is polled until it is ready.
pub struct RetryLayer<P = OnError, K = ByRequest> {
    state: Arc<State>,
    policy: P,
    replay: K,
}

impl RetryLayer {
    /// Retries by what the error says ([`OnError`]).
    #[must_use]
    pub fn new(config: RetryConfig) -> Self {
        Self::with_state(State::new(config, true, None))
    }

    /// Retries nothing until its handle enables it, and then as `config` says. For stacks whose type must not depend on
    /// their settings.
    #[must_use]
    pub fn disabled() -> Self {
        Self::with_state(State::new(RetryConfig::default(), false, None))
    }

    /// Like [`new`](Self::new), and takes from a budget that others take from as well. The settings of the budget
    /// are its own.
    #[must_use]
    pub fn sharing(config: RetryConfig, budget: Arc<Budget>) -> Self {
        Self::with_state(State::new(config, true, Some(budget)))
    }

    fn with_state(state: State) -> Self {
        Self { state: Arc::new(state), policy: OnError, replay: ByRequest }
    }
}

#[cfg(feature = "http")]
impl RetryLayer<crate::OnHttpStatus> {
    /// Retries by the status of HTTP responses ([`OnHttpStatus`](crate::OnHttpStatus)).
    #[must_use]
    pub fn http(config: RetryConfig) -> Self {
        RetryLayer::new(config).decide_by(crate::OnHttpStatus)
    }
}

#[cfg(feature = "grpc")]
impl RetryLayer<crate::OnGrpcStatus> {
    /// Retries by the gRPC status ([`OnGrpcStatus`](crate::OnGrpcStatus)). A gRPC method does not say whether it may be
    /// repeated: set `idempotent` for services whose methods all may.
    #[must_use]
    pub fn grpc(config: RetryConfig) -> Self {
        RetryLayer::new(config).decide_by(crate::OnGrpcStatus)
    }
}

impl<P, K> RetryLayer<P, K> {
    /// Judges outcomes in another way.
    #[must_use]
    pub fn decide_by<P2>(self, policy: P2) -> RetryLayer<P2, K> {
        RetryLayer { state: self.state, policy, replay: self.replay }
    }

    /// Judges outcomes by a closure.
    #[must_use]
    pub fn decide_with<F, Res, Err>(self, judge: F) -> RetryLayer<PolicyFn<F, Res, Err>, K>
    where
        F: Fn(Result<&Res, &Err>) -> Judged,
    {
        self.decide_by(PolicyFn::new(judge))
    }

    /// Makes requests again by a closure that copies them, for request types of your own. It gives `None` for a request
    /// that may not be repeated.
    #[must_use]
    pub fn replay_with<F, Req>(self, copy: F) -> RetryLayer<P, ReplayFn<F, Req>>
    where
        F: Fn(&Req) -> Option<Req>,
    {
        RetryLayer { state: self.state, policy: self.policy, replay: ReplayFn::new(copy) }
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

impl<S, P, K> Layer<S> for RetryLayer<P, K>
where
    S: Clone,
    P: Clone,
    K: Clone,
{
    type Service = Retry<S, P, K>;

    fn layer(&self, inner: S) -> Retry<S, P, K> {
        let core = Core::new(Arc::clone(&self.state), self.policy.clone(), self.replay.clone(), inner.clone());
        Retry::new(inner, Striped::new(core))
    }
}

impl<P: Clone, K: Clone> Clone for RetryLayer<P, K> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), policy: self.policy.clone(), replay: self.replay.clone() }
    }
}

impl<P, K> fmt::Debug for RetryLayer<P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer").field("config", &self.state.config()).finish_non_exhaustive()
    }
}
