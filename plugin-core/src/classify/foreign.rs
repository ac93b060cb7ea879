//! Errors of tower, hyper and tonic that say what became of a call.

use std::error::Error;

use super::judgement::{Again, Judgement};
use crate::{Rejected, Sent};
#[cfg(feature = "tonic")]
use crate::{clock, deadline::cut};
#[cfg(any(feature = "hyper", feature = "tonic"))]
use {super::cause::Cause, crate::Code};

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
        return Some(cut_by_tonic());
    }
    None
}

/// An attempt that a limit of another crate has cut. The service was called, had the time that somebody configured for it,
/// and did not answer.
fn cut() -> Judgement {
    let limit = Judgement::from(&Rejected::attempt_timeout(std::time::Duration::ZERO));
    limit.with_again(Again::Yes).with_sent(Sent::Maybe)
}

/// An attempt that tonic has cut, at its own limit or at the deadline that it reads from `grpc-timeout`, which is that of a
/// layer of this family: then the rule is too.
#[cfg(feature = "tonic")]
fn cut_by_tonic() -> Judgement {
    match cut::told().filter(|time| time.is_up(clock::now())) {
        Some(time) => Judgement::from(&time.refusal()).with_sent(Sent::Maybe),
        None => cut(),
    }
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

/// Whether a server says over HTTP/2 that it has not looked at the request: it refused the stream, or went away and named
/// an earlier stream as the last that it took. Both may be repeated whatever they are (RFC 9113, 6.8 and 8.7). Of streams
/// that it took, the end of a connection is told as an error of the connection.
#[cfg(any(feature = "http2", feature = "channel"))]
pub(super) fn is_unprocessed(error: &(dyn Error + 'static)) -> bool {
    let Some(error) = error.downcast_ref::<h2::Error>().filter(|error| error.is_remote()) else { return false };
    error.is_go_away() || (error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// Whether an error of hyper's befell one stream of a connection of HTTP/2, which a reset of that stream has ended. Anything
/// else that ends a call there befalls all that are on the connection.
#[cfg(feature = "http2")]
#[must_use]
pub fn is_of_one_stream(error: &(dyn Error + 'static)) -> bool {
    of_http2(error).any(h2::Error::is_reset)
}

/// Whether an error of hyper's says that the other side has broken the rules of HTTP/2, for which its stream or its connection was
/// ended on this side.
#[cfg(feature = "http2")]
#[must_use]
pub fn is_against_http2(error: &(dyn Error + 'static)) -> bool {
    let in_order = [h2::Reason::NO_ERROR, h2::Reason::CANCEL, h2::Reason::REFUSED_STREAM];
    of_http2(error).any(|error| error.is_library() && error.reason().is_some_and(|reason| !in_order.contains(&reason)))
}

/// The errors of HTTP/2 behind this one.
#[cfg(feature = "http2")]
fn of_http2<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e h2::Error> {
    std::iter::successors(Some(error), |&error| error.source()).filter_map(|error| error.downcast_ref())
}

#[cfg(not(any(feature = "http2", feature = "channel")))]
pub(super) fn is_unprocessed(_: &(dyn Error + 'static)) -> bool {
    false
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
