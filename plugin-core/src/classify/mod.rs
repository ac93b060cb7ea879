//! Judging an outcome: success, failure, or neither.

mod any_error;
mod closure;
#[cfg(feature = "grpc")]
mod grpc;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
pub mod retry_after;

use std::time::Duration;

pub use any_error::{AnyError, ErrorChain};
pub use closure::ClassifyFn;
#[cfg(feature = "grpc")]
pub use grpc::ByGrpcStatus;
#[cfg(feature = "http")]
pub use http::ByHttpStatus;

use crate::{End, Rejected};

/// What an outcome says of the service that produced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The service works.
    Success,
    /// The service does not.
    Failure,
    /// It says nothing of the service, such as a refusal or the caller's own mistake.
    Ignored,
    /// The head does not tell: judge when the body has ended, by [`Classify::classify_end`].
    AtEnd,
}

/// Judges the outcome of a call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot judge a `Result<{Res}, {Err}>`",
    note = "`ByHttpStatus` and `ByGrpcStatus` judge an `http::Response<_>`, `AnyError` any result whose error is `'static`; anything else is judged by a closure: `.classify_with(|result| ..)`"
)]
pub trait Classify<Res, Err> {
    /// Judges a response's head, or an error.
    fn classify(&self, result: Result<&Res, &Err>) -> Verdict;

    /// Judges how a body ended whose head was judged [`Verdict::AtEnd`]. Unless overridden, an error is a failure and
    /// an orderly end a success. [`Verdict::AtEnd`] is not an answer here and counts as ignored.
    fn classify_end(&self, end: End<'_>) -> Verdict {
        match end {
            End::Complete { .. } | End::Unfollowed => Verdict::Success,
            End::Error(_) => Verdict::Failure,
        }
    }

    /// The refusal, where a layer of this family further in has answered with a response. Unless overridden, none: a
    /// refusal that is an error is found by [`Rejected::find_in`](crate::Rejected::find_in).
    fn refusal<'r>(&self, response: &'r Res) -> Option<&'r Rejected> {
        let _ = response;
        None
    }

    /// When the service itself says that it can be called again. Unless overridden, never.
    fn retry_after(&self, result: Result<&Res, &Err>) -> Option<Duration> {
        let _ = result;
        None
    }

    /// The same for a body that has ended: gRPC says it in trailers. Unless overridden, never.
    fn retry_after_end(&self, end: End<'_>) -> Option<Duration> {
        let _ = end;
        None
    }
}
