//! Which calls a cache may answer.

use http::{Method, Request};

use crate::Call;

/// Says which calls may be answered from a cache.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not know whether a `{Req}` is idempotent",
    note = "it knows `plugin_core::Call` and `http::Request`; to serve every call that has a key, say `.every_call()`"
)]
pub trait Admit<Req> {
    /// Whether this one may.
    fn admits(&self, request: &Req) -> bool;
}

/// A [`Call`] that is marked idempotent, and an HTTP request whose method is `GET` or `HEAD`: the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnlyIdempotent;

impl<T> Admit<Call<T>> for OnlyIdempotent {
    fn admits(&self, call: &Call<T>) -> bool {
        call.context().idempotent() == Some(true)
    }
}

impl<B> Admit<Request<B>> for OnlyIdempotent {
    fn admits(&self, request: &Request<B>) -> bool {
        matches!(*request.method(), Method::GET | Method::HEAD)
    }
}

/// Every call that has a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EveryCall;

impl<Req> Admit<Req> for EveryCall {
    fn admits(&self, _: &Req) -> bool {
        true
    }
}
