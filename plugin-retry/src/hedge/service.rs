//! The hedge service.

use std::{
    fmt,
    task::{Context, Poll},
};

use plugin_core::{ByErrorType, Classify, readiness, sync::Striped};
use tower_service::Service;

use super::{HedgeFuture, HedgeHandle, future::Race, state::HedgeState};
use crate::{ByRequest, Kept, Replay, attempts::SharedService};

/// The service that [`HedgeLayer`](crate::HedgeLayer) makes.
///
/// It is ready when the inner service is. Clones share everything.
/// ```
/// use plugin_retry::{Hedge, HedgeConfig, HedgeLayer};
/// use tower::Layer;
///
/// #[derive(Clone)]
/// struct Client;
///
/// // The type to name where a struct of yours keeps the client.
/// let client: Hedge<Client> = HedgeLayer::new(HedgeConfig::default()).layer(Client);
/// client.handle().disable();
/// let Client = client.into_inner();
/// ```
pub struct Hedge<S, C = ByErrorType, K = ByRequest> {
    pub(super) inner: S,
    pub(super) core: Striped<SharedService<HedgeState, S, C, K>>,
}

impl<S, C, K> Hedge<S, C, K> {
    /// A reference to the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// A mutable reference to the inner service. It makes first attempts; hedges are made by clones of the service that
    /// the layer was given.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the inner service out, and drops the rest.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Reads and changes what all services of the layer share.
    pub fn handle(&self) -> HedgeHandle {
        HedgeHandle::new(std::sync::Arc::clone(&self.core.state))
    }
}

impl<S, C, K, Req> Service<Req> for Hedge<S, C, K>
where
    S: Service<Req> + Clone,
    C: Classify<S::Response, S::Error>,
    K: Replay<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = HedgeFuture<S, Req, C, K>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Req) -> Self::Future {
        let control = self.core.state.control();
        if !control.is_on() {
            return HedgeFuture::passed_through(readiness::call(&mut self.inner, request));
        }
        let core = self.core.lease();
        let started = core.replay.started(&request);
        let limits = control.limits();
        let saved = core.replay.keep(&mut request, limits);
        let saved = saved.ok().filter(|saved| saved.idempotent().unwrap_or(limits.idempotent));
        let race = Race::new(core, started, saved.is_some());
        HedgeFuture::new(readiness::call(&mut self.inner, request), saved, race)
    }
}

impl<S: Clone, C, K> Clone for Hedge<S, C, K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), core: self.core.clone() }
    }
}

impl<S: fmt::Debug, C, K> fmt::Debug for Hedge<S, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge").field("inner", &self.inner).finish_non_exhaustive()
    }
}
