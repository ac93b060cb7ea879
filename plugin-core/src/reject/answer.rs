//! Who answers a refusal, and the answer that is an error.

use crate::Rejected;

/// Answers a refusal in the types of the service that is wrapped.
///
/// A layer of this family keeps the error type of its inner service. When it refuses a request it asks a `Reject` for
/// the answer: an error ([`AsErrorValue`], the default), or a response (`AsHttpResponse`, `AsGrpcStatus`), which leaves
/// the error type alone and so fits an `axum::Router`, whose error is `Infallible`. A closure
/// `Fn(Rejected) -> Result<Res, Err>` is a `Reject` too.
#[diagnostic::on_unimplemented(
    message = "a refusal cannot be answered as `Result<{Res}, {Err}>` by `{Self}`",
    label = "with the default `AsErrorValue` the error type `{Err}` needs `From<plugin_core::Rejected>`; else add another `.reject_with(..)`",
    note = "for an error type of your own write one impl, it serves every layer of the family: `impl From<plugin_core::Rejected> for {Err} {{ .. }}`",
    note = "on an axum route or router (error `Infallible`) add to each layer `.for_http()`, or where it has none `.reject_with(AsHttpResponse)`; on a tonic server or channel `.for_grpc()`, or `.reject_with(AsGrpcStatus)`: they need the features `http` and `grpc` of the layer's crate",
    note = "over a client whose error type is foreign, put `plugin_core::BoxErrorLayer` beneath the layers: `BoxError` has `From<Rejected>`",
    note = "a closure in `.reject_with(..)` returns a `Result<{Res}, {Err}>`"
)]
pub trait Reject<Res, Err> {
    /// The answer.
    ///
    /// # Errors
    ///
    /// When the answer is an error rather than a response.
    fn reject(&self, rejected: Rejected) -> Result<Res, Err>;
}

/// Answers with an error made by `From<Rejected>`: the default.
///
/// `BoxError` has that impl from the standard library, [`PluginError`](crate::PluginError) has it, `tonic::Status` has
/// it with the feature `tonic`, and an error type of your own needs one such impl for the whole family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsErrorValue;

#[diagnostic::do_not_recommend]
impl<Res, Err: From<Rejected>> Reject<Res, Err> for AsErrorValue {
    fn reject(&self, rejected: Rejected) -> Result<Res, Err> {
        Err(rejected.into())
    }
}

#[diagnostic::do_not_recommend]
impl<Res, Err, F> Reject<Res, Err> for F
where
    F: Fn(Rejected) -> Result<Res, Err>,
{
    fn reject(&self, rejected: Rejected) -> Result<Res, Err> {
        self(rejected)
    }
}
