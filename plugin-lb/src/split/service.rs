//! The split.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    task::{Context, Poll},
};

use plugin_core::{AsErrorValue, AtHead, ByErrorType, Classify, Outcome, Reject, ResponseBodyRule};
use tower_service::Service;

use super::{BranchError, TrafficSplitConfig, TrafficSplitFuture, TrafficSplitHandle, state::SplitState};
use crate::{CallOnceEnvelope, Envelope, Hints, HintsEnvelope, PlainEnvelope};

/// A service over named branches, each with its share of the calls: a canary with 10 percent, say.
///
/// Every clone shares the branches, the turns and the figures. A call takes no lock and allocates nothing.
///
/// **Shares.** Calls take turns in one order, over all threads together. Any 1,000 calls in a row have each share to the call,
/// where the sum of the weights, divided by what they have in common, divides 1,000, as percents do; with any other weights, and
/// in any fewer calls, two branches are less than one call from their shares, and more are less than two. In a row is by the
/// turns that they take, of which each is taken once; a change of the weights begins the order anew.
///
/// **Keys.** A call with an affinity key ([`Hints`]) takes no turn: its branch depends on the key, the names and the weights
/// alone. A branch whose share grows keeps its keys, and with two branches no key moves that need not. Preferences and
/// instances that were tried are for a balancer beneath, and are not read here.
///
/// **Readiness.** `poll_ready` is always ready; the branch is polled for its readiness inside the response future, and no other
/// one is polled at all. A branch that is not ready is waited for, since any other would change the shares.
///
/// **Errors.** Where no branch has a weight, the call is refused with `LOADBALANCER_1701`. Any other error is the branch's.
///
/// **Cancellation.** Dropping the future drops the call on the branch, which then counts as neither success nor failure, unless
/// its time was up and the branch had at least half of it ([`cut::is_evidence`](plugin_core::deadline::cut::is_evidence)).
///
/// `C` judges outcomes for the figures, `R` answers refusals, `O` says whether a call is in flight until the head of its
/// response or until the end of its body, and `E` reads the key.
///
/// ```
/// use plugin_lb::{TrafficSplit, TrafficSplitConfig};
/// use tower::{BoxError, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let version = |name: &'static str| service_fn(move |(): ()| async move { Ok::<_, BoxError>(name) });
/// let config = TrafficSplitConfig::builder().with_weight("stable", 90).with_weight("canary", 10).build()?;
/// let split = TrafficSplit::new(config, [("stable", version("stable")), ("canary", version("canary"))])?;
///
/// for _ in 0..1000 {
///     split.clone().oneshot(()).await?;
/// }
/// assert_eq!(split.handle().get("canary").map(|stats| stats.calls), Some(100));
/// # Ok(())
/// # }
/// ```
pub struct TrafficSplit<S, C = ByErrorType, R = AsErrorValue, O = AtHead, E = PlainEnvelope> {
    state: Arc<SplitState<S>>,
    classify: C,
    reject: R,
    envelope: E,
    outcome: PhantomData<fn() -> O>,
}

impl<S: Clone> TrafficSplit<S> {
    /// A split over these branches, by name, with these weights. A branch without a weight gets no call.
    ///
    /// Branches are of one type: what differs in type is boxed by `tower::util::BoxCloneSyncService`, say.
    ///
    /// # Errors
    ///
    /// When two branches have one name, or a weight is of none of them.
    pub fn new<N: Into<Arc<str>>>(
        config: TrafficSplitConfig,
        branches: impl IntoIterator<Item = (N, S)>,
    ) -> Result<Self, BranchError> {
        let state = Arc::new(SplitState::new());
        let handle = TrafficSplitHandle::new(Arc::clone(&state));
        handle.extend(branches)?;
        handle.reconfigure(config)?;
        Ok(Self { state, classify: ByErrorType, reject: AsErrorValue, envelope: PlainEnvelope, outcome: PhantomData })
    }
}

impl<S, C, R, O, E> TrafficSplit<S, C, R, O, E> {
    /// Sets what counts as a failure in the figures. Default: `ByErrorType`.
    #[must_use]
    pub fn classify<C2>(self, classify: C2) -> TrafficSplit<S, C2, R, O, E> {
        let Self { state, reject, envelope, .. } = self;
        TrafficSplit { state, classify, reject, envelope, outcome: PhantomData }
    }

    /// Sets how a refusal is answered: a ready-made [`Reject`](plugin_core::Reject) or a closure. Default:
    /// `AsErrorValue`.
    #[must_use]
    pub fn reject_with<R2>(self, reject: R2) -> TrafficSplit<S, C, R2, O, E> {
        let Self { state, classify, envelope, .. } = self;
        TrafficSplit { state, classify, reject, envelope, outcome: PhantomData }
    }

    /// Follows responses whose classifier waits for the end: `.follow::<AtEnd>()` ([`AtEnd`](plugin_core::AtEnd)). The call
    /// is in flight until then.
    #[must_use]
    pub fn follow<O2>(self) -> TrafficSplit<S, C, R, O2, E> {
        let Self { state, classify, reject, envelope, .. } = self;
        TrafficSplit { state, classify, reject, envelope, outcome: PhantomData }
    }

    /// Sets how the key is read from a request. Default: there is none.
    #[must_use]
    pub fn with_envelope<E2>(self, envelope: E2) -> TrafficSplit<S, C, R, O, E2> {
        let Self { state, classify, reject, .. } = self;
        TrafficSplit { state, classify, reject, envelope, outcome: PhantomData }
    }

    /// Reads the key with a closure, as the affinity of its [`Hints`].
    #[must_use]
    pub fn hints_with<Req, F>(self, hints: F) -> TrafficSplit<S, C, R, O, HintsEnvelope<F>>
    where
        F: for<'r> Fn(&'r Req) -> Hints<'r>,
    {
        self.with_envelope(HintsEnvelope(hints))
    }

    /// For [`Call`](plugin_core::Call)s: their affinity key is the key.
    #[must_use]
    pub fn for_calls(self) -> TrafficSplit<S, ByErrorType, R, AtHead, CallOnceEnvelope> {
        self.with_envelope(CallOnceEnvelope).classify(ByErrorType).follow::<AtHead>()
    }

    /// For HTTP: the key is that of a [`CallContext`](plugin_core::CallContext) in the extensions of the request, and a status
    /// from 500 is a failure. Refusals are answered as before, since not every body type can hold an answer of ours.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn for_http(self) -> TrafficSplit<S, plugin_core::ByHttpStatus, R, O, crate::HttpEnvelope> {
        self.with_envelope(crate::HttpEnvelope).classify(plugin_core::ByHttpStatus::new())
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    /// For gRPC: the key is that of a [`CallContext`](plugin_core::CallContext) in the extensions of the request, and the status
    /// decides, also in trailers. Refusals are answered as before.
    #[cfg(feature = "grpc")]
    #[must_use]
    pub fn for_grpc(self) -> TrafficSplit<S, plugin_core::ByGrpcStatus, R, plugin_core::AtEnd, crate::HttpEnvelope> {
        self.with_envelope(crate::HttpEnvelope).classify(plugin_core::ByGrpcStatus).follow::<plugin_core::AtEnd>()
    }

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// Changes weights and branches, and reads the figures.
    pub fn handle(&self) -> TrafficSplitHandle<S> {
        TrafficSplitHandle::new(Arc::clone(&self.state))
    }
}

impl<S, Req, C, R, O, E> Service<Req> for TrafficSplit<S, C, R, O, E>
where
    S: Service<Req> + Clone,
    C: Classify<S::Response, S::Error> + Clone + Send + 'static,
    R: Reject<S::Response, S::Error> + Clone,
    O: Outcome<S::Response> + ResponseBodyRule<Req>,
    E: Envelope<Req, S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TrafficSplitFuture<S, Req, C, R, O>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let call = self.state.load().begin(&self.envelope.hints(&request));
        let asked = O::asked(&request);
        TrafficSplitFuture::new(request, call, asked, self.classify.clone(), self.reject.clone())
    }
}

impl<S, C: Clone, R: Clone, O, E: Clone> Clone for TrafficSplit<S, C, R, O, E> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            classify: self.classify.clone(),
            reject: self.reject.clone(),
            envelope: self.envelope.clone(),
            outcome: PhantomData,
        }
    }
}

impl<S, C, R, O, E> fmt::Debug for TrafficSplit<S, C, R, O, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrafficSplit").field("handle", &self.handle()).finish_non_exhaustive()
    }
}
