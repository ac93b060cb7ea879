//! From a request of HTTP to a call.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode, header};
use http_body::Body;
use plugin_core::{Call, CallContext, Code, TraceContext, clock::Instant, go_duration, rounded};

use super::{options::Settings, problem::problem};
use crate::{
    http::envelope,
    net::body::{self, Parts, Unread},
    wire::header_names,
};

/// A call, and the id to answer with.
pub(super) struct Decoded {
    pub(super) call: Call<Bytes>,
    pub(super) request_id: String,
}

/// Reads a call. The error is the answer to give.
pub(super) async fn decode<B: Body>(
    headers: &HeaderMap,
    body: B,
    settings: &Settings,
    received: Instant,
) -> Result<Decoded, Box<Response<Parts>>> {
    let shown_id = text(headers, header_names::REQUEST_ID);
    let refuse = |status, code, detail: &str| Box::new(problem(status, code, detail, shown_id));
    if !is_json(headers) {
        let detail = "the body of a call is application/json, and not compressed";
        return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidPayload, detail));
    }
    let bad = |detail: &str| refuse(StatusCode::BAD_REQUEST, Code::InvalidPayload, detail);
    let limit = timeout(headers).map_err(|detail| bad(&detail))?;

    let max = settings.max_body;
    let reading = tokio::time::timeout(settings.body_timeout, body::read(body, max, false));
    let bytes = match reading.await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(Unread::TooLarge)) => {
            let detail = format!("the body is longer than {max} bytes");
            return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, &detail));
        }
        Ok(Err(Unread::Broken(_) | Unread::NotGzip(_))) => return Err(bad("the body broke off")),
        Err(_) => {
            let detail = format!("the body did not arrive within {}", rounded(settings.body_timeout));
            return Err(refuse(StatusCode::REQUEST_TIMEOUT, Code::Timeout, &detail));
        }
    };
    let envelope = envelope::read_request(&bytes, settings.json).map_err(|detail| bad(&detail))?;

    let mut context = CallContext::received_at(received);
    if let Some(id) = envelope.request_id.as_deref().or(shown_id) {
        context.set_request_id(id);
    }
    for limit in [limit, envelope.timeout].into_iter().flatten() {
        context = context.with_timeout(limit);
    }
    if !envelope.headers.is_empty() {
        context.headers_mut().extend(envelope.headers.into_iter().map(|(name, value)| (Some(name), value)));
    }
    if !envelope.metadata.is_empty() {
        *context.metadata_mut() = envelope.metadata;
    }
    if let Some(trace) = text(headers, header_names::TRACEPARENT).and_then(TraceContext::parse) {
        context.set_trace(trace.with_state(text(headers, header_names::TRACESTATE).unwrap_or_default()));
    }
    if headers.contains_key(header_names::IDEMPOTENCY_KEY) {
        context.set_idempotent(true);
    }
    let request_id = context.request_id().to_string();
    Ok(Decoded { call: Call::with_context(context, envelope.data), request_id })
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok()).filter(|text| !text.is_empty())
}

/// A request without a type is taken for JSON. Any other type is refused, also because a page of another site can make a
/// browser send those, and not this one.
fn is_json(headers: &HeaderMap) -> bool {
    let coding = text(headers, header::CONTENT_ENCODING).is_none_or(|coding| coding.eq_ignore_ascii_case("identity"));
    let json = headers.get(header::CONTENT_TYPE).is_none_or(|value| {
        if value == "application/json" {
            return true;
        }
        let kind = value.to_str().unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
    });
    coding && json
}

fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, String> {
    let Some(text) = text(headers, header_names::REQUEST_TIMEOUT) else { return Ok(None) };
    go_duration::parse(text).map(Some).map_err(|problem| format!("`X-Request-Timeout` is {text:?}: {problem}"))
}
