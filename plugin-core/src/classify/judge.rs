//! The trait of everything that judges outcomes.

use super::{amendment::Amendment, error_chain, judgement::Judgement};
use crate::End;

/// Whether this classifier could ever judge an outcome of these types a failure.
///
/// It could not where it judges errors alone and the error type has no value, such as [`Infallible`](std::convert::Infallible),
/// the error of an axum route: there every outcome is a success, a status of 500 too. A layer that lives by failures refuses
/// such a stack when the program is built:
///
/// ```compile_fail,E0080
/// use std::convert::Infallible;
///
/// use plugin_core::{ByErrorType, classify::sees_failures};
///
/// const { assert!(sees_failures::<ByErrorType, http::Response<()>, Infallible>(), "say `.for_http()`") }
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
    note = "`ByHttpStatus` and `ByGrpcStatus` judge an `http::Response<_>`, `ByErrorType` any result whose error is `'static`; anything else is judged by a closure: `.classify(|result: Result<&Response, &Error>| ..)`, with its types, or `.classify(plugin_core::classify::closure(|result| ..))`"
)]
pub trait Classify<Res, Err> {
    /// Whether a response may be judged a failure, and not errors alone. `false` for [`ByErrorType`] and [`ByErrorChain`], to which
    /// an HTTP status of 500 is a response like any other. See [`sees_failures`].
    ///
    /// [`ByErrorType`]: crate::ByErrorType
    /// [`ByErrorChain`]: crate::ByErrorChain
    const JUDGES_RESPONSES: bool = true;

    /// Judges a response's head, or an error. Runs once for each outcome, so it should be quick for a success.
    fn classify(&self, result: Result<&Res, &Err>) -> Judgement;

    /// Judges how a body ended whose head was judged [`Verdict::AtEnd`]. Unless overridden, an error is judged as
    /// [`ByErrorType`] does and an orderly end is a success. [`Verdict::AtEnd`] is not an answer here and counts as ignored.
    ///
    /// [`ByErrorType`]: crate::ByErrorType
    /// [`Verdict::AtEnd`]: crate::Verdict::AtEnd
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
    use crate::{BoxError, ByErrorChain, ByErrorType, PluginError, Verdict, classify::FailuresOn};

    #[test]
    fn who_judges_errors_alone_sees_no_failure_where_there_can_be_no_error() {
        assert!(!sees_failures::<ByErrorType, (), Infallible>());
        assert!(!sees_failures::<ByErrorChain, (), Infallible>());
        assert!(!sees_failures::<FailuresOn<ByErrorType>, (), Infallible>());
        // Errors of any size, also of none.
        assert!(sees_failures::<ByErrorType, (), ()>() && sees_failures::<ByErrorType, (), BoxError>());
        assert!(sees_failures::<ByErrorType, Infallible, PluginError>());
        type Closure = fn(Result<&(), &Infallible>) -> Verdict;
        assert!(sees_failures::<Closure, (), Infallible>());
        #[cfg(feature = "http")]
        assert!(sees_failures::<crate::ByHttpStatus, ::http::Response<()>, Infallible>());
    }
}
