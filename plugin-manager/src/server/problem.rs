//! Faults as RFC 9457 problem documents.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use plugin_core::{Code, PluginError, Sent};
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
    /// How much of the call reached the plugin: `no`, `maybe` or `yes`. It says whether a second attempt could repeat an
    /// effect, where `retryable` says whether one could help.
    sent: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin_detail: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// The response to an error: its status, `Retry-After` where it is known, and a problem document.
pub(crate) fn respond(error: &PluginError, request_id: Option<String>) -> Response<Body> {
    respond_as(None, error, request_id)
}

/// Likewise, with a status that says more than the error's own.
pub(super) fn respond_as(known: Option<StatusCode>, error: &PluginError, request_id: Option<String>) -> Response<Body> {
    let (code, status) = (error.code(), known.unwrap_or_else(|| status(error)));
    let retry_after = error.retry_after();
    let problem = Problem {
        r#type: "about:blank",
        title: title(code),
        status: status.as_u16(),
        detail: error.message().to_owned(),
        code: code.as_str(),
        plugin: error.plugin(),
        retryable: error.is_retryable() || retry_after.is_some(),
        sent: sent(error),
        retry_after_ms: retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
        plugin_detail: error.detail().map(bounded),
        request_id,
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
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

/// That of the code, but for what the plugin did: its reply that is too large is no fault of the caller's payload, and its
/// own 429 and 503 mean the same from here.
fn status(error: &PluginError) -> StatusCode {
    let of_plugin = error.http_status().and_then(|status| StatusCode::from_u16(status).ok());
    match (error.code(), of_plugin) {
        (Code::PayloadTooLarge, _) if error.sent() != Sent::Nothing => StatusCode::BAD_GATEWAY,
        (Code::HttpTransport, Some(status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE))) => {
            status
        }
        (code, _) => StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn sent(error: &PluginError) -> &'static str {
    match error.sent() {
        Sent::Nothing => "no",
        // It answered.
        Sent::Maybe if error.code() == Code::ExecutionFailed || error.http_status().is_some() => "yes",
        Sent::Maybe => "maybe",
    }
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
