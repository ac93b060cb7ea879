//! Which calls a cache may answer, and which answers it may keep.

use http::{Method, Request, Response, StatusCode};

use plugin_core::Call;

/// Says which calls may be answered from a cache, and which responses to them are answers that may be kept.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not know whether a `{Req}` is idempotent, or which `{Res}` may be kept of it",
    note = "it knows `plugin_core::Call`, and `http::Request` where an `http::Response` answers it; to serve every call that has a key, say `.every_call()`"
)]
pub trait Admit<Req, Res> {
    /// Whether this one may.
    fn admits(&self, request: &Req) -> bool;

    /// Whether a response that was judged a success may be kept.
    fn keeps(_response: &Res) -> bool {
        true
    }
}

/// A [`Call`] that is marked idempotent, and every reply to it; an HTTP request whose method is `GET` or `HEAD`, and the
/// responses whose status may be kept unless they say otherwise: the default.
///
/// These statuses are 200, 203, 204, 300, 301, 308, 404, 405, 410 and 414 (RFC 9110, 15.1). Left out of that list are 206,
/// since the key says nothing of ranges, and 501, a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnlyIdempotent;

impl<T, Res> Admit<Call<T>, Res> for OnlyIdempotent {
    fn admits(&self, call: &Call<T>) -> bool {
        call.context().idempotent() == Some(true)
    }
}

impl<B, C> Admit<Request<B>, Response<C>> for OnlyIdempotent {
    fn admits(&self, request: &Request<B>) -> bool {
        matches!(*request.method(), Method::GET | Method::HEAD)
    }

    fn keeps(response: &Response<C>) -> bool {
        matches!(
            response.status(),
            StatusCode::OK
                | StatusCode::NON_AUTHORITATIVE_INFORMATION
                | StatusCode::NO_CONTENT
                | StatusCode::MULTIPLE_CHOICES
                | StatusCode::MOVED_PERMANENTLY
                | StatusCode::PERMANENT_REDIRECT
                | StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::GONE
                | StatusCode::URI_TOO_LONG
        )
    }
}

/// Every call that has a key, and every response that was judged a success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EveryCall;

impl<Req, Res> Admit<Req, Res> for EveryCall {
    fn admits(&self, _: &Req) -> bool {
        true
    }
}
