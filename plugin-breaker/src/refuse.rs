//! The answer to what a breaker refuses, and what the compiler says where there is none.

use plugin_core::Reject;

/// Answers what a circuit breaker refuses: every [`Reject`] does.
///
/// It is a trait of its own so that the compiler speaks of a breaker, which judges outcomes besides: a `.reject_with(..)` that
/// fits is not enough where failures are responses.
#[diagnostic::on_unimplemented(
    message = "a refusal of this circuit breaker cannot be answered as `Result<{Res}, {Err}>` by `{Self}`",
    label = "say `.for_http()` or `.for_grpc()`, or give it an error type that a refusal can become: `{Err}` has no `From<plugin_core::Rejected>`",
    note = "on an axum route or router (error `Infallible`): `.for_http()`, with `features = [\"http\"]` of plugin-breaker; a refusal is a 503, and a status from 500 a failure",
    note = "on a tonic server or channel: `.for_grpc()`, with `features = [\"grpc\"]` of plugin-breaker; a refusal is `UNAVAILABLE`, and the status in the trailers decides",
    note = "for an error type of your own write one impl, it serves every layer of the family: `impl From<plugin_core::Rejected> for {Err} {{ .. }}`",
    note = "over a client whose error type is foreign, put `plugin_core::BoxErrorLayer` beneath the layers, and if it speaks HTTP say `.classify(ByHttpStatus::new())`: a 500 is a success otherwise",
    note = "a closure in `.reject_with(..)` returns a `Result<{Res}, {Err}>`"
)]
pub trait Refuse<Res, Err>: Reject<Res, Err> {}

#[diagnostic::do_not_recommend]
impl<R: Reject<Res, Err> + ?Sized, Res, Err> Refuse<Res, Err> for R {}
