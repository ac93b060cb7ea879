//! Answers that are no success, as RFC 9457 writes them.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use plugin_core::{AsHttpResponse, Code, PluginError, Reject};
use serde::Serialize;

use crate::{net::body::Parts, wire::retry_hint::RetryHint};

#[derive(Serialize)]
struct ProblemJson<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// A problem with this status.
pub(super) fn problem(status: StatusCode, code: Code, detail: &str, request_id: Option<&str>) -> Response<Parts> {
    let again = RetryHint { retryable: Some(code.is_retryable()), retry_after: None };
    of(status, code, detail, again, request_id)
}

fn of(status: StatusCode, code: Code, detail: &str, again: RetryHint, request_id: Option<&str>) -> Response<Parts> {
    let problem = ProblemJson {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail,
        code: code.as_str(),
        retryable: again.retryable.unwrap_or_default(),
        retry_after_ms: again.retry_after_ms(),
        request_id,
    };
    let mut response = json(status, serde_json::to_vec(&problem).unwrap_or_default());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// A refusal of the plugin's own layers, or an error that is not the plugin's own failure.
pub(super) fn of_error(error: &PluginError, request_id: &str) -> Response<Parts> {
    if let Some(rejected) = error.rejected() {
        let Ok(response) = refuse(*rejected);
        return response;
    }
    let status = StatusCode::from_u16(error.code().http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response =
        of(status, error.code(), error.message_for_callers(), RetryHint::of_error(error), Some(request_id));
    if let Some(after) = error.retry_after() {
        // Rounded up: who comes back on the second must not be early.
        let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn refuse(rejected: plugin_core::Rejected) -> Result<Response<Parts>, std::convert::Infallible> {
    AsHttpResponse.reject(rejected)
}

/// An answer of JSON.
pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Response<Parts> {
    json_parts(status, Parts::from(Bytes::from(body)))
}

pub(super) fn json_parts(status: StatusCode, body: Parts) -> Response<Parts> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
