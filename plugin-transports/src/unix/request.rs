//! The line of a request: what a host writes, and what a plugin reads.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use plugin_core::{CallContext, clock::Instant};
use serde::Deserialize;

use crate::{
    json::{Limits, cut},
    wire::{
        bounded::shown,
        header_names, headers, json_faults,
        json_writer::{push_number, push_str, push_texts},
        metadata, object, part,
    },
};

/// What a host wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageType {
    Execute,
    Health,
    Info,
    Ping,
}

impl MessageType {
    pub(super) const ALL: [Self; 4] = [Self::Execute, Self::Health, Self::Info, Self::Ping];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Health => "health",
            Self::Info => "info",
            Self::Ping => "ping",
        }
    }

    /// As it stands in a line.
    pub(super) const fn as_json(self) -> &'static str {
        match self {
            Self::Execute => "\"execute\"",
            Self::Health => "\"health\"",
            Self::Info => "\"info\"",
            Self::Ping => "\"ping\"",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What stands in a line before the payload and behind it, its line feed included.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Around {
    pub(super) before: Vec<u8>,
    pub(super) behind: Vec<u8>,
}

/// A request of this type, but for its payload. `headers` are those of the call, and the credentials; what is left of the
/// call is told in whole milliseconds, and never as nothing, which would be no limit.
pub(super) fn around(
    kind: MessageType,
    request_id: &str,
    headers: &BTreeMap<&str, Cow<'_, str>>,
    left: Duration,
    metadata: Option<&BTreeMap<String, String>>,
) -> Around {
    let mut before = Vec::with_capacity(64 + request_id.len());
    before.extend_from_slice(b"{\"type\":");
    before.extend_from_slice(kind.as_json().as_bytes());
    before.extend_from_slice(b",\"request_id\":");
    push_str(&mut before, request_id);
    before.extend_from_slice(b",\"data\":");
    let mut behind = Vec::with_capacity(32);
    if !headers.is_empty() {
        behind.extend_from_slice(b",\"headers\":");
        push_texts(&mut behind, headers.iter().map(|(name, value)| (*name, Cow::Borrowed(&**value))));
    }
    behind.extend_from_slice(b",\"timeout_ms\":");
    push_number(&mut behind, u64::try_from(left.as_millis()).unwrap_or(u64::MAX).clamp(1, i64::MAX as u64));
    // No key of go-plugins, whose decoder passes it over.
    if let Some(metadata) = metadata.filter(|metadata| !metadata.is_empty()) {
        behind.extend_from_slice(b",\"metadata\":");
        push_texts(&mut behind, metadata.iter().map(|(key, value)| (key.as_str(), Cow::Borrowed(value.as_str()))));
    }
    behind.extend_from_slice(b"}\n");
    Around { before, behind }
}

/// The headers that a call travels with: its own but for those that `hidden` names, its trace, and then `credentials`, which
/// are the strongest.
pub(super) fn headers_of<'c>(
    context: &'c CallContext,
    hidden: impl Fn(&str) -> bool,
    credentials: &'c HeaderMap,
) -> BTreeMap<&'c str, Cow<'c, str>> {
    let own = headers::texts(context).filter(|(name, _)| !hidden(name));
    let credentials = credentials.keys().map(|name: &HeaderName| (name.as_str(), headers::list(credentials, name)));
    own.chain(credentials).collect()
}

/// A request as a plugin reads it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: MessageType,
    pub(super) id: RequestName,
    pub(super) data: Bytes,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Option<Duration>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// The `request_id` as the host wrote it, JSON and all, to be given back unread; the empty text where there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestName(Bytes);

impl Default for RequestName {
    fn default() -> Self {
        Self(Bytes::from_static(b"\"\""))
    }
}

impl RequestName {
    pub(super) fn as_json(&self) -> &[u8] {
        &self.0
    }

    /// The text that it is, if it is one. Nearly all are read as they stand there.
    fn read(&self) -> Option<Cow<'_, str>> {
        let json = std::str::from_utf8(&self.0).ok()?;
        part::plain_text(json).or_else(|| serde_json::from_str(json).ok().map(Cow::Owned))
    }
}

/// A line that is no request: what of it can be given back, and what is wrong.
#[derive(Debug)]
pub(super) struct NoRequest {
    pub(super) kind: Option<Bytes>,
    pub(super) id: RequestName,
    pub(super) problem: String,
    /// It is one but for its payload, so that whoever wrote it speaks this protocol, and knows its answer by its id.
    pub(super) is_of_host: bool,
}

impl NoRequest {
    fn new(problem: String) -> Self {
        Self { kind: None, id: RequestName::default(), problem, is_of_host: false }
    }
}

#[derive(Deserialize)]
struct RawRequest<'a> {
    #[serde(borrow, default, rename = "type", deserialize_with = "part::raw")]
    kind: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "part::raw")]
    request_id: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "part::raw")]
    data: Option<&'a str>,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    timeout_ms: Option<i64>,
    #[serde(default, deserialize_with = "metadata::texts")]
    metadata: BTreeMap<String, String>,
}

/// Reads a line.
pub(super) fn read(line: &Bytes, limits: Limits) -> Result<Request, NoRequest> {
    let text = json_faults::text(line).map_err(NoRequest::new)?;
    let (raw, is_held) = match RawRequest::cut(text, limits) {
        Some(raw) => (raw, true),
        None => (read_with_care(text).map_err(NoRequest::new)?, false),
    };
    let id = match raw.request_id {
        Some(id) => RequestName(line.slice_ref(id.as_bytes())),
        None => RequestName::default(),
    };
    let given = raw.kind.map(|kind| line.slice_ref(kind.as_bytes()));
    let fault = |problem| NoRequest { kind: given.clone(), id: id.clone(), problem, is_of_host: false };
    if !id.as_json().starts_with(b"\"") {
        let id = String::from_utf8_lossy(id.as_json());
        return Err(fault(format!("its `request_id` is {}, and is to be a text", shown(&id))));
    }
    let kind = raw.kind.map(|kind| part::plain_text(kind).unwrap_or_else(|| metadata::text(kind).into()));
    let Some(kind) = MessageType::of(&kind.unwrap_or_default()) else {
        let known = MessageType::ALL.map(MessageType::as_str).join(", ");
        return Err(fault(match raw.kind {
            None => format!("it has no `type`, which is one of {known}"),
            Some(raw) => format!("its `type` is {}, and is to be one of {known}", shown(raw)),
        }));
    };
    if let Some(Err(beyond)) = raw.data.filter(|_| !is_held).map(|data| limits.hold(data)) {
        return Err(NoRequest { is_of_host: true, ..fault(format!("its `data` is not accepted: {beyond}")) });
    }
    let headers = headers::of_texts(&raw.headers.unwrap_or_default());
    let headers = headers.map_err(|problem| NoRequest { is_of_host: true, ..fault(problem) })?;
    Ok(Request {
        kind,
        id,
        data: part::of(line, raw.data),
        headers,
        // Go's durations are signed, and a negative one has passed; zero is how Go says that there is none.
        timeout: raw
            .timeout_ms
            .filter(|millis| *millis != 0)
            .map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0))),
        metadata: raw.metadata,
    })
}

fn read_with_care(text: &str) -> Result<RawRequest<'_>, String> {
    object::read(text, "a list stands where an object belongs", |error| json_faults::describe(error, text))
}

impl<'a> RawRequest<'a> {
    /// As nearly all are read, within the limits.
    fn cut(text: &'a str, limits: Limits) -> Option<Self> {
        let names = ["type", "request_id", "data", "headers", "timeout_ms", "metadata"];
        let [kind, request_id, data, headers, timeout_ms, metadata] = cut(text, &names, limits)?;
        let headers = headers.map(serde_json::from_str).transpose().ok()?;
        let timeout_ms = timeout_ms.map(serde_json::from_str).transpose().ok()?;
        Some(Self { kind, request_id, data, headers, timeout_ms, metadata: part::texts(metadata)? })
    }
}

impl Request {
    /// What a plugin is told of the call, which came at that moment.
    pub(super) fn context(&mut self, received: Instant) -> CallContext {
        let mut context = CallContext::received_at(received);
        if let Some(id) = self.id.read().filter(|id| !id.is_empty()) {
            context.set_request_id(&id);
        }
        if let Some(timeout) = self.timeout {
            context = context.with_timeout(timeout);
        }
        if self.headers.contains_key(header_names::IDEMPOTENCY_KEY) {
            context.set_idempotent(true);
        }
        headers::set(&mut context, std::mem::take(&mut self.headers));
        if !self.metadata.is_empty() {
            *context.metadata_mut() = std::mem::take(&mut self.metadata);
        }
        context
    }
}

#[cfg(test)]
mod tests {
    use plugin_core::clock;
    use proptest::prelude::*;

    use super::*;

    fn written(kind: MessageType, context: &CallContext, payload: &str, left: Duration) -> String {
        let credentials = HeaderMap::new();
        let headers = headers_of(context, |name| name == "cookie", &credentials);
        let id = context.request_id().to_string();
        let Around { before, behind } = around(kind, &id, &headers, left, context.metadata());
        String::from_utf8([&before, payload.as_bytes(), &behind].concat()).expect("text")
    }

    fn read_line(line: &str) -> Result<Request, NoRequest> {
        read(&Bytes::copy_from_slice(line.as_bytes()), Limits::new())
    }

    /// What go-plugins v1 marshals of the same request, and, where it has metadata, one key more.
    #[test]
    fn the_bytes_are_those_of_go_plugins() {
        let mut context = CallContext::new();
        context.set_request_id("r1");
        let write = |context: &CallContext| written(MessageType::Execute, context, "[1,2.50]", Duration::from_secs(30));
        assert_eq!(
            write(&context),
            "{\"type\":\"execute\",\"request_id\":\"r1\",\"data\":[1,2.50],\"timeout_ms\":30000}\n"
        );
        context.headers_mut().append("x-tenant", "t1".parse().expect("a value"));
        context.headers_mut().append("accept-language", "de".parse().expect("a value"));
        context.headers_mut().append("accept-language", "fr".parse().expect("a value"));
        context.headers_mut().append("cookie", "hidden".parse().expect("a value"));
        assert_eq!(
            write(&context),
            "{\"type\":\"execute\",\"request_id\":\"r1\",\"data\":[1,2.50],\
             \"headers\":{\"accept-language\":\"de, fr\",\"x-tenant\":\"t1\"},\"timeout_ms\":30000}\n"
        );
        let mut context = CallContext::new();
        context.set_request_id("r1");
        context.metadata_mut().insert("k".into(), "\"v\"".into());
        assert_eq!(
            written(MessageType::Health, &context, "null", Duration::from_micros(1)),
            "{\"type\":\"health\",\"request_id\":\"r1\",\"data\":null,\"timeout_ms\":1,\"metadata\":{\"k\":\"\\\"v\\\"\"}}\n"
        );
    }

    #[test]
    fn credentials_are_stronger_than_a_header_of_the_call() {
        let mut context = CallContext::new();
        context.headers_mut().append("authorization", "theirs".parse().expect("a value"));
        let credentials: HeaderMap =
            [(http::header::AUTHORIZATION, "ours".parse().expect("a value"))].into_iter().collect();
        let headers = headers_of(&context, |_| false, &credentials);
        assert_eq!(headers, BTreeMap::from([("authorization", Cow::Borrowed("ours"))]));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut context = CallContext::new().with_timeout(Duration::from_secs(30));
        context.set_request_id("r-\"1\"\n");
        context.headers_mut().append("x-tenant", "t1".parse().expect("a value"));
        context.metadata_mut().insert("k".into(), "v".into());
        let trace = plugin_core::TraceContext::new(1, 2, 1).expect("ids are not zero").with_state("a=b");
        context.set_trace(trace.clone());
        let line = written(MessageType::Execute, &context, r#"{"a": 1}"#, Duration::from_secs(30));
        let mut request = read_line(line.trim_end()).expect("a request");
        assert_eq!((request.kind, &request.data[..]), (MessageType::Execute, &br#"{"a": 1}"#[..]));
        let received = clock::now();
        let read = request.context(received);
        assert_eq!(read.request_id().to_string(), "r-\"1\"\n");
        assert_eq!(read.remaining(received), Some(Duration::from_secs(30)));
        assert_eq!(read.headers().and_then(|all| all.get("x-tenant")).expect("it travels"), "t1");
        assert_eq!(read.metadata(), context.metadata());
        assert_eq!(read.trace().map(ToString::to_string), Some(trace.to_string()));
    }

    #[test]
    fn what_may_be_left_out_is() {
        let request = read_line(r#"{"type":"ping"}"#).expect("it needs no more");
        assert_eq!(
            (request.kind, request.id.as_json(), &request.data[..]),
            (MessageType::Ping, &b"\"\""[..], &b"null"[..])
        );
        let request =
            read_line(r#"{"type":"info","request_id":null,"data":null,"headers":null,"timeout_ms":0,"new":1}"#);
        assert_eq!(request.expect("as Go writes what is not there").timeout, None);
        let late = read_line(r#"{"type":"execute","timeout_ms":-5}"#).expect("a request");
        assert_eq!(late.timeout, Some(Duration::ZERO));
        let id = read_line(r#"{"type":"ping","request_id":"\u0041\/"}"#).expect("a request").id;
        assert_eq!(id.as_json(), br#""\u0041\/""#, "as it was written");
    }

    #[test]
    fn what_is_no_request_says_why_and_gives_back_what_it_can() {
        for (line, why) in [
            ("", "it is empty"),
            ("hello", "expected value at byte 1"),
            ("[1]", "a list stands where an object belongs"),
            ("{\"type\":\"execute\"", "at its end"),
            ("{}", "it has no `type`, which is one of execute, health, info, ping"),
            (r#"{"type":"run"}"#, r#"its `type` is "run", and is to be one of execute, health, info, ping"#),
            (r#"{"type":7}"#, "its `type` is 7, and is to be one of"),
            (r#"{"type":"ping","request_id":7}"#, "its `request_id` is 7, and is to be a text"),
            (r#"{"type":"ping","timeout_ms":"30s"}"#, "invalid type: string \"30s\", expected a whole number"),
            (r#"{"type":"ping","headers":[1]}"#, "expected a map"),
            (r#"{"type":"ping","type":"ping"}"#, "duplicate field"),
            (r#"{"type":"execute","data":NaN}"#, "expected value at byte 26"),
        ] {
            let problem = read_line(line).expect_err(line).problem;
            assert!(problem.contains(why), "{line}: {problem}");
        }
        let bytes = Bytes::from_static(b"{\"type\":\"execute\",\"data\":\"\xff\"}");
        assert!(read(&bytes, Limits::new()).expect_err("no text").problem.contains("it is no UTF-8: byte 27 is 0xff"));
        let named = read_line(r#"{"type":"run","request_id":"r1"}"#).expect_err("no type");
        assert_eq!((named.kind.as_deref(), named.id.as_json()), (Some(&b"\"run\""[..]), &b"\"r1\""[..]));
        let deep = format!(r#"{{"type":"execute","request_id":"r1","data":{}{}}}"#, "[".repeat(129), "]".repeat(129));
        let deep = read_line(&deep).expect_err("too deep");
        assert!(deep.problem.contains("nested deeper") && deep.id.as_json() == b"\"r1\"", "{}", deep.problem);
    }

    #[test]
    fn what_is_no_header_is_left_out_and_two_of_one_name_are_both_there() {
        let request = read_line(r#"{"type":"ping","headers":{"X-A":"1","x-a":"2","bad name":"x","y":"a\nb"}}"#);
        let headers = request.expect("a request").headers;
        assert_eq!((headers.len(), headers.get_all("x-a").iter().count()), (2, 2));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&Bytes::from(bytes), Limits::new());
        }

        #[test]
        fn any_id_is_given_back_as_it_came(id in ".{0,40}", data in ".{0,40}") {
            let json = serde_json::to_string(&id).expect("a text");
            let data = serde_json::to_string(&data).expect("a text");
            let line = Bytes::from(format!(r#"{{"type":"execute","request_id":{json},"data":{data}}}"#));
            let request = read(&line, Limits::new()).expect("a request");
            prop_assert_eq!(request.id.as_json(), json.as_bytes());
            prop_assert_eq!(&request.data[..], data.as_bytes());
        }
    }
}
