//! One judgement of an outcome, which every layer reads.
//!
//! [`Classify`] looks at a response's head, at an error or at the end of a body, once, and answers with a [`Judgement`].
//! Ready-made are [`ByErrorType`] and [`ByErrorChain`] for errors, [`ByHttpStatus`] and [`ByGrpcStatus`] for responses;
//! [`FailuresOn`] narrows each of them to the [`Condition`]s of a configuration. Every layer that judges takes a closure
//! too, by the same method:
//!
//! ```
//! use plugin_core::{PluginError, Verdict, telemetry::TelemetryLayer};
//!
//! let layer = TelemetryLayer::new("dice").classify_with(|result: Result<&u8, &PluginError>| match result {
//!     Ok(1..=6) => Verdict::Success,
//!     _ => Verdict::Failure,
//! });
//! # let _ = layer;
//! ```

mod amend;
mod any_error;
mod cause;
mod closure;
mod error_chain;
mod failures_on;
mod foreign;
#[cfg(feature = "grpc")]
mod grpc;
#[cfg(feature = "http")]
mod http;
mod judgement;
pub mod retry_after;

pub use amend::Amendment;
pub use any_error::{ByErrorChain, ByErrorType};
pub use cause::{Cause, Condition};
pub use closure::ClassifyFn;
pub(crate) use error_chain::{as_error, source_of};
pub use failures_on::FailuresOn;
#[cfg(feature = "http2")]
pub use foreign::is_of_one_stream;
#[cfg(feature = "grpc")]
pub use grpc::ByGrpcStatus;
#[cfg(feature = "http")]
pub use http::ByHttpStatus;
pub use judgement::{Again, Judgement, PushBack};

use crate::{End, clock::Instant, deadline::cut};

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

/// Judges the outcome of an attempt that began at the moment `began`. A layer that knows when the attempt began calls this,
/// and not [`Classify::classify`].
///
/// An error, or a gRPC status, that says no more than that the time was up which the service was told, such as tonic's
/// `Timeout expired`, is evidence against the service when the service had enough of it. What counts is the time of the attempt: a dependency that a handler called late
/// had less than the handler. An attempt that was never seen waiting began at [`Instant::MAX`]: it had none.
#[inline]
pub fn of_attempt<C, Res, Err>(classify: &C, result: Result<&Res, &Err>, began: Instant) -> Judgement
where
    C: Classify<Res, Err> + ?Sized,
{
    unless_told(classify, result, |judge| cut::narrow(began, judge))
}

/// Judges the outcome of a call that began at the moment `began`, for a layer that may stand outside of those that own its
/// time, and [forgets](cut::forget_told) what was told before it polls: the end of a told time is the same to it as to who
/// has judged it further in.
#[inline]
pub(crate) fn of_call<C, Res, Err>(classify: &C, result: Result<&Res, &Err>, began: Instant) -> Judgement
where
    C: Classify<Res, Err> + ?Sized,
{
    unless_told(classify, result, |judge| cut::as_told(began, judge))
}

/// Judges what may be the end of a told time in the time that is known of it, and a success as it is.
#[inline]
fn unless_told<C, Res, Err>(
    classify: &C,
    result: Result<&Res, &Err>,
    in_its_time: impl FnOnce(&dyn Fn() -> Judgement) -> Judgement,
) -> Judgement
where
    C: Classify<Res, Err> + ?Sized,
{
    /// Out of line, so that what is known of a success is known where it is asked for.
    #[cold]
    #[inline(never)]
    fn cold(judge: impl FnOnce() -> Judgement) -> Judgement {
        judge()
    }

    if result.is_ok() {
        let judged = classify.classify(result);
        if !judged.is_told_time() {
            return judged;
        }
    }
    cold(|| in_its_time(&|| classify.classify(result)))
}

/// Whether this classifier could ever judge an outcome of these types a failure.
///
/// It could not where it judges errors alone and the error type has no value, such as [`Infallible`](std::convert::Infallible),
/// the error of an axum route: there every outcome is a success, a status of 500 too. A layer that lives by failures refuses
/// such a stack when the program is built:
///
/// ```compile_fail,E0080
/// use std::convert::Infallible;
///
/// use plugin_core::{AnyError, classify::sees_failures};
///
/// const { assert!(sees_failures::<AnyError, http::Response<()>, Infallible>(), "say `.for_http()`") }
/// ```
#[must_use]
pub const fn sees_failures<C, Res, Err>() -> bool
where
    C: Classify<Res, Err>,
{
    // `Some(error)` and `None` are told apart wherever there can be an error, which takes a byte at least.
    C::JUDGES_RESPONSES || size_of::<Option<Err>>() > 0
}

/// Judges the outcome of a call.
///
/// An implementation of your own may begin with what a ready-made one says and change it, as
/// `ByErrorType.classify(result).with_verdict(..)`; what it leaves out of a judgement no layer will know.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot judge a `Result<{Res}, {Err}>`",
    note = "`ByHttpStatus` and `ByGrpcStatus` judge an `http::Response<_>`, `AnyError` any result whose error is `'static`; anything else is judged by a closure: `.classify_with(|result| ..)`"
)]
pub trait Classify<Res, Err> {
    /// Whether a response may be judged a failure, and not errors alone. `false` for [`ByErrorType`] and [`ByErrorChain`], to which
    /// an HTTP status of 500 is a response like any other. See [`sees_failures`].
    const JUDGES_RESPONSES: bool = true;

    /// Judges a response's head, or an error. Runs once for each outcome, so it should be quick for a success.
    fn classify(&self, result: Result<&Res, &Err>) -> Judgement;

    /// Judges how a body ended whose head was judged [`Verdict::AtEnd`]. Unless overridden, an error is judged as
    /// [`ByErrorType`] does and an orderly end is a success. [`Verdict::AtEnd`] is not an answer here and counts as ignored.
    fn classify_end(&self, end: End<'_>) -> Judgement {
        match end {
            End::Complete { .. } | End::Unfollowed => Judgement::success(),
            End::Error(error) => error_chain::chain(error),
        }
    }

    /// Adds to the outcome that a caller gets what other attempts of the same call say of it, so that one which was refused
    /// does not hide that another was sent. Unless overridden, nothing is added; the ready-made ones and closures know
    /// [`Rejected`](crate::Rejected), [`PluginError`](crate::PluginError) and `tonic::Status`, also in a
    /// [`BoxError`](crate::BoxError), and the refusal that a response carries.
    fn amend(&self, outcome: &mut Result<Res, Err>, with: Amendment) {
        let _ = (outcome, with);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::{BoxError, PluginError, fallback::EveryFailure};

    #[test]
    fn who_judges_errors_alone_sees_no_failure_where_there_can_be_no_error() {
        assert!(!sees_failures::<ByErrorType, (), Infallible>());
        assert!(!sees_failures::<ByErrorChain, (), Infallible>());
        assert!(!sees_failures::<EveryFailure, (), Infallible>());
        assert!(!sees_failures::<FailuresOn<ByErrorType>, (), Infallible>());
        // Errors of any size, also of none.
        assert!(sees_failures::<ByErrorType, (), ()>() && sees_failures::<ByErrorType, (), BoxError>());
        assert!(sees_failures::<ByErrorType, Infallible, PluginError>());
        type Closure = ClassifyFn<fn(Result<&(), &Infallible>) -> Verdict, (), Infallible>;
        assert!(sees_failures::<Closure, (), Infallible>());
        #[cfg(feature = "http")]
        assert!(sees_failures::<ByHttpStatus, ::http::Response<()>, Infallible>());
    }
}
