//! Errors of tower, hyper and tonic that say what became of a call.

use std::error::Error;

use super::{Again, Judgement};
#[cfg(any(feature = "hyper", feature = "tonic"))]
use crate::{Code, classify::Cause};
use crate::{Rejected, Sent, deadline::cut};

/// What is known of an error of another crate, by its type.
pub(super) fn judge(error: &(dyn Error + 'static)) -> Option<Judgement> {
    if error.is::<tower::load_shed::error::Overloaded>() {
        return Some(Judgement::from(&Rejected::overloaded()));
    }
    if error.is::<tower::timeout::error::Elapsed>() {
        return Some(cut());
    }
    #[cfg(feature = "hyper")]
    if is_unsent_by_hyper(error) {
        return Some(not_connected());
    }
    #[cfg(feature = "tonic")]
    if error.is::<tonic::ConnectError>() {
        return Some(not_connected());
    }
    #[cfg(feature = "tonic")]
    if error.is::<tonic::TimeoutExpired>() {
        return Some(cut());
    }
    None
}

/// An attempt that a limit of another crate has cut. What the limit was is not told; the service was called, had that
/// time, and did not answer.
fn cut() -> Judgement {
    // Under a limit of this family the rule is its own: tonic reads `grpc-timeout` itself and is a moment earlier than the
    // layer that has set it, or that enforces what a caller in a hurry has set.
    if let Some(cut) = cut::elapsed()
        && !cut.is_evidence()
    {
        return Judgement::from(&Rejected::deadline_exceeded(cut.ran(), None).with_sent(Sent::Maybe));
    }
    let limit = Judgement::from(&Rejected::attempt_timeout(std::time::Duration::ZERO));
    limit.with_again(Again::Yes).with_sent(Sent::Maybe)
}

/// There was no connection that the request could have left by.
#[cfg(any(feature = "hyper", feature = "tonic"))]
fn not_connected() -> Judgement {
    Judgement::failure().with_again(Again::Yes).with_cause(Cause::Code(Code::ConnectionFailed)).with_sent(Sent::Nothing)
}

/// Whether hyper or its pooled client says that the request was never written: no connection could be made, or the one
/// that was to carry it was gone before.
#[cfg(feature = "hyper")]
fn is_unsent_by_hyper(error: &(dyn Error + 'static)) -> bool {
    let pooled = error.downcast_ref::<hyper_util::client::legacy::Error>();
    pooled.is_some_and(hyper_util::client::legacy::Error::is_connect)
        || error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
}

/// Whether a buffer of tower's failed the call before its service was called.
#[cfg(feature = "buffer")]
pub(super) fn is_unbuffered(error: &(dyn Error + 'static)) -> bool {
    error.is::<tower::buffer::error::ServiceError>()
}

#[cfg(not(feature = "buffer"))]
pub(super) fn is_unbuffered(_: &(dyn Error + 'static)) -> bool {
    false
}
