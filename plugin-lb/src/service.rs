//! The balancer.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    task::{Context, Poll},
};

use plugin_core::{AsErrorValue, AtHead, ByErrorType, Classify, Outcome, Reject, ResponseBodyRule};
use tower_service::Service;

use crate::{
    BalanceConfig, BalanceHandle, Endpoint, Envelope, Hints, HintsEnvelope, MembershipError, PlainEnvelope,
    ResponseFuture,
    envelope::{CallEnvelope, CallOnceEnvelope, RetainingEnvelope},
    future::Policy,
    membership::Membership,
};

/// A service over a changing set of instances: each call goes to one of them.
///
/// Every clone shares the instances, the turns and the statistics. Picking needs no lock, no task and no allocation.
///
/// **Readiness.** `poll_ready` is always ready. `call` picks; the instance that was picked is polled for its readiness
/// inside the response future, with the caller's waker, and no other instance is polled at all. The call counts as in
/// flight on it from the pick. If the instance fails its readiness, or is not ready within `pick_timeout`, another one
/// is picked, each instance at most once. With a single instance, or with `failover` off, its error is the answer and
/// its wait has no bound of its own.
///
/// **Errors.** Without an enabled instance the call is refused with `LOADBALANCER_1701`. When every instance that could
/// be picked failed, the answer is the error of the last one; when that one was too slow to be ready, the refusal
/// `LOADBALANCER_1702`.
///
/// **Cancellation.** Dropping the future drops the call on the instance, which is then no longer in flight; it counts
/// as neither success nor failure, unless it is dropped because its time was up and the instance had at least half of it
/// ([`cut::is_evidence`](plugin_core::deadline::cut::is_evidence)).
///
/// `C` judges outcomes for the statistics and for strategies that read the latency, `R` answers refusals, `O` says whether a call is in
/// flight until the head of its response or until the end of its body, and `E` reads hints and writes tags.
///
/// ```
/// use plugin_lb::{Balance, BalanceConfig, Endpoint};
/// use tower::{BoxError, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let instance =
///     |name: &'static str| Endpoint::new(name, service_fn(move |(): ()| async move { Ok::<_, BoxError>(name) }));
/// let balance = Balance::new(BalanceConfig::default(), [instance("a"), instance("b")])?; // one after the other
///
/// assert_eq!(balance.clone().oneshot(()).await?, "a");
/// assert_eq!(balance.clone().oneshot(()).await?, "b");
/// assert_eq!(balance.oneshot(()).await?, "a");
/// # Ok(())
/// # }
/// ```
pub struct Balance<S, C = ByErrorType, R = AsErrorValue, O = AtHead, E = PlainEnvelope> {
    // Nothing of the membership is kept in a clone: one that is never called would keep instances that are removed.
    shared: Arc<Membership<S>>,
    policy: Policy<C, R, E>,
    outcome: PhantomData<fn() -> O>,
}

impl<S: Clone> Balance<S> {
    /// A balancer over these endpoints. It may be empty: the [handle](Self::handle) adds and removes.
    ///
    /// # Errors
    ///
    /// When two endpoints have one name, or a weight is out of bounds.
    pub fn new(
        config: BalanceConfig,
        endpoints: impl IntoIterator<Item = Endpoint<S>>,
    ) -> Result<Self, MembershipError> {
        let shared = Arc::new(Membership::new(config));
        let handle = BalanceHandle::new(Arc::clone(&shared));
        handle.extend(endpoints)?;
        Ok(Self {
            shared,
            policy: Policy { classify: ByErrorType, reject: AsErrorValue, envelope: PlainEnvelope },
            outcome: PhantomData,
        })
    }
}

impl<S, C, R, O, E> Balance<S, C, R, O, E> {
    /// Sets what counts as a failure in the statistics, and for `least-latency` and `peak-ewma`. Default: `ByErrorType`.
    #[must_use]
    pub fn classify<C2>(self, classify: C2) -> Balance<S, C2, R, O, E> {
        let Policy { reject, envelope, .. } = self.policy;
        Balance { shared: self.shared, policy: Policy { classify, reject, envelope }, outcome: PhantomData }
    }

    /// Sets how a refusal is answered: a ready-made [`Reject`](plugin_core::Reject) or a closure. Default:
    /// `AsErrorValue`.
    #[must_use]
    pub fn reject_with<R2>(self, reject: R2) -> Balance<S, C, R2, O, E> {
        let Policy { classify, envelope, .. } = self.policy;
        Balance { shared: self.shared, policy: Policy { classify, reject, envelope }, outcome: PhantomData }
    }

    /// Follows responses whose classifier waits for the end: `.follow::<AtEnd>()` ([`AtEnd`](plugin_core::AtEnd)). The call
    /// is in flight until then.
    #[must_use]
    pub fn follow<O2>(self) -> Balance<S, C, R, O2, E> {
        Balance { shared: self.shared, policy: self.policy, outcome: PhantomData }
    }

    /// Sets how hints are read from a request and how a response is tagged with its instance. Default: not at all.
    #[must_use]
    pub fn with_envelope<E2>(self, envelope: E2) -> Balance<S, C, R, O, E2> {
        let Policy { classify, reject, .. } = self.policy;
        Balance { shared: self.shared, policy: Policy { classify, reject, envelope }, outcome: PhantomData }
    }

    /// Reads hints with a closure.
    #[must_use]
    pub fn hints_with<Req, F>(self, hints: F) -> Balance<S, C, R, O, HintsEnvelope<F>>
    where
        F: for<'r> Fn(&'r Req) -> Hints<'r>,
    {
        self.with_envelope(HintsEnvelope(hints))
    }

    /// For [`Call`](plugin_core::Call)s with a payload that is cheap to clone, see [`CallEnvelope`].
    #[must_use]
    pub fn for_calls(self) -> Balance<S, ByErrorType, R, AtHead, CallEnvelope> {
        self.with_envelope(CallEnvelope).classify(ByErrorType).follow::<AtHead>()
    }

    /// For [`Call`](plugin_core::Call)s whose payload is not cloned, see [`CallOnceEnvelope`].
    #[must_use]
    pub fn for_calls_once(self) -> Balance<S, ByErrorType, R, AtHead, CallOnceEnvelope> {
        self.with_envelope(CallOnceEnvelope).classify(ByErrorType).follow::<AtHead>()
    }

    /// For HTTP: hints and tags in extensions, see [`HttpEnvelope`](crate::HttpEnvelope), and a status from 500 is a
    /// failure. Refusals are answered as before, since not every client's body type can hold an answer of ours.
    ///
    /// An error of a foreign client, such as hyper's for a refused connection, has no place for a tag: a retry outside is
    /// not told which instance it was, and may go back to it. With [`retain_with`](Self::retain_with) the balancer itself
    /// takes a request that was never sent to another instance.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn for_http(self) -> Balance<S, plugin_core::ByHttpStatus, R, O, crate::HttpEnvelope> {
        self.with_envelope(crate::HttpEnvelope).classify(plugin_core::ByHttpStatus::new())
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    /// For gRPC: hints and tags in extensions, see [`HttpEnvelope`](crate::HttpEnvelope), and the status decides, also in
    /// trailers. Refusals are answered as before.
    #[cfg(feature = "grpc")]
    #[must_use]
    pub fn for_grpc(self) -> Balance<S, plugin_core::ByGrpcStatus, R, plugin_core::AtEnd, crate::HttpEnvelope> {
        self.with_envelope(crate::HttpEnvelope).classify(plugin_core::ByGrpcStatus).follow::<plugin_core::AtEnd>()
    }

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// Sends a request to another instance when the first could not be reached, where the error says that nothing of it
    /// was sent: a refused connection, say. So any method may be copied, a POST too.
    ///
    /// `copy` is asked for each request, as long as `failover` is on and there is another instance; `None` sends it to one
    /// instance only. It should be cheap, as it is for a body of `Full<Bytes>`. The hints and tags stay as they are, so say
    /// this after [`for_http`](Self::for_http) or [`hints_with`](Self::hints_with).
    ///
    /// ```
    /// # #[cfg(feature = "http")] {
    /// use bytes::Bytes;
    /// use http::Request;
    /// use http_body_util::Full;
    /// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    /// use plugin_lb::{Balance, Endpoint, BalanceConfig, plugin_core::{self, BoxErrorLayer}};
    /// use tower::Layer;
    ///
    /// let client = BoxErrorLayer.layer(Client::builder(TokioExecutor::new()).build_http());
    /// let balance = Balance::new(BalanceConfig::default(), [Endpoint::new("a", client)])?
    ///     .for_http()
    ///     .retain_with(|request: &Request<Full<Bytes>>| Some(request.clone()));
    /// let balance = plugin_core::check::<Request<Full<Bytes>>, _>(balance);
    /// # drop(balance);
    /// # }
    /// # Ok::<(), plugin_lb::MembershipError>(())
    /// ```
    #[must_use]
    pub fn retain_with<F, Req>(self, copy: F) -> Balance<S, C, R, O, RetainingEnvelope<E, F>>
    where
        F: Fn(&Req) -> Option<Req>,
    {
        let Policy { classify, reject, envelope } = self.policy;
        Balance {
            shared: self.shared,
            policy: Policy { classify, reject, envelope: RetainingEnvelope { envelope, copy } },
            outcome: PhantomData,
        }
    }

    /// Adds and removes instances, reads statistics, changes settings.
    pub fn handle(&self) -> BalanceHandle<S> {
        BalanceHandle::new(Arc::clone(&self.shared))
    }
}

impl<S, Req, C, R, O, E> Service<Req> for Balance<S, C, R, O, E>
where
    S: Service<Req> + Clone,
    C: Classify<S::Response, S::Error> + Clone + Send + 'static,
    R: Reject<S::Response, S::Error> + Clone,
    O: Outcome<S::Response> + ResponseBodyRule<Req>,
    E: Envelope<Req, S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Req, C, R, O, E>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let snapshot = self.shared.load();
        let hints = self.policy.envelope.hints(&request);
        let attempt = snapshot.begin(&self.shared.turns, &hints, &[]);
        let retained = if snapshot.fails_over() { self.policy.envelope.retain(&request) } else { None };
        let asked = O::asked(&request);
        ResponseFuture::new(request, retained, attempt, asked, self.policy.clone())
    }
}

impl<S, C: Clone, R: Clone, O, E: Clone> Clone for Balance<S, C, R, O, E> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), policy: self.policy.clone(), outcome: PhantomData }
    }
}

impl<S, C, R, O, E> fmt::Debug for Balance<S, C, R, O, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balance").field("handle", &self.handle()).finish_non_exhaustive()
    }
}
