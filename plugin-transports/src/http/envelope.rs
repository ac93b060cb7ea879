//! The two envelopes of the wire: what a host posts, and what a plugin answers.
//!
//! ```text
//! -> {"data":<Req>,"request_id":"r1","timeout":"30s","headers":{..}?,"metadata":{..}?}
//! <- {"data":<Res>?,"error":"text"?,"request_id":"..","metadata":{..}?}
//! ```
//!
//! `data` is passed through as bytes: it is checked to be one JSON value, and never built into a tree.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use plugin_core::{CallContext, go_duration};
use serde::{Deserialize, Serialize};

use crate::{
    json::{LimitExceeded, Limits, cut},
    wire::{
        headers, json_faults,
        json_writer::{push_str, push_texts},
        metadata, object,
        object_names::{self, Unknown},
        part,
    },
};

const DATA: &[u8] = b"{\"data\":";

/// A request, in the parts that stand before and behind the payload. `timeout` is text as Go writes it, and `hidden` names headers that
/// stay out of it.
pub(super) fn request_around(
    context: &CallContext,
    request_id: &str,
    timeout: &str,
    hidden: impl Fn(&HeaderName) -> bool,
) -> (&'static [u8], Vec<u8>) {
    let mut behind = Vec::with_capacity(128);
    behind.extend_from_slice(b",\"request_id\":");
    push_str(&mut behind, request_id);
    behind.extend_from_slice(b",\"timeout\":");
    push_str(&mut behind, timeout);
    // By name, as Go writes a map.
    let headers: BTreeMap<_, _> = (context.headers().into_iter().flat_map(HeaderMap::keys))
        .filter(|name| !hidden(name))
        .filter_map(|name| Some((name.as_str(), headers::list(context.headers()?, name))))
        .collect();
    if !headers.is_empty() {
        behind.extend_from_slice(b",\"headers\":");
        push_texts(&mut behind, headers.into_iter());
    }
    if let Some(metadata) = context.metadata() {
        push_metadata(&mut behind, metadata);
    }
    behind.push(b'}');
    (DATA, behind)
}

fn push_metadata(out: &mut Vec<u8>, metadata: &BTreeMap<String, String>) {
    out.extend_from_slice(b",\"metadata\":");
    push_texts(out, metadata.iter().map(|(key, value)| (key.as_str(), Cow::Borrowed(value.as_str()))));
}

/// A reply, as a host reads it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HttpAnswer {
    /// The result as JSON (`null` when there is none), or the text of the plugin's error.
    pub(super) result: Result<Bytes, String>,
    pub(super) metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RawHttpAnswer<'a> {
    #[serde(borrow, default, deserialize_with = "part::raw")]
    data: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "part::raw")]
    error: Option<&'a str>,
    #[serde(default, deserialize_with = "metadata::texts")]
    metadata: BTreeMap<String, String>,
}

impl<'a> RawHttpAnswer<'a> {
    /// As nearly all are read, within the limits.
    fn cut(text: &'a str, limits: Limits) -> Option<Self> {
        let [data, error, metadata] = cut(text, &["data", "error", "metadata"], limits)?;
        Some(Self { data, error, metadata: part::texts(metadata)? })
    }
}

/// Reads an envelope. The error says what is wrong with it.
fn envelope<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    object::read(text, "a list stands where an object belongs", |error| json_faults::describe(error, text))
}

/// What is wrong with a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EnvelopeUnread {
    /// It is no envelope; why, as the second half of a sentence.
    Broken(String),
    /// It is one, and its result is beyond a limit.
    LimitExceeded(LimitExceeded),
}

/// Reads a reply.
pub(super) fn read_answer(body: &Bytes, limits: Limits) -> Result<HttpAnswer, EnvelopeUnread> {
    let text = json_faults::text(body).map_err(EnvelopeUnread::Broken)?;
    let raw = match RawHttpAnswer::cut(text, limits) {
        Some(raw) => raw,
        None => {
            let raw: RawHttpAnswer<'_> = envelope(text).map_err(EnvelopeUnread::Broken)?;
            raw.data.map_or(Ok(()), |data| limits.hold(data)).map_err(EnvelopeUnread::LimitExceeded)?;
            raw
        }
    };
    if raw.data.is_none() && raw.error.is_none() {
        check_names(text).map_err(EnvelopeUnread::Broken)?;
    }
    // An error is text; a plugin that sends an object instead is shown as it wrote it.
    let result = match raw.error.map(metadata::error) {
        Some(text) if !text.is_empty() => Err(text),
        _ => Ok(part::of(body, raw.data)),
    };
    Ok(HttpAnswer { result, metadata: raw.metadata })
}

/// Refuses what has something else in the place of what a reply has: an answer of some other service, or a name with a
/// mistake in it, would be a result that is `null`. What has nothing at all is one, as Go writes it.
#[cold]
fn check_names(text: &str) -> Result<(), String> {
    let (mut is_reply, mut others) = (false, Unknown::default());
    object_names::visit(text, |name| match name {
        "data" | "error" => is_reply = true,
        "request_id" | "metadata" => {}
        other => others.note(other),
    });
    if is_reply || others.is_empty() {
        return Ok(());
    }
    Err(others.in_place_of("data", "error"))
}

/// A request, as a plugin reads it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) data: Bytes,
    pub(super) request_id: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RawHttpRequest<'a> {
    #[serde(borrow, default, deserialize_with = "part::raw")]
    data: Option<&'a str>,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(borrow, default, deserialize_with = "part::raw")]
    timeout: Option<&'a str>,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "metadata::texts")]
    metadata: BTreeMap<String, String>,
}

impl<'a> RawHttpRequest<'a> {
    /// As nearly all are read, within the limits.
    fn cut(text: &'a str, limits: Limits) -> Option<Self> {
        let names = ["data", "request_id", "timeout", "headers", "metadata"];
        let [data, request_id, timeout, headers, metadata] = cut(text, &names, limits)?;
        let request_id = match request_id {
            None => None,
            Some(id) => Some(part::plain_text(id)?.into_owned()),
        };
        let headers = headers.map(serde_json::from_str).transpose().ok()?;
        Some(Self { data, request_id, timeout, headers, metadata: part::texts(metadata)? })
    }
}

/// Reads a request. The error says what is wrong.
pub(super) fn read_request(body: &Bytes, limits: Limits) -> Result<Request, String> {
    let no_envelope = |error| format!("the body is not an envelope such as {{\"data\": ...}}: {error}");
    let text = json_faults::text(body).map_err(no_envelope)?;
    let raw = match RawHttpRequest::cut(text, limits) {
        Some(raw) => raw,
        None => {
            let raw: RawHttpRequest<'_> = envelope(text).map_err(no_envelope)?;
            let held = raw.data.map_or(Ok(()), |data| limits.hold(data));
            held.map_err(|beyond| format!("`data` is not accepted: {beyond}"))?;
            raw
        }
    };
    let mut headers = Vec::new();
    let given = raw.headers.unwrap_or_default();
    headers::check_count(given.len()).map_err(|problem| format!("the body is not taken: {problem}"))?;
    for (name, value) in given {
        match (HeaderName::try_from(&name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => headers.push((name, value)),
            _ => return Err(format!("`headers` has {name:?}, whose name or value is not one of an HTTP header")),
        }
    }
    Ok(Request {
        data: part::of(body, raw.data),
        request_id: raw.request_id.filter(|id| !id.is_empty()),
        timeout: raw.timeout.map(timeout).transpose()?.flatten(),
        headers,
        metadata: raw.metadata,
    })
}

/// Go's text, or whole nanoseconds. Empty text, `null` and zero are no limit, as they are for Go.
fn timeout(json: &str) -> Result<Option<Duration>, String> {
    let timeout = match serde_json::from_str::<Option<Cow<'_, str>>>(json) {
        Ok(None) => return Ok(None),
        Ok(Some(text)) if text.is_empty() => return Ok(None),
        Ok(Some(text)) => go_duration::parse(&text).map_err(|problem| format!("`timeout` is {text:?}: {problem}"))?,
        Err(_) => serde_json::from_str(json)
            .map(Duration::from_nanos)
            .map_err(|_| "`timeout` is neither a duration such as \"30s\" nor a number of nanoseconds".to_owned())?,
    };
    Ok((!timeout.is_zero()).then_some(timeout))
}

/// A good answer, in the parts that stand before and behind the payload.
pub(super) fn answer_around(request_id: &str, metadata: &BTreeMap<String, String>) -> (&'static [u8], Vec<u8>) {
    let mut behind = Vec::with_capacity(64);
    behind.extend_from_slice(b",\"request_id\":");
    push_str(&mut behind, request_id);
    if !metadata.is_empty() {
        push_metadata(&mut behind, metadata);
    }
    behind.push(b'}');
    (DATA, behind)
}

/// An answer that says what went wrong in the plugin.
pub(super) fn failure(request_id: &str, text: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct FailureAnswer<'a> {
        error: &'a str,
        request_id: &'a str,
    }
    // An empty text would read as a success.
    let error = if text.is_empty() { "the plugin failed" } else { text };
    serde_json::to_vec(&FailureAnswer { error, request_id }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(context: &CallContext, payload: &str) -> String {
        let (before, behind) =
            request_around(context, &context.request_id().to_string(), "1m30s", |name| name == "cookie");
        String::from_utf8([before, payload.as_bytes(), &behind].concat()).expect("text")
    }

    /// What go-plugins v1 marshals for the same request and reply.
    #[test]
    fn the_bytes_are_those_of_go_plugins() {
        let mut context = CallContext::new();
        context.set_request_id("r1");
        assert_eq!(
            request(&context, r#"{"a":[1,2.50]}"#),
            r#"{"data":{"a":[1,2.50]},"request_id":"r1","timeout":"1m30s"}"#
        );
        context.headers_mut().insert("x-tenant", "t1".parse().expect("a value"));
        context.headers_mut().append("accept-language", "de".parse().expect("a value"));
        context.headers_mut().append("accept-language", "fr".parse().expect("a value"));
        context.headers_mut().append("cookie", "hidden".parse().expect("a value"));
        context.metadata_mut().insert("b".into(), "\"2\"".into());
        context.metadata_mut().insert("a".into(), "1".into());
        assert_eq!(
            request(&context, "null"),
            r#"{"data":null,"request_id":"r1","timeout":"1m30s","headers":{"accept-language":"de, fr","x-tenant":"t1"},"metadata":{"a":"1","b":"\"2\""}}"#
        );
        let answer = |metadata: &BTreeMap<_, _>| {
            let (before, behind) = answer_around("r1", metadata);
            String::from_utf8([before, b"7", &behind].concat()).expect("text")
        };
        assert_eq!(answer(&BTreeMap::new()), r#"{"data":7,"request_id":"r1"}"#);
        let metadata = [("k".to_owned(), "v".to_owned())].into();
        assert_eq!(answer(&metadata), r#"{"data":7,"request_id":"r1","metadata":{"k":"v"}}"#);
        assert_eq!(failure("r1", "no user"), br#"{"error":"no user","request_id":"r1"}"#);
    }

    #[test]
    fn an_answer_is_a_result_or_an_error() {
        let read = |text: &'static str| {
            read_answer(&Bytes::from_static(text.as_bytes()), Limits::new()).map(|answer| answer.result)
        };
        let ok = |text: &'static str| Ok(Bytes::from_static(text.as_bytes()));
        assert_eq!(read(r#"{"data": {"a": [1, 2]}, "request_id":"r"}"#).expect("valid"), ok(r#"{"a": [1, 2]}"#));
        assert_eq!(read(r#"{"request_id":"r","error":""}"#).expect("valid"), ok("null"));
        assert_eq!(read(r#"{"data":null,"error":null,"new":1}"#).expect("valid"), ok("null"));
        assert_eq!(read(r#"{"data":1,"error":"no\nuser"}"#).expect("valid"), Err("no\nuser".to_owned()));
        assert_eq!(read(r#"{"error":{"c":1}}"#).expect("valid"), Err(r#"{"c":1}"#.to_owned()));
        for bad in ["", "hello", "[1]", "{\"data\":1}x", r#"{"data":1,"data":2}"#, r#"{"metadata":[1]}"#] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_answer_that_has_something_else_in_the_place_of_a_result_is_none() {
        let read = |text: &'static str| read_answer(&Bytes::from_static(text.as_bytes()), Limits::new());
        // What Go writes for a result that is nil, and what a plugin may add.
        for nothing in ["{}", r#"{"request_id":"r"}"#, r#"{"data":null,"took":5}"#, r#"{"metadata":{},"error":null}"#] {
            assert_eq!(read(nothing).expect("a reply").result, Ok(Bytes::from_static(b"null")), "{nothing}");
        }
        for (text, names) in [
            (r#"{"dat":7}"#, "\"dat\""),
            (r#"{"status":"ok","version":2}"#, "\"status\", \"version\""),
            (r#"{"request_id":"r","result":7}"#, "\"result\""),
            (r#"{"Data":7}"#, "\"Data\""),
        ] {
            let why = format!("it has neither `data` nor `error`, of which a reply has one, but {names}");
            assert_eq!(read(text), Err(EnvelopeUnread::Broken(why)), "{text}");
        }
    }

    #[test]
    fn a_large_result_shares_the_buffer_and_a_small_one_does_not() {
        for (size, shared) in [(10, false), (part::COPY_UP_TO, true)] {
            let body = Bytes::from(format!(r#"{{"data":"{}"}}"#, "x".repeat(size)));
            let result = read_answer(&body, Limits::new()).expect("an answer").result.expect("a result");
            assert_eq!(body.as_ptr_range().contains(&result.as_ptr()), shared);
        }
    }

    #[test]
    fn a_request_of_go_plugins_is_read() {
        let body = Bytes::from_static(
            br#"{"data":{"n":1},"request_id":"r1","timeout":"1m30s","headers":{"X-Tenant":"t1"},"metadata":{"k":"v"}}"#,
        );
        let request = read_request(&body, Limits::new()).expect("an envelope");
        assert_eq!((&request.data[..], request.request_id.as_deref()), (&br#"{"n":1}"#[..], Some("r1")));
        assert_eq!(request.timeout, Some(Duration::from_secs(90)));
        assert_eq!((request.headers[0].0.as_str(), request.metadata["k"].as_str()), ("x-tenant", "v"));
    }

    #[test]
    fn a_time_limit_may_be_absent_in_every_way_that_go_knows() {
        let read = |json: &str| timeout(json);
        for none in ["\"\"", "null", "\"0s\"", "0"] {
            assert_eq!(read(none), Ok(None), "{none}");
        }
        assert_eq!(read("5000000"), Ok(Some(Duration::from_millis(5))));
        for bad in ["\"soon\"", "-1", "{}", "1.5", "\"-1s\""] {
            assert!(read(bad).expect_err("no duration").contains("`timeout`"), "{bad}");
        }
    }

    #[test]
    fn a_request_that_is_no_envelope_says_why() {
        let read = |text: &'static str| {
            read_request(&Bytes::from_static(text.as_bytes()), Limits::new()).expect_err("no envelope")
        };
        assert!(read("[]").contains("a list stands where an object belongs"));
        assert!(read("7").contains("not an envelope"));
        assert!(read("{\"data\":").contains("at its end"));
        assert!(read(r#"{"headers":{"a b":"c"}}"#).contains("\"a b\""));
        assert!(read(r#"{"headers":{"a":"c\n"}}"#).contains("\"a\""));
    }

    #[test]
    fn neither_a_request_nor_an_answer_is_nested_deeper_than_the_limit() {
        let body = |depth| Bytes::from(format!(r#"{{"data":{}{}}}"#, "[".repeat(depth), "]".repeat(depth)));
        let limits = Limits::new();
        assert_eq!(read_request(&body(128), limits).expect("within it").data.len(), 256);
        assert!(
            read_request(&body(129), limits).expect_err("beyond it").contains("`data` is not accepted: it is nested")
        );
        assert!(read_answer(&body(128), limits).is_ok());
        assert_eq!(read_answer(&body(129), limits), Err(EnvelopeUnread::LimitExceeded(LimitExceeded::Depth(128))));
        assert_eq!(read_request(&body(100_000), Limits::none()).expect("any").data.len(), 200_000);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let body = Bytes::from(bytes);
            let _ = (read_answer(&body, Limits::new()), read_request(&body, Limits::new()));
        }

        #[test]
        fn what_one_side_writes_the_other_reads(id in "\\PC{0,20}", key in "\\PC{0,9}", value in "\\PC{0,9}", n in any::<u64>()) {
            let mut context = CallContext::new();
            context.metadata_mut().insert(key, value);
            let timeout = go_duration::format(Duration::from_nanos(n / 2));
            let (before, behind) = request_around(&context, &id, &timeout, |_| false);
            let body = Bytes::from([before, n.to_string().as_bytes(), &behind].concat());
            let request = read_request(&body, Limits::new()).expect("our own");
            prop_assert_eq!(request.data, n.to_string());
            prop_assert_eq!(request.request_id.unwrap_or_default(), id);
            prop_assert_eq!(request.timeout.unwrap_or_default(), Duration::from_nanos(n / 2));
            prop_assert_eq!(Some(&request.metadata), context.metadata());
        }
    }

    #[test]
    fn a_request_with_more_headers_than_a_map_holds_is_a_fault() {
        let headers: Vec<String> = (0..50_000).map(|at| format!("\"h{at}\":\"v\"")).collect();
        let body = Bytes::from(format!("{{\"data\":1,\"headers\":{{{}}}}}", headers.join(",")));
        let problem = read_request(&body, Limits::new()).map(drop).expect_err("too many");
        assert_eq!(problem, "the body is not taken: its `headers` are 50000, and no more than 1000 are taken");
    }
}
