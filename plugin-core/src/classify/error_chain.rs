//! Judging by an error and its sources.

use std::{any::Any, error::Error, io};

use super::{
    cause::Cause,
    foreign,
    grpc_verdict::{self, CANCELLED},
    judgement::{Again, Judgement},
    verdict::Verdict,
};
use crate::{Attributed, BoxError, Code, CodeKind, PluginError, Rejected, Sent, deadline::cut};

/// The error inside a value of any type, where that type is known for an error that may hold a refusal or says what was
/// sent.
fn as_error(value: &dyn Any) -> Option<&(dyn Error + 'static)> {
    macro_rules! one_of {
        ($($(#[$cfg:meta])? $kind:ty),+ $(,)?) => {$(
            $(#[$cfg])?
            if let Some(error) = value.downcast_ref::<$kind>() {
                return Some(error);
            }
        )+};
    }
    if let Some(error) = value.downcast_ref::<BoxError>() {
        return Some(&**error);
    }
    one_of!(
        PluginError,
        Rejected,
        io::Error,
        tower::load_shed::error::Overloaded,
        tower::timeout::error::Elapsed,
        #[cfg(feature = "buffer")]
        tower::buffer::error::ServiceError,
        #[cfg(feature = "hyper")]
        hyper_util::client::legacy::Error,
        #[cfg(feature = "hyper")]
        hyper::Error,
        #[cfg(feature = "tonic")]
        tonic::Status,
        #[cfg(feature = "tonic")]
        tonic::ConnectError,
        #[cfg(feature = "channel")]
        tonic::transport::Error,
    );
    None
}

/// The source of an error. What an `io::Error` was made from is its source too, though it names the source of that.
fn source_of<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let made_from = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    made_from.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
}

impl Rejected {
    /// Finds a refusal in an error or in its chain of sources, also inside a [`PluginError`].
    #[must_use]
    pub fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Rejected> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(rejected) = error.downcast_ref::<Rejected>() {
                return Some(rejected);
            }
            // Its source may be another one than the refusal.
            if let Some(rejected) = error.downcast_ref::<PluginError>().and_then(PluginError::rejected) {
                return Some(rejected);
            }
            next = source_of(error);
        }
        None
    }

    /// Finds a refusal in any value that may hold one: [`Rejected`], [`PluginError`], [`BoxError`](crate::BoxError),
    /// `io::Error`, and errors of tower, hyper (feature `hyper`) and tonic (features `tonic` and `channel`) that may wrap
    /// one. Other types answer `None`; [`Rejected::find`] looks into
    /// an error's sources.
    #[must_use]
    pub fn find_in<E: 'static>(value: &E) -> Option<&Rejected> {
        as_error(value).and_then(Self::find)
    }
}

/// An error of any type.
#[cold]
pub(super) fn value<Err: 'static>(error: &Err) -> Judgement {
    as_error(error).map_or(Judgement::failure(), chain)
}

/// An error and its sources. What is furthest in and known decides, but no further in than what speaks for itself.
#[cold]
pub(super) fn chain(error: &(dyn Error + 'static)) -> Judgement {
    let (mut judged, mut is_unsent) = (Judgement::failure(), false);
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<PluginError>() {
            judged = of_plugin_error(error);
            break;
        }
        if let Some(rejected) = error.downcast_ref::<Rejected>() {
            judged = rejected.into();
            break;
        }
        if let Some(known) = foreign::judge(error) {
            judged = known;
            break;
        }
        is_unsent |= foreign::is_unbuffered(error) || foreign::is_unprocessed(error);
        next = source_of(error);
        if let Some(error) = error.downcast_ref::<io::Error>() {
            judged = of_io(error);
        }
        #[cfg(feature = "tonic")]
        if let Some(status) = error.downcast_ref::<tonic::Status>() {
            judged = super::grpc_number::of_status(status);
            // Made of an error, whatever number it was given: the connection was lost, and the source may say how.
            if next.is_some() && judged.refusal().is_none() {
                judged = judged.with_verdict(Verdict::Failure);
            }
        }
    }
    if is_unsent { judged.with_sent(Sent::Nothing) } else { judged }
}

fn of_plugin_error(error: &PluginError) -> Judgement {
    let refusal = match error.rejected() {
        Some(rejected) => Some(Judgement::from(rejected)),
        // Of another crate, or wrapped in an error with a code of its own.
        None => {
            let cause = error.source().map(chain).filter(|cause| cause.refusal().is_some());
            cause.or_else(|| cut::end_of_told_time(error, false).as_ref().map(Judgement::from))
        }
    };
    let verdict = match (&refusal, error.kind()) {
        (Some(refusal), _) => refusal.verdict(),
        (None, _) if !error.is_news() => Verdict::Ignored,
        // As the head of a response with this status: it was answered, and who asked or who configured it is at fault.
        (None, CodeKind::Connection) if error.http_status().is_some_and(|status| (300..500).contains(&status)) => {
            Verdict::Ignored
        }
        (None, CodeKind::Connection)
            if error.grpc_status().is_some_and(|status| grpc_verdict::verdict(status) != Verdict::Failure) =>
        {
            Verdict::Ignored
        }
        (None, CodeKind::Execution | CodeKind::Timeout | CodeKind::Connection | CodeKind::Unhealthy) => {
            Verdict::Failure
        }
        (None, _) => Verdict::Ignored,
    };
    let again = match error.is_retryable() {
        true => Again::Yes,
        // A time-out that is not worth a second attempt was the deadline over all attempts.
        false if error.code() == Code::Timeout => Again::Never,
        // Whoever has cancelled it has gone.
        false if error.grpc_status() == Some(CANCELLED) => Again::Never,
        false => Again::No,
    };
    let mut judged = Judgement::from(verdict).with_again(again).with_sent(error.sent());
    judged = judged.with_cause(match (error.http_status(), error.grpc_status()) {
        (Some(status), _) => Cause::CodeOfHttp(error.code(), status),
        (None, Some(status)) => Cause::CodeOfGrpc(error.code(), status),
        (None, None) => Cause::Code(error.code()),
    });
    if let Some(refusal) = refusal {
        judged = judged.with_refusal_of(&refusal);
    }
    if let Some(instance) = error.instance() {
        judged = judged.with_instance(instance);
    }
    error.retry_after().map_or(judged, |after| judged.with_retry_after(after))
}

fn of_io(error: &io::Error) -> Judgement {
    // Of no other kind it is known that it came from connecting: a file that is not there may be missed half way through the
    // work, as may an address. Whoever connects where these say it, such as to a socket's path, knows it (`foreign`).
    let sent = match error.kind() {
        io::ErrorKind::ConnectionRefused => Sent::Nothing,
        _ => Sent::Maybe,
    };
    Judgement::failure().with_again(Again::Yes).with_cause(Cause::Code(Code::ConnectionFailed)).with_sent(sent)
}

#[cfg(test)]
mod tests;
