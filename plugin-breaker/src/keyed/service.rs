//! The service.

use std::{
    fmt,
    hash::Hash,
    marker::PhantomData,
    sync::Arc,
    task::{Context, Poll},
};

use plugin_core::{AsErrorValue, AtHead, ByErrorType, Classify, KeyOf, Outcome, ResponseBodyRule};
use tower_service::Service;

use super::Breakers;
use crate::{Refuse, ResponseFuture, guard::Admission};

/// The service that [`KeyedBreakerLayer`](super::KeyedBreakerLayer) makes.
///
/// It is ready when its inner service is, and decides in `call`.
pub struct KeyedBreaker<S, K, X, C = ByErrorType, R = AsErrorValue, O = AtHead> {
    pub(super) inner: S,
    pub(super) breakers: Arc<Breakers<K>>,
    pub(super) key_of: X,
    pub(super) classify: C,
    pub(super) reject: R,
    pub(super) outcome: PhantomData<fn() -> O>,
}

impl<S, K, X, C, R, O> KeyedBreaker<S, K, X, C, R, O> {
    /// A reference to the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// A mutable reference to the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the inner service out, and drops the rest.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, K, X, C, R, O, Req> Service<Req> for KeyedBreaker<S, K, X, C, R, O>
where
    S: Service<Req>,
    K: Hash + Eq + Clone,
    X: KeyOf<Req, Key = K>,
    C: Classify<S::Response, S::Error> + Clone + Send + 'static,
    R: Refuse<S::Response, S::Error> + Clone,
    O: Outcome<S::Response> + ResponseBodyRule<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C, R, O>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let admission = self.key_of.key(&request).map_or(Admission::Free, |key| self.breakers.admit(&key));
        ResponseFuture::call(&mut self.inner, request, admission, self.classify.clone(), self.reject.clone())
    }
}

impl<S: Clone, K, X: Clone, C: Clone, R: Clone, O> Clone for KeyedBreaker<S, K, X, C, R, O> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            breakers: Arc::clone(&self.breakers),
            key_of: self.key_of.clone(),
            classify: self.classify.clone(),
            reject: self.reject.clone(),
            outcome: PhantomData,
        }
    }
}

impl<S: fmt::Debug, K, X, C, R, O> fmt::Debug for KeyedBreaker<S, K, X, C, R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedBreaker")
            .field("inner", &self.inner)
            .field("breakers", &self.breakers)
            .finish_non_exhaustive()
    }
}
