//! The fuzz target of what a caller says of a call.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use plugin_core::{CallContext, Code};

use super::context;

/// Headers are a context that keeps to them, or are refused in a few words; the id that an answer has is one that can be
/// printed.
pub fn request_headers(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        let value = HeaderValue::from_bytes(value.get(1..).unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), value) {
            headers.append(name, value);
        }
    }
    let id = context::request_id(headers.get("x-request-id"));
    assert!((1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()), "{id:?}");

    let mut context = CallContext::new();
    if let Err(error) = context::read(&headers, &mut context) {
        assert_eq!(error.code(), Code::InvalidPayload);
        return assert!(error.message().len() < 1024, "{error}");
    }
    if headers.contains_key("x-request-id") {
        assert_eq!(context.request_id().to_string(), id);
    }
    assert_eq!(context.deadline().is_some(), headers.contains_key("x-request-timeout"));
    assert!(context.remaining(context.received()).is_none_or(|left| !left.is_zero()));
    for (name, value) in context.headers().into_iter().flatten() {
        assert!(headers.get_all(name).iter().any(|own| own == value));
        assert!(!["authorization", "cookie", "x-api-key"].contains(&name.as_str()));
    }
}

#[cfg(test)]
fuzz_twins::twins!(request_headers);
