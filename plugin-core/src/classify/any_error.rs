//! Judging by whether there is an error.

use std::error::Error;

use super::{amend, amendment::Amendment, error_chain, judge::Classify, judgement::Judgement};

/// Every response is a success and every error a failure, but for refusals and for what is the caller's own. The default
/// of every layer.
///
/// | error | verdict | another attempt |
/// |---|---|---|
/// | [`Rejected`](crate::Rejected) by a layer inside | ignored; a failure if it [is evidence](crate::Rejected::is_evidence), as an attempt that was cut at its limit | if its [code is retryable](crate::Code::is_retryable), or an attempt was cut; nothing was sent otherwise |
/// | [`PluginError`](crate::PluginError) | ignored if it is the caller's (a payload that cannot be read, an unknown name), else a failure | if it [is retryable](crate::PluginError::is_retryable), and it says what was sent |
/// | the caller's deadline | as above | never |
/// | `Overloaded` of tower's `load_shed` | ignored: the service was not called | yes; nothing was sent |
/// | `Elapsed` of tower's `timeout` | a failure, like any attempt that was cut at its limit | yes |
/// | tonic's `TimeoutExpired` (feature `tonic`) | the same at a limit of its own; at the deadline of a layer outside, which tonic is told, as that | yes; never at the deadline |
/// | `ServiceError` of tower's `buffer` (feature `buffer`) | as its cause | as its cause; nothing was sent |
/// | [`io::Error`](std::io::Error) | a failure | yes; nothing was sent if the connection was refused |
/// | an error of hyper or of its pooled client (feature `hyper`) | a failure | yes; nothing was sent if there was no connection yet, or none any more |
/// | one of h2's, for the source of hyper's or tonic's (feature `http2` or `channel`) | as what it is the source of | nothing was sent if the server refused the stream, or went away before it took it |
/// | `tonic::Status` (feature `tonic`) | by its number, as that of a response: see [`ByGrpcStatus`](crate::ByGrpcStatus); a failure where it was made of another error | `UNAVAILABLE`, and where the server says when; never after `CANCELLED` |
/// | `tonic::ConnectError` (feature `tonic`) | a failure | yes; nothing was sent |
/// | any other | a failure | yes, and something may have been sent: only where the request may be repeated |
///
/// The errors are known by their type, never by their text. They are found as they are, in a
/// [`BoxError`](crate::BoxError), and in what one of these has for its source: what is furthest in and known decides, but
/// no further in than a `PluginError`, which speaks for itself. An error enum of your own that wraps them is judged by
/// [`ByErrorChain`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByErrorType;

impl<Res, Err: 'static> Classify<Res, Err> for ByErrorType {
    const JUDGES_RESPONSES: bool = false;

    #[inline]
    fn classify(&self, result: Result<&Res, &Err>) -> Judgement {
        match result {
            Ok(_) => Judgement::success(),
            Err(error) => error_chain::value(error),
        }
    }

    fn amend(&self, outcome: &mut Result<Res, Err>, with: Amendment) {
        if let Err(error) = outcome {
            amend::error(error, with);
        }
    }
}

/// Like [`ByErrorType`], and looks through the chain of sources of any error. For error enums of your own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByErrorChain;

impl<Res, Err: Error + 'static> Classify<Res, Err> for ByErrorChain {
    const JUDGES_RESPONSES: bool = false;

    #[inline]
    fn classify(&self, result: Result<&Res, &Err>) -> Judgement {
        match result {
            Ok(_) => Judgement::success(),
            Err(error) => error_chain::chain(error),
        }
    }

    fn amend(&self, outcome: &mut Result<Res, Err>, with: Amendment) {
        if let Err(error) = outcome {
            amend::error(error, with);
        }
    }
}
