//! The details of an error, as `google.rpc` has them: what a status cannot say by its number.
//!
//! An `ErrorInfo` has our code for its reason, and in its metadata whether another attempt may help; a `RetryInfo` says when.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use plugin_core::{Code, PluginError, classify::retry_after};
use prost::Message;
use tonic_types::{ErrorDetails, RpcStatusExt, StatusExt, pb};

use super::status::GrpcStatus;
use crate::wire::{bounded, plugin_errors, retry_hint::RetryHint};

/// Whose codes they are.
pub(super) const DOMAIN: &str = "plugin.v1";

const RETRYABLE: &str = "retryable";
const DETAIL: &str = "detail";

/// Base64 of both, and the message besides, are to fit into the 8 KiB of headers that most peers read.
const LONGEST_MESSAGE: usize = 1 << 10;
const LONGEST_DETAIL: usize = 1 << 10;

/// The status that tells of an error.
pub(super) fn status_of(error: &PluginError) -> GrpcStatus {
    numbered(error, error.code().grpc_status())
}

/// The same with a number of its own.
pub(super) fn numbered(error: &PluginError, number: u8) -> GrpcStatus {
    let again = RetryHint::of_error(error);
    let mut more = HashMap::new();
    if let Some(retryable) = again.retryable {
        more.insert(RETRYABLE.to_owned(), retryable.to_string());
    }
    if let Some(detail) = error.detail_for_callers() {
        more.insert(DETAIL.to_owned(), bounded::cut(detail, LONGEST_DETAIL).to_owned());
    }
    let mut details = ErrorDetails::new();
    details.set_error_info(error.code().as_str(), DOMAIN, more);
    if again.retry_after.is_some() {
        details.set_retry_info(again.retry_after);
    }
    let (code, short) =
        (tonic::Code::from_i32(number.into()), bounded::cut(error.message_for_callers(), LONGEST_MESSAGE));
    let details = tonic::Status::with_error_details(code, short, details);
    GrpcStatus {
        number,
        message: error.message_for_callers().to_owned(),
        details: Bytes::copy_from_slice(details.details()),
        push_back: again.retry_after,
    }
}

/// What the details of a status say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Details {
    /// Where it is one that an answer can have.
    pub(super) code: Option<Code>,
    pub(super) detail: Option<String>,
    pub(super) again: RetryHint,
}

/// Reads them. What cannot be read says nothing, and the status stands by itself.
pub(super) fn read(status: &GrpcStatus) -> Details {
    let details = pb::Status::decode(&status.details[..]).ok().and_then(|details| details.check_error_details().ok());
    let details = details.unwrap_or_default();
    // Of a time that is negative the library makes zero.
    let retry_after = details.retry_info().and_then(|info| info.retry_delay).or(status.push_back);
    let retry_after = retry_after.map(|after: Duration| after.min(retry_after::MAX));
    let Some(ours) = details.error_info().filter(|info| info.domain == DOMAIN) else {
        return Details { again: RetryHint { retryable: None, retry_after }, ..Details::default() };
    };
    Details {
        code: plugin_errors::code(&ours.reason),
        detail: ours.metadata.get(DETAIL).cloned().map(bounded::text),
        again: RetryHint { retryable: ours.metadata.get(RETRYABLE).and_then(|text| text.parse().ok()), retry_after },
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use plugin_core::Rejected;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_an_error_says_is_read_again() {
        for (error, number) in [
            (PluginError::execution("no such user"), 2),
            (PluginError::execution("busy").with_retryable(true).with_retry_after(SECOND), 2),
            (PluginError::new(Code::InvalidPayload, "no"), 3),
            (PluginError::new(Code::Forbidden, "no"), 7),
            (PluginError::new(Code::Timeout, "late").with_retryable(false), 4),
            (PluginError::from(Rejected::rate_limited(SECOND / 4)), 8),
            (PluginError::execution("no").with_detail("line 7"), 2),
        ] {
            let mut headers = HeaderMap::new();
            status_of(&error).write(&mut headers);
            let status = GrpcStatus::read(&headers).expect("a status").expect("a number");
            assert_eq!((status.number, status.message.as_str()), (number, error.message()));
            let read = read(&status);
            let again = RetryHint::of_error(&error);
            assert_eq!(read, Details { code: Some(error.code()), detail: error.detail().map(str::to_owned), again });
        }
        let code = |error: PluginError| read(&status_of(&error)).code;
        assert_eq!(code(PluginError::connection("lost", plugin_core::Sent::Maybe)), None, "for the host to say");
    }

    #[test]
    fn the_details_of_others_say_when_and_nothing_else() {
        let mut details = ErrorDetails::new();
        details.set_error_info("PLUGIN_1206", "example.com", HashMap::new()).set_retry_info(Some(SECOND * 1_000_000));
        let status = tonic::Status::with_error_details(tonic::Code::Unavailable, "x", details);
        let status = GrpcStatus { details: Bytes::copy_from_slice(status.details()), ..GrpcStatus::default() };
        let again = RetryHint { retryable: None, retry_after: Some(retry_after::MAX) };
        assert_eq!(read(&status), Details { again, ..Details::default() });
        for garbage in [&b""[..], b"\xff\xff\xff", b"\x1a\x02\x0a\x09"] {
            let status = GrpcStatus { details: Bytes::from_static(garbage), ..GrpcStatus::default() };
            assert_eq!(read(&status), Details::default(), "{garbage:?}");
        }
    }

    #[test]
    fn the_longest_error_fits_into_what_peers_read() {
        let text = "é".repeat(10_000);
        let error = PluginError::execution(text.clone()).with_detail(text).with_retry_after(SECOND);
        let mut headers = HeaderMap::new();
        status_of(&error).write(&mut headers);
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        assert!(size < 8 << 10, "{size}");
        let status = GrpcStatus::read(&headers).expect("a status").expect("a number");
        assert_eq!(read(&status).code, Some(Code::ExecutionFailed));
    }
}
