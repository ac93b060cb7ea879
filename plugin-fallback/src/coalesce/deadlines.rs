//! How long each caller of a shared call waits for it.

use std::future::Future;

use plugin_core::{
    AsErrorValue, Reject,
    clock::Instant,
    deadline::{self, Deadlined},
};

/// Each caller waits until the deadline of its own request: the default of a [`CoalesceLayer`](super::CoalesceLayer).
#[derive(Clone, Copy, Debug, Default)]
pub struct ByDeadline<R = AsErrorValue>(pub(super) R);

/// Requests carry no deadline, or it is not looked at.
#[derive(Clone, Copy, Debug)]
pub struct WithoutDeadlines(pub(super) ());

/// What a [`CoalesceLayer`](super::CoalesceLayer) does with the deadlines of its callers' requests.
pub trait Deadlines<Req, Res, Err>: sealed::Sealed {
    /// A caller that waits.
    type Waiting<C: Future<Output = Result<Res, Err>>>: Future<Output = Result<Res, Err>>;

    /// Joins a call as the caller that brings this request and waits until this moment; not when its time is up already.
    fn join<C, E>(&self, request: Req, join: impl FnOnce(Req, Instant) -> Result<C, E>) -> Result<Self::Waiting<C>, E>
    where
        C: Future<Output = Result<Res, Err>>;

    /// The request is that of the shared call from now on, which does not end with its maker's time.
    fn take(request: &mut Req);
}

impl<Req, Res, Err, R> Deadlines<Req, Res, Err> for ByDeadline<R>
where
    Req: Deadlined,
    R: Reject<Res, Err> + Clone,
{
    type Waiting<C: Future<Output = Result<Res, Err>>> = deadline::DeadlineFuture<C, R>;

    fn join<C, E>(&self, request: Req, join: impl FnOnce(Req, Instant) -> Result<C, E>) -> Result<Self::Waiting<C>, E>
    where
        C: Future<Output = Result<Res, Err>>,
    {
        deadline::join(request, join, self.0.clone())
    }

    fn take(request: &mut Req) {
        request.take_deadline();
    }
}

impl<Req, Res, Err> Deadlines<Req, Res, Err> for WithoutDeadlines {
    type Waiting<C: Future<Output = Result<Res, Err>>> = C;

    fn join<C, E>(&self, request: Req, join: impl FnOnce(Req, Instant) -> Result<C, E>) -> Result<C, E>
    where
        C: Future<Output = Result<Res, Err>>,
    {
        join(request, deadline::awaited_until().unwrap_or(Instant::MAX))
    }

    fn take(_: &mut Req) {}
}

mod sealed {
    pub trait Sealed {}

    impl<R> Sealed for super::ByDeadline<R> {}
    impl Sealed for super::WithoutDeadlines {}
}
