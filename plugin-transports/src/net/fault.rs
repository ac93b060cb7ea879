//! What it means for a call that its connection gave no answer.

use http::StatusCode;
use plugin_core::{ByErrorType, Classify, Code, PluginError, Sent, classify};

use super::{body::Unread, first_words::Refused, interim::TooMany, misspoken::is_no_http, pool::Lease};

/// The body of a success was not read to its end, which came on this connection. `code` is that of an answer that cannot be read.
pub(crate) fn unread(error: Unread<hyper::Error>, max: usize, lease: &Lease, code: Code) -> PluginError {
    match error {
        Unread::TooLarge => PluginError::reply_too_large(format!(
            "the plugin's answer is longer than `max_response`, which is {max} bytes"
        )),
        Unread::Broken(error) => {
            let is_told = lease.is_told(&error);
            let broken = if is_no_http(&error) {
                PluginError::new(code, "the rest of the plugin's answer is not HTTP, or its trailers are too long")
            } else if classify::is_of_one_stream(&error) {
                PluginError::connection("the plugin reset the call's stream in the middle of the answer", Sent::Maybe)
            } else {
                PluginError::connection("the connection broke in the middle of the answer", Sent::Maybe)
            };
            once(is_told, broken.with_source(error))
        }
        Unread::NotGzip(error) => {
            PluginError::new(code, "the plugin's answer says that it is gzip, and is not").with_source(error)
        }
    }
}

/// Adds the body of an answer that is no success. That of a redirect says where else the plugin is, which callers are not told.
pub(crate) fn with_body(error: PluginError, status: StatusCode, text: Option<String>) -> PluginError {
    match text {
        Some(text) if status.is_redirection() => error.with_detail_for_operators(text),
        Some(text) => error.with_detail(text),
        None => error,
    }
}

/// Whether the plugin has certainly not looked at a request that was handed to a connection.
pub(crate) fn is_unsent(error: &hyper::Error) -> bool {
    ByErrorType.classify(Err::<&(), _>(error)).sent() == Sent::Nothing
}

/// The request was handed to a connection, and no answer came. `code` is that of an answer that cannot be read.
pub(crate) fn lost(error: hyper::Error, sent: Sent, code: Code) -> PluginError {
    if let Some(fault) = TooMany::behind(&error) {
        return fault.with_source(error);
    }
    if is_no_http(&error) {
        let message = match error.is_parse_too_large() {
            true => "the head of the plugin's answer is longer than 64 KiB, or has more than 100 headers",
            false if classify::is_against_http2(&error) => {
                "the plugin's answer breaks the rules of HTTP/2, or its head is longer than 64 KiB"
            }
            false => "the plugin's answer is not HTTP",
        };
        return PluginError::new(code, message).with_sent(sent).with_source(error);
    }
    let message = match sent {
        Sent::Nothing if error.is_canceled() => "the connection closed before the request was sent",
        Sent::Nothing => "the plugin did not take the request",
        Sent::Maybe if classify::is_of_one_stream(&error) => "the plugin reset the call's stream before an answer came",
        Sent::Maybe => "the connection closed before an answer came",
    };
    PluginError::connection(message, sent).with_source(error)
}

/// Likewise; others may be lost with it.
pub(crate) fn lost_on(lease: &Lease, error: hyper::Error, sent: Sent, code: Code) -> PluginError {
    let is_told = lease.is_told(&error);
    let refused = lease.refused().and_then(Refused::error);
    once(
        is_told,
        match refused {
            Some(refused) => refused.with_source(error),
            None => lost(error, sent, code),
        },
    )
}

/// What befell connections at once is one piece of evidence, whoever tells it first.
fn once(is_told: bool, error: PluginError) -> PluginError {
    if is_told { error.as_no_evidence() } else { error }
}
