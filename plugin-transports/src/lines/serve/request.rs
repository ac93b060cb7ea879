//! What a plugin reads and writes: the other direction of the codec.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use bytes::Bytes;
use plugin_core::{Call, CallContext, Code};
use serde::Deserialize;

use crate::{
    json::{Limits, cut},
    lines::scan::{self, Found},
    wire::{
        headers, json_faults,
        json_writer::{push_str, push_texts},
        part,
        retry_hint::RetryHint,
    },
};

/// One request of the host.
#[derive(Debug)]
pub(super) struct LineRequest {
    pub(super) id: RequestName,
    pub(super) method: Method,
    pub(super) call: Call<Bytes>,
}

/// What the host wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Execute,
    Info,
    Health,
    Init,
    Shutdown,
    Unknown(String),
}

impl Method {
    fn of(name: &str) -> Self {
        match name {
            "execute" => Self::Execute,
            "info" => Self::Info,
            "health" => Self::Health,
            "init" => Self::Init,
            "shutdown" => Self::Shutdown,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// The id as the host wrote it, JSON and all, to be given back unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestName(Bytes);

impl RequestName {
    /// The id of a line that cannot be read as a request; empty when there is none to be found.
    pub(super) fn found(found: Found) -> Self {
        Self(match found.id {
            None => Bytes::from_static(b"\"\""),
            Some(scan::Id::Text(id)) => Bytes::from(format!("\"{id:016x}\"")),
            Some(scan::Id::Number { value, quoted: true }) => Bytes::from(format!("\"{value}\"")),
            Some(scan::Id::Number { value, .. }) => Bytes::from(value.to_string()),
        })
    }
}

#[derive(Deserialize)]
struct RawRequest<'a> {
    #[serde(borrow, deserialize_with = "id")]
    id: &'a str,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "part::raw")]
    payload: Option<&'a str>,
    #[serde(borrow, default)]
    context: Option<RawContext<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawContext<'a> {
    #[serde(borrow)]
    request_id: Cow<'a, str>,
    /// Go's durations are signed, and a negative one is one that has passed.
    timeout: i64,
    max_retries: i64,
    headers: Option<BTreeMap<String, String>>,
    metadata: Option<BTreeMap<String, String>>,
}

/// The id as it is written, be it `null`.
fn id<'de: 'a, 'a, D: serde::Deserializer<'de>>(deserializer: D) -> Result<&'a str, D::Error> {
    Ok(<&'a serde_json::value::RawValue>::deserialize(deserializer)?.get())
}

impl<'a> RawRequest<'a> {
    /// As nearly all are read.
    fn cut(text: &'a str) -> Option<Self> {
        let [id, method, payload, context] = cut(text, &["id", "method", "payload", "context"], Limits::none())?;
        let context = context.map(serde_json::from_str).transpose().ok()?;
        Some(Self { id: id?, method: part::plain_text(method?)?, payload, context })
    }
}

pub(super) fn decode(line: &Bytes) -> Result<LineRequest, String> {
    let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let raw = match RawRequest::cut(text) {
        Some(raw) => raw,
        None => serde_json::from_str(text).map_err(|error| json_faults::said(&error))?,
    };
    let payload = match raw.payload {
        Some(payload) => line.slice_ref(payload.as_bytes()),
        None => Bytes::from_static(b"null"),
    };
    let context = raw.context.unwrap_or_default().read()?;
    Ok(LineRequest {
        id: RequestName(line.slice_ref(raw.id.as_bytes())),
        method: Method::of(&raw.method),
        call: Call::with_context(context, payload),
    })
}

impl RawContext<'_> {
    fn read(self) -> Result<CallContext, String> {
        let mut context = CallContext::new();
        if !self.request_id.is_empty() {
            context.set_request_id(&self.request_id);
        }
        // Zero is how Go says that there is none.
        if self.timeout != 0 {
            context = context.with_timeout(Duration::from_nanos(u64::try_from(self.timeout).unwrap_or(0)));
        }
        context.limit_retries(u16::try_from(self.max_retries.max(0)).unwrap_or(u16::MAX));
        if let Some(headers) = self.headers {
            headers::set(&mut context, headers::of_texts(&headers)?);
        }
        if let Some(metadata) = self.metadata.filter(|metadata| !metadata.is_empty()) {
            *context.metadata_mut() = metadata;
        }
        Ok(context)
    }
}

/// A reply that carries a result: JSON on one line.
pub(super) fn result(id: &RequestName, json: &[u8], metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let mut line = begin(id, json.len());
    line.extend_from_slice(b"\"result\":");
    line.extend_from_slice(json);
    if !metadata.is_empty() {
        line.extend_from_slice(b",\"metadata\":");
        push_texts(&mut line, metadata.iter().map(|(key, value)| (key.as_str(), Cow::Borrowed(value.as_str()))));
    }
    line.extend_from_slice(b"}\n");
    line
}

/// A reply that carries an error of the plugin itself.
pub(super) fn error(id: &RequestName, text: &str) -> Vec<u8> {
    fault(id, Code::ExecutionFailed, text, RetryHint::default())
}

/// A reply that carries an error. An empty text would mean success, so it never is. The code that an error has anyway is
/// not written, nor what that code says of another attempt.
pub(super) fn fault(id: &RequestName, code: Code, text: &str, again: RetryHint) -> Vec<u8> {
    let text = if text.is_empty() { "the plugin failed, and did not say why" } else { text };
    let mut line = begin(id, text.len());
    line.extend_from_slice(b"\"error\":");
    push_str(&mut line, text);
    if code != Code::ExecutionFailed {
        line.extend_from_slice(b",\"code\":");
        push_str(&mut line, code.as_str());
    }
    let again = again.beyond(code);
    if let Some(retryable) = again.retryable {
        line.extend_from_slice(if retryable { b",\"retryable\":true" } else { b",\"retryable\":false" });
    }
    if let Some(millis) = again.retry_after_ms() {
        line.extend_from_slice(format!(",\"retry_after_ms\":{millis}").as_bytes());
    }
    line.extend_from_slice(b"}\n");
    line
}

/// The id comes first: a host can then tell whose reply is too long for it.
fn begin(id: &RequestName, length: usize) -> Vec<u8> {
    let mut line = Vec::with_capacity(length + id.0.len() + 32);
    line.extend_from_slice(b"{\"id\":");
    line.extend_from_slice(&id.0);
    line.push(b',');
    line
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str) -> LineRequest {
        decode(&Bytes::copy_from_slice(text.as_bytes())).expect("a request")
    }

    #[test]
    fn a_request_is_read_with_all_that_travels() {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let request = read(&format!(
            r#"{{"id":"7","method":"execute","payload":{{"a": 1}},"context":{{"request_id":"r1","timeout":2000000000,
            "max_retries":0,"headers":{{"traceparent":"{trace}","bad name":"x"}},"metadata":{{"k":"v"}}}}}}"#
        ));
        let context = request.call.context();
        assert_eq!((request.id, request.method), (RequestName("\"7\"".into()), Method::Execute));
        assert_eq!(request.call.payload().as_ref(), br#"{"a": 1}"#);
        assert_eq!(context.request_id().to_string(), "r1");
        assert_eq!(context.remaining(context.received()), Some(Duration::from_secs(2)));
        assert_eq!((context.max_retries(), context.headers().map(HeaderMap::len)), (Some(0), Some(1)));
        assert_eq!(context.trace().map(ToString::to_string).as_deref(), Some(trace));
        assert_eq!(context.metadata().and_then(|all| all.get("k")).map(String::as_str), Some("v"));
    }

    #[test]
    fn a_bare_request_has_no_limits_and_a_null_payload() {
        let request = read(r#"{"id":7,"method":"info"}"#);
        assert_eq!(request.id, RequestName("7".into()));
        assert_eq!(request.call.payload().as_ref(), b"null");
        assert_eq!(request.call.context().deadline(), None);
    }

    #[test]
    fn a_negative_timeout_is_a_deadline_that_has_passed() {
        let request = read(r#"{"id":"7","method":"execute","context":{"timeout":-1}}"#);
        let context = request.call.context();
        assert_eq!(context.remaining(context.received()), Some(Duration::ZERO));
    }

    #[test]
    fn replies_are_one_line_each_and_an_error_is_never_empty() {
        let id = RequestName("\"7\"".into());
        let metadata = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
        let parse = |line: &[u8]| serde_json::from_slice::<Value>(line).expect("valid JSON");
        assert_eq!(parse(&result(&id, b"[1]", &BTreeMap::new())), json!({"id": "7", "result": [1]}));
        assert_eq!(parse(&result(&id, b"1", &metadata)), json!({"id": "7", "result": 1, "metadata": {"k": "v"}}));
        assert_eq!(parse(&error(&id, "two\nlines")), json!({"id": "7", "error": "two\nlines"}));
        let refused = json!({"id": "7", "error": "no name", "code": "PLUGIN_1206"});
        assert_eq!(parse(&fault(&id, Code::InvalidPayload, "no name", RetryHint::default())), refused);
        let again = RetryHint { retryable: Some(true), retry_after: Some(Duration::from_millis(1500)) };
        let later = json!({"id": "7", "error": "no", "retryable": true, "retry_after_ms": 1500});
        assert_eq!(parse(&fault(&id, Code::ExecutionFailed, "no", again)), later);
        assert_ne!(parse(&error(&RequestName::found(Found::default()), "")), json!({"id": "", "error": ""}));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&Bytes::from(bytes));
        }
    }
}
