//! Faults as RFC 9457 problem documents.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use plugin_core::{Code, PluginError};
use serde::Serialize;

/// The longest detail that is passed on, in bytes.
const MAX_DETAIL: usize = 4096;

#[derive(Serialize)]
struct Problem<'e> {
    r#type: &'static str,
    title: &'e str,
    status: u16,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'e str>,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin_detail: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// The response to an error: its status, `Retry-After` where it is known, and a problem document.
pub(crate) fn respond(error: &PluginError, request_id: Option<String>) -> Response<Body> {
    let code = error.code();
    let retry_after = error.retry_after();
    let problem = Problem {
        r#type: "about:blank",
        title: title(code),
        status: code.http_status(),
        detail: error.message().to_owned(),
        code: code.as_str(),
        plugin: error.plugin(),
        retryable: error.is_retryable() || retry_after.is_some(),
        retry_after_ms: retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
        plugin_detail: error.detail().map(bounded),
        request_id,
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(after) = retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if code == Code::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn title(code: Code) -> &'static str {
    use plugin_core::Kind;
    match code.kind() {
        Kind::Config => "Configuration fault",
        Kind::Auth => "Not allowed",
        Kind::NotFound => "Plugin not available",
        Kind::Payload => "Payload not accepted",
        Kind::Execution => "Plugin failed",
        Kind::Timeout => "Out of time",
        Kind::Connection => "Plugin not reached",
        Kind::CircuitOpen => "Circuit open",
        Kind::RateLimited => "Rate limit exceeded",
        Kind::Unhealthy => "Plugin unhealthy",
        Kind::NoEndpoint => "No instance available",
        Kind::Overloaded => "Overloaded",
        Kind::Security => "Forbidden by a security rule",
        Kind::Lifecycle => "Plugin not serving",
        _ => "Call failed",
    }
}

fn bounded(text: &str) -> &str {
    let mut end = text.len().min(MAX_DETAIL);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
