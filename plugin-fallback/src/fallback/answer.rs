//! The answer in place of a failure: a value, a function's, or another service's.

use std::{
    fmt,
    future::{Future, Ready, ready},
    marker::PhantomData,
};

use tower::util::Oneshot;
use tower_service::Service;

/// Makes the answer that a caller gets instead of a failed one.
///
/// [`FallbackValue`], [`FallbackFn`] and [`FallbackService`] are the three that [`FallbackLayer`](super::FallbackLayer) has a
/// constructor for.
pub trait FallbackAnswer<Req, Res, Err> {
    /// What has to be kept of a request until it is known whether the call fails.
    type Kept;

    /// The answer, or the wait for it. Dropping it drops the work.
    type Future: Future<Output = Result<Res, Err>>;

    /// Keeps what is needed of a request. Runs for every call.
    fn keep(&self, request: &Req) -> Self::Kept;

    /// Answers. Runs after the inner call has ended and was dropped.
    fn answer(&self, saved: Self::Kept, failed: Result<Res, Err>) -> Self::Future;
}

/// Answers with a clone of a value.
pub struct FallbackValue<V>(pub(super) V);

impl<Req, Res: Clone, Err> FallbackAnswer<Req, Res, Err> for FallbackValue<Res> {
    type Kept = ();
    type Future = Ready<Result<Res, Err>>;

    fn keep(&self, _: &Req) {}

    fn answer(&self, (): (), _: Result<Res, Err>) -> Self::Future {
        ready(Ok(self.0.clone()))
    }
}

/// A value may be a secret, and large: only its type is shown.
impl<V> fmt::Debug for FallbackValue<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FallbackValue").field(&format_args!("{}", std::any::type_name::<V>())).finish()
    }
}

/// Answers with what a closure makes of the failed outcome.
///
/// It carries the types that the closure reads, so that `|failed| ..` infers them from the service.
pub struct FallbackFn<F, Res, Err> {
    pub(super) make: F,
    pub(super) reads: PhantomData<fn(Res, Err)>,
}

impl<Req, Res, Err, F> FallbackAnswer<Req, Res, Err> for FallbackFn<F, Res, Err>
where
    F: Fn(Result<Res, Err>) -> Result<Res, Err>,
{
    type Kept = ();
    type Future = Ready<Result<Res, Err>>;

    fn keep(&self, _: &Req) {}

    fn answer(&self, (): (), failed: Result<Res, Err>) -> Self::Future {
        ready((self.make)(failed))
    }
}

impl<F, Res, Err> fmt::Debug for FallbackFn<F, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackFn").finish_non_exhaustive()
    }
}

/// Sends a clone of the request to a clone of another service.
#[derive(Debug)]
pub struct FallbackService<S>(pub(super) S);

impl<Req, S> FallbackAnswer<Req, S::Response, S::Error> for FallbackService<S>
where
    Req: Clone,
    S: Service<Req> + Clone,
{
    type Kept = Req;
    type Future = Oneshot<S, Req>;

    fn keep(&self, request: &Req) -> Req {
        request.clone()
    }

    fn answer(&self, saved: Req, _: Result<S::Response, S::Error>) -> Self::Future {
        Oneshot::new(self.0.clone(), saved)
    }
}
