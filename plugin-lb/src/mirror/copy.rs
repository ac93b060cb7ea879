//! How a request is copied.

use std::fmt;

/// Copies a request for a mirror.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot copy a `{Req}`",
    note = "a request that is `Clone` is copied by itself, such as an `http::Request<Full<Bytes>>`; say `.copy_with(..)` for any other"
)]
pub trait CopyRequest<Req> {
    /// A copy. `None`: no copy of this one goes to the mirror, and it is counted as dropped.
    fn copy(&self, request: &Req) -> Option<Req>;
}

/// Copies what is `Clone`. It should be cheap to clone, as `Bytes` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyByClone;

impl<Req: Clone> CopyRequest<Req> for CopyByClone {
    fn copy(&self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }
}

/// Copies by a closure, see [`MirrorLayer::copy_with`](crate::MirrorLayer::copy_with).
#[derive(Clone, Copy)]
pub struct CopyFn<F>(pub(super) F);

impl<Req, F: Fn(&Req) -> Option<Req>> CopyRequest<Req> for CopyFn<F> {
    fn copy(&self, request: &Req) -> Option<Req> {
        (self.0)(request)
    }
}

impl<F> fmt::Debug for CopyFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyFn").finish_non_exhaustive()
    }
}
