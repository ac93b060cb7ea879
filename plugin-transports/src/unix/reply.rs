//! The line of a reply: what a plugin writes, and what a host reads.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use plugin_core::Code;
use serde::Deserialize;

use super::request::{Around, MessageType, RequestName};
use crate::{
    json::{LimitExceeded, Limits, cut},
    wire::{
        bounded::quoted,
        json_faults,
        json_writer::{push_str, push_texts},
        metadata, object,
        object_names::{self, Unknown},
        part, plugin_errors,
        retry_hint::RetryHint,
    },
};

/// Headers of a reply that failed, which hosts that do not know them pass over.
pub(super) const CODE: &str = "X-Plugin-Code";
pub(super) const RETRYABLE: &str = "X-Plugin-Retryable";
pub(super) const RETRY_AFTER: &str = "X-Plugin-Retry-After-Ms";

/// The type and the id of a request, as its reply gives them back.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// JSON.
    pub(super) kind: Bytes,
    pub(super) id: RequestName,
}

impl Named {
    pub(super) fn new(kind: MessageType, id: RequestName) -> Self {
        Self { kind: Bytes::from_static(kind.as_json().as_bytes()), id }
    }

    fn begin(&self, is_success: bool) -> Vec<u8> {
        let id = self.id.as_json();
        let mut line = Vec::with_capacity(64 + self.kind.len() + id.len());
        line.extend_from_slice(b"{\"type\":");
        line.extend_from_slice(&self.kind);
        line.extend_from_slice(b",\"request_id\":");
        line.extend_from_slice(id);
        line.extend_from_slice(if is_success { b",\"success\":true" } else { b",\"success\":false" });
        line
    }

    /// A reply that carries a result, which stands between the two parts: JSON on one line.
    pub(super) fn result(&self, metadata: &BTreeMap<String, String>) -> Around {
        let mut before = self.begin(true);
        before.extend_from_slice(b",\"data\":");
        let mut behind = Vec::with_capacity(2);
        if !metadata.is_empty() {
            behind.extend_from_slice(b",\"headers\":");
            let texts = metadata.iter().map(|(key, value)| (key.as_str(), Cow::Borrowed(value.as_str())));
            push_texts(&mut behind, texts);
        }
        behind.extend_from_slice(b"}\n");
        Around { before, behind }
    }

    /// A reply that says yes, and no more.
    pub(super) fn yes(&self) -> Vec<u8> {
        let mut line = self.begin(true);
        line.extend_from_slice(b"}\n");
        line
    }

    /// A reply that carries an error, and what there is besides. The code that an error has anyway is not written, nor what that
    /// code says of another attempt.
    pub(super) fn error(&self, code: Code, text: &str, again: RetryHint, data: Option<&[u8]>) -> Vec<u8> {
        let mut line = self.begin(false);
        if let Some(data) = data {
            line.extend_from_slice(b",\"data\":");
            line.extend_from_slice(data);
        }
        line.extend_from_slice(b",\"error\":");
        push_str(&mut line, if text.is_empty() { "the plugin failed, and did not say why" } else { text });
        let again = again.beyond(code);
        let headers = [
            (CODE, (code != Code::ExecutionFailed).then(|| Cow::Borrowed(code.as_str()))),
            (RETRY_AFTER, again.retry_after_ms().map(|millis| Cow::Owned(millis.to_string()))),
            (RETRYABLE, again.retryable.map(|retryable| Cow::Borrowed(if retryable { "true" } else { "false" }))),
        ];
        let mut headers = headers.into_iter().filter_map(|(name, value)| Some((name, value?))).peekable();
        if headers.peek().is_some() {
            line.extend_from_slice(b",\"headers\":");
            push_texts(&mut line, headers);
        }
        line.extend_from_slice(b"}\n");
        line
    }
}

/// A reply as a host reads it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// What is wrong, where it does not say that it succeeded.
    pub(super) result: Result<(), Fault>,
    /// JSON; `null` when there is none.
    pub(super) data: Bytes,
    pub(super) headers: BTreeMap<String, String>,
    /// It says that it failed, and not whose reply it is: the plugin could not read the request.
    pub(super) is_anonymous: bool,
}

impl Answer {
    /// To say that it ran out of its time is no answer.
    pub(super) fn is_out_of_time(&self) -> bool {
        self.result.as_ref().is_err_and(|fault| fault.code == Code::Timeout)
    }
}

/// The error that a plugin answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// [`Code::ExecutionFailed`] unless the plugin says otherwise, and may.
    pub(super) code: Code,
    pub(super) text: String,
    pub(super) again: RetryHint,
    /// The plugin does not know who asks.
    pub(super) is_stranger: bool,
}

/// Why a line is not the reply that is waited for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReplyUnread {
    /// It is none; why, as the second half of a sentence.
    Broken(String),
    /// It is that of another request: with this id, or of this type.
    Another(String),
    /// It is the one, and its result is beyond a limit.
    LimitExceeded(LimitExceeded),
}

#[derive(Deserialize)]
struct RawReply<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    request_id: Option<Cow<'a, str>>,
    #[serde(default)]
    success: Option<bool>,
    #[serde(borrow, default, deserialize_with = "part::raw")]
    data: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "part::raw")]
    error: Option<&'a str>,
    #[serde(default, deserialize_with = "metadata::texts")]
    headers: BTreeMap<String, String>,
}

impl<'a> RawReply<'a> {
    /// As nearly all are read, within the limits.
    fn cut(text: &'a str, limits: Limits) -> Option<Self> {
        let names = ["type", "request_id", "success", "data", "error", "headers"];
        let [kind, request_id, success, data, error, headers] = cut(text, &names, limits)?;
        let text = |json: Option<&'a str>| match json {
            None => Some(None),
            Some(json) => part::plain_text(json).map(Some),
        };
        let success = match success {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => return None,
        };
        let (kind, request_id) = (text(kind)?, text(request_id)?);
        Some(Self { kind, request_id, success, data, error, headers: part::texts(headers)? })
    }
}

/// Reads the reply to a request of this type and id.
pub(super) fn read(line: &Bytes, kind: MessageType, request_id: &str, limits: Limits) -> Result<Answer, ReplyUnread> {
    let text = json_faults::text(line).map_err(ReplyUnread::Broken)?;
    let (raw, is_held) = match RawReply::cut(text, limits) {
        Some(raw) => (raw, true),
        None => (read_with_care(text).map_err(ReplyUnread::Broken)?, false),
    };
    let id = raw.request_id.unwrap_or_default();
    let is_anonymous = id.is_empty() && !request_id.is_empty() && raw.success == Some(false);
    if id != request_id && !is_anonymous {
        return Err(ReplyUnread::Another(format!("its `request_id` is {}", quoted(&id))));
    }
    // A plugin that does not give it back at all says nothing wrong.
    if let Some(other) = raw.kind.filter(|other| !other.is_empty() && *other != kind.as_str()) {
        let (is, asked) = (quoted(&other), kind.as_str());
        return Err(ReplyUnread::Another(format!("its `type` is {is}, where {asked:?} was asked")));
    }
    let Some(success) = raw.success else {
        return Err(ReplyUnread::Broken("it has no `success`, which is true or false".to_owned()));
    };
    if success && raw.data.is_none() && raw.error.is_none() {
        check_names(text).map_err(ReplyUnread::Broken)?;
    }
    if let Some(Err(beyond)) = raw.data.filter(|_| !is_held).map(|data| limits.hold(data)) {
        return Err(ReplyUnread::LimitExceeded(beyond));
    }
    let data = part::of(line, raw.data);
    let result = if success { Ok(()) } else { Err(fault(raw.error, &raw.headers)) };
    Ok(Answer { result, data, headers: raw.headers, is_anonymous })
}

fn read_with_care(text: &str) -> Result<RawReply<'_>, String> {
    object::read(text, "a list stands where an object belongs", |error| json_faults::describe(error, text))
}

fn fault(error: Option<&str>, headers: &BTreeMap<String, String>) -> Fault {
    // An error is text; a plugin that sends an object instead is shown as it wrote it.
    let text = error.map(metadata::error).filter(|text| !text.is_empty());
    let header = |name: &str| {
        let named = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    };
    let code = header(CODE);
    Fault {
        is_stranger: code == Some(Code::Unauthenticated.as_str()),
        code: code.and_then(plugin_errors::code).unwrap_or(Code::ExecutionFailed),
        text: text.unwrap_or_else(|| "the plugin gave no reason".to_owned()),
        again: RetryHint::of_texts(header(RETRYABLE), header(RETRY_AFTER)),
    }
}

/// Refuses what has something else in the place of a result, which would be `null` otherwise: a name with a mistake in it.
#[cold]
fn check_names(object: &str) -> Result<(), String> {
    let (mut is_reply, mut others) = (false, Unknown::default());
    object_names::visit(object, |name| match name {
        // With `null` behind it, which is a result too.
        "data" | "error" => is_reply = true,
        "type" | "request_id" | "success" | "headers" => {}
        other => others.note(other),
    });
    if is_reply || others.is_empty() { Ok(()) } else { Err(others.in_place_of("data", "error")) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::unix::request;

    fn named(kind: MessageType, id: &str) -> Named {
        let line = Bytes::from(json!({"type": kind.as_str(), "request_id": id}).to_string());
        let request = request::read(&line, Limits::new()).expect("a request");
        Named::new(request.kind, request.id)
    }

    fn result(named: &Named, data: &str, metadata: &[(&str, &str)]) -> String {
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let Around { before, behind } = named.result(&metadata);
        String::from_utf8([&before, data.as_bytes(), &behind].concat()).expect("text")
    }

    fn read_as(kind: MessageType, id: &str, line: &str) -> Result<Answer, ReplyUnread> {
        read(&Bytes::copy_from_slice(line.trim_end().as_bytes()), kind, id, Limits::new())
    }

    fn read_line(line: &str) -> Result<Answer, ReplyUnread> {
        read_as(MessageType::Execute, "r1", line)
    }

    const NOTHING: RetryHint = RetryHint { retryable: None, retry_after: None };

    /// What go-plugins v1 marshals for the same reply.
    #[test]
    fn the_bytes_are_those_of_go_plugins() {
        let named = named(MessageType::Execute, "r1");
        let begin = r#"{"type":"execute","request_id":"r1","success":"#;
        assert_eq!(result(&named, "[1,2.50]", &[]), format!("{begin}true,\"data\":[1,2.50]}}\n"));
        assert_eq!(
            result(&named, "7", &[("b", "2"), ("a", "1")]),
            format!("{begin}true,\"data\":7,\"headers\":{{\"a\":\"1\",\"b\":\"2\"}}}}\n")
        );
        let line = |code, again, data| String::from_utf8(named.error(code, "no user", again, data)).expect("text");
        assert_eq!(line(Code::ExecutionFailed, NOTHING, None), format!("{begin}false,\"error\":\"no user\"}}\n"));
        let again = RetryHint { retryable: Some(true), retry_after: Some(Duration::from_millis(1500)) };
        assert_eq!(
            line(Code::ExecutionFailed, again, Some(b"{}")),
            format!(
                "{begin}false,\"data\":{{}},\"error\":\"no user\",\
                 \"headers\":{{\"X-Plugin-Retry-After-Ms\":\"1500\",\"X-Plugin-Retryable\":\"true\"}}}}\n"
            )
        );
        assert_eq!(
            line(Code::InvalidPayload, NOTHING, None),
            format!("{begin}false,\"error\":\"no user\",\"headers\":{{\"X-Plugin-Code\":\"PLUGIN_1206\"}}}}\n")
        );
        assert_eq!(named.yes(), format!("{begin}true}}\n").as_bytes());
    }

    #[test]
    fn a_reply_is_a_result_or_an_error() {
        let ok = |text: &str| read_line(text).map(|answer| (answer.result.is_ok(), answer.data)).expect(text);
        let begin = r#""type":"execute","request_id":"r1","success":true"#;
        assert_eq!(ok(&format!(r#"{{{begin},"data": {{"a": [1, 2]}}}}"#)), (true, r#"{"a": [1, 2]}"#.into()));
        assert_eq!(ok(&format!("{{{begin}}}")), (true, "null".into()));
        assert_eq!(
            ok(&format!(r#"{{{begin},"data":null,"error":"","headers":null,"took":5}}"#)),
            (true, "null".into())
        );
        assert_eq!(ok(&format!(r#"{{{begin},"data":null}}"#)), (true, "null".into()), "a result that is null");
        assert_eq!(ok(&format!(r#"{{{begin},"data":1,"error":"a warning"}}"#)), (true, "1".into()), "as Go has it");
        assert_eq!(ok(r#"{"request_id":"r1","success":true,"data":1}"#), (true, "1".into()), "nor a type");
        let failed = |text: &str| read_line(text).expect(text).result.expect_err("it failed");
        let fault = failed(r#"{"request_id":"r1","success":false,"error":"no\nuser","data":1}"#);
        assert_eq!((fault.code, &*fault.text, fault.again), (Code::ExecutionFailed, "no\nuser", NOTHING));
        assert_eq!(failed(r#"{"request_id":"r1","success":false}"#).text, "the plugin gave no reason");
        assert_eq!(failed(r#"{"request_id":"r1","success":false,"error":{"c":1}}"#).text, r#"{"c":1}"#);
    }

    #[test]
    fn a_reply_to_another_request_is_none_to_this_one() {
        for (line, why) in [
            (r#"{"request_id":"r2","success":true}"#, "its `request_id` is \"r2\""),
            (r#"{"success":true}"#, "its `request_id` is \"\""),
            (r#"{"request_id":"R1","success":true}"#, "its `request_id` is \"R1\""),
            (
                r#"{"type":"ping","request_id":"r1","success":true}"#,
                "its `type` is \"ping\", where \"execute\" was asked",
            ),
        ] {
            assert_eq!(read_line(line), Err(ReplyUnread::Another(why.to_owned())), "{line}");
        }
    }

    #[test]
    fn an_error_without_a_name_is_that_of_the_request_that_could_not_be_read() {
        let line = r#"{"type":"","request_id":"","success":false,"error":"too long","headers":{"X-Plugin-Code":"PLUGIN_1207"}}"#;
        let answer = read_line(line).expect("one request is in flight");
        assert_eq!((answer.is_anonymous, answer.result.expect_err("it failed").code), (true, Code::PayloadTooLarge));
        let named = read_line(r#"{"request_id":"r1","success":false}"#).expect("a reply");
        assert!(!named.is_anonymous);
        assert!(matches!(read_line(r#"{"request_id":"","success":true,"data":1}"#), Err(ReplyUnread::Another(_))));
    }

    #[test]
    fn what_is_no_reply_says_why() {
        for (line, why) in [
            ("", "it is empty"),
            ("hello", "expected value at byte 1"),
            ("[1]", "a list stands where an object belongs"),
            (r#"{"request_id":"r1"}"#, "it has no `success`, which is true or false"),
            (r#"{"request_id":"r1","success":"yes"}"#, "invalid type: string \"yes\", expected a boolean"),
            (r#"{"request_id":7,"success":true}"#, "expected a string"),
            (
                r#"{"request_id":"r1","success":true,"dat":7}"#,
                "it has neither `data` nor `error`, of which a reply has one, but \"dat\"",
            ),
            (r#"{"request_id":"r1","success":true,"data":NaN}"#, "expected value at byte 42"),
            (r#"{"request_id":"r1","success":true} {}"#, "trailing characters"),
        ] {
            let Err(ReplyUnread::Broken(said)) = read_line(line) else { panic!("{line}") };
            assert!(said.contains(why), "{line}: {said}");
        }
        let deep = |depth| {
            let data = "[".repeat(depth) + &"]".repeat(depth);
            read_line(&format!(r#"{{"request_id":"r1","success":true,"data":{data}}}"#))
        };
        assert!(deep(128).is_ok());
        assert_eq!(deep(129), Err(ReplyUnread::LimitExceeded(LimitExceeded::Depth(128))));
    }

    #[test]
    fn codes_and_what_is_said_of_another_attempt_arrive_as_they_were_written() {
        let named = named(MessageType::Execute, "r1");
        let again = RetryHint { retryable: Some(false), retry_after: Some(Duration::from_millis(1500)) };
        for code in [Code::InvalidPayload, Code::PayloadTooLarge, Code::Forbidden, Code::RateLimited, Code::Timeout] {
            let line = named.error(code, "no", again, None);
            let fault = read(&Bytes::from(line), MessageType::Execute, "r1", Limits::new()).expect("a reply");
            let fault = fault.result.expect_err("it failed");
            assert_eq!((fault.code, fault.again), (code, again.beyond(code)), "{code}");
        }
        let of = |headers: &str| {
            let line = format!(r#"{{"request_id":"r1","success":false,"error":"no","headers":{headers}}}"#);
            read_line(&line).expect("a reply").result.expect_err("it failed")
        };
        assert_eq!(of(r#"{"x-plugin-code":"RATELIMIT_1501","x-plugin-retry-after-ms":250}"#).code, Code::RateLimited);
        // What only the host can know, and what says nothing.
        for other in [r#"{"X-Plugin-Code":"PLUGIN_1201"}"#, r#"{"X-Plugin-Code":"E42","X-Plugin-Retryable":"maybe"}"#] {
            assert_eq!((of(other).code, of(other).again), (Code::ExecutionFailed, NOTHING), "{other}");
        }
        let line = named.error(Code::Unauthenticated, "who are you?", NOTHING, None);
        let stranger = read(&Bytes::from(line), MessageType::Execute, "r1", Limits::new()).expect("a reply");
        assert!(stranger.result.expect_err("it failed").is_stranger);
    }

    #[test]
    fn a_large_result_shares_the_buffer_and_a_small_one_does_not() {
        for (size, shared) in [(10, false), (part::COPY_UP_TO, true)] {
            let line = Bytes::from(format!(r#"{{"request_id":"r1","success":true,"data":"{}"}}"#, "x".repeat(size)));
            let data = read(&line, MessageType::Execute, "r1", Limits::new()).expect("a reply").data;
            assert_eq!(line.as_ptr_range().contains(&data.as_ptr()), shared);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&Bytes::from(bytes), MessageType::Execute, "r1", Limits::new());
        }

        #[test]
        fn any_reply_is_read_as_it_was_written(id in ".{0,40}", data in ".{0,40}", text in ".{1,40}", key in "[a-z]{1,8}") {
            let data = serde_json::to_string(&data).expect("a text");
            for kind in MessageType::ALL {
                let named = named(kind, &id);
                let line = result(&named, &data, &[(&key, &text)]);
                prop_assert_eq!(line.matches('\n').count(), 1);
                let answer = read_as(kind, &id, &line).expect("a reply");
                prop_assert_eq!((&answer.data[..], answer.headers.get(&key)), (data.as_bytes(), Some(&text)));
                let line = String::from_utf8(named.error(Code::ExecutionFailed, &text, NOTHING, None)).expect("text");
                prop_assert_eq!(line.matches('\n').count(), 1);
                let answer = read_as(kind, &id, &line).expect("a reply");
                prop_assert_eq!(answer.result.expect_err("it failed").text, text.clone());
            }
        }
    }
}
