//! The service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use plugin_core::{ByErrorType, Classify, classify::sees_failures, sync::Striped};
use tower_service::Service;

use crate::{
    ByRequest, Replay, RetryFuture, RetryHandle,
    attempts::{CallAttempts, SharedService},
    state::RetryState,
};

/// The service that [`RetryLayer`](crate::RetryLayer) makes.
///
/// It is ready when the inner service is. Clones share everything.
///
/// ```
/// use plugin_retry::{
///     RetryConfig, RetryLayer,
///     plugin_core::{Call, PluginError},
/// };
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = RetryLayer::new(RetryConfig::default()).layer(service_fn(|_: Call<()>| async {
///     Err::<(), _>(PluginError::execution("no such article"))
/// }));
///
/// // Another attempt would not help: the caller has the error at once, as it is.
/// let error = service.clone().oneshot(Call::new(())).await.expect_err("the plugin said no");
/// assert_eq!(error.message(), "no such article");
/// assert_eq!(service.handle().stats().retries, 0);
/// # }
/// ```
pub struct Retry<S, C = ByErrorType, K = ByRequest> {
    pub(crate) inner: S,
    /// The one that `core` holds, without the way there: every call reads it.
    pub(crate) state: Arc<RetryState>,
    pub(crate) core: Striped<SharedService<RetryState, S, C, K>>,
}

impl<S, C, K> Retry<S, C, K> {
    /// A reference to the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// A mutable reference to the inner service. It makes first attempts; the others are made by clones of the service
    /// that the layer was given.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the inner service out, and drops the rest.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Reads and changes what all services of the layer share.
    pub fn handle(&self) -> RetryHandle {
        RetryHandle::new(Arc::clone(&self.state))
    }
}

impl<S, C, K, Req> Service<Req> for Retry<S, C, K>
where
    S: Service<Req> + Clone,
    C: Classify<S::Response, S::Error>,
    K: Replay<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RetryFuture<S, Req, C, K>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Req) -> Self::Future {
        const {
            assert!(
                sees_failures::<C, S::Response, S::Error>(),
                "this layer would never retry: the service has no errors, and without a classifier of responses a status of \
                 503 is a success. Say `RetryLayer::new(..).for_http()` or `RetryLayer::new(..).for_grpc()` (features `http` and `grpc` of \
                 plugin-retry), or `.classify(|result: Result<&Response, &Error>| ..)`"
            );
        }
        let control = self.state.control();
        if control.passes_through() {
            return RetryFuture::passed_through(&mut self.inner, request);
        }
        let core = self.core.lease();
        let started = core.replay.started(&request);
        let mut saved = core.replay.keep(&mut request, control.limits());
        let mut attempts = Some(CallAttempts::new(core, control, started));
        RetryFuture::begin(&mut self.inner, request, &mut saved, &mut attempts)
    }
}

impl<S: Clone, C, K> Clone for Retry<S, C, K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), state: Arc::clone(&self.state), core: self.core.clone() }
    }
}

impl<S: fmt::Debug, C, K> fmt::Debug for Retry<S, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("inner", &self.inner).finish_non_exhaustive()
    }
}
