//! What the host writes and reads: one request per line, one reply per line.

use std::borrow::Cow;

use bytes::Bytes;
use plugin_core::{CallContext, Code};
use serde::Deserialize;

use super::{id, scan};
use crate::{
    json::{LimitExceeded, Limits, cut},
    wire::{
        headers, json_faults,
        json_writer::{push_display, push_number, push_str, push_texts},
        metadata, object,
        object_names::{self, Unknown},
        part, plugin_errors,
        retry_hint::RetryHint,
    },
};

/// Every request begins with this, and the id follows as 16 hexadecimal digits.
const HEAD: &[u8] = b"{\"id\":\"";

/// A request, complete but for its id.
#[derive(Debug)]
pub(crate) struct Frame(Vec<u8>);

impl Frame {
    /// A request for `method`. `payload` is JSON on one line; `timeout` is in nanoseconds, 0 for none.
    pub(crate) fn new(method: &str, payload: &[u8], context: &CallContext, timeout: u64) -> Self {
        let mut out = Vec::with_capacity(payload.len() + 192);
        out.extend_from_slice(HEAD);
        out.extend_from_slice(&[b'0'; id::DIGITS]);
        out.extend_from_slice(b"\",\"method\":");
        push_str(&mut out, method);
        out.extend_from_slice(b",\"payload\":");
        out.extend_from_slice(payload);
        out.extend_from_slice(b",\"context\":{\"request_id\":");
        push_display(&mut out, context.request_id());
        out.extend_from_slice(b",\"timeout\":");
        push_number(&mut out, timeout);
        // Retries are the host's: a plugin that made its own would multiply them.
        out.extend_from_slice(b",\"max_retries\":0");
        if headers::travel(context) {
            out.extend_from_slice(b",\"headers\":");
            push_texts(&mut out, headers::texts(context));
        }
        if let Some(metadata) = context.metadata() {
            out.extend_from_slice(b",\"metadata\":");
            push_texts(&mut out, metadata.iter().map(|(key, value)| (key.as_str(), Cow::Borrowed(value.as_str()))));
        }
        out.extend_from_slice(b"}}\n");
        Self(out)
    }

    pub(crate) fn set_id(&mut self, id: u64) {
        id::write(&mut self.0[HEAD.len()..HEAD.len() + id::DIGITS], id);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A reply to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) id: u64,
    /// What the plugin says: its result as JSON (`null` when it sent none), or its error.
    pub(crate) result: Result<Bytes, Fault>,
    pub(crate) metadata: std::collections::BTreeMap<String, String>,
}

/// The error that a plugin answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// [`Code::ExecutionFailed`] unless the plugin says otherwise, and may.
    pub(crate) code: Code,
    pub(crate) text: String,
    pub(crate) again: RetryHint,
}

/// What one line of a plugin's stdout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Answer(Answer),
    /// The result of a call, which is beyond a limit.
    LimitExceeded(u64, LimitExceeded),
    /// It names calls, and cannot be read; why, as the second half of a sentence.
    Broken(scan::Found, String),
    /// Not a reply.
    Noise,
}

#[derive(Deserialize)]
struct RawReply<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "part::raw")]
    result: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "part::raw")]
    error: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "part::raw")]
    code: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "part::raw")]
    retryable: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "part::raw")]
    retry_after_ms: Option<&'a str>,
    #[serde(default, deserialize_with = "metadata::texts")]
    metadata: std::collections::BTreeMap<String, String>,
}

impl<'a> RawReply<'a> {
    /// As nearly all are read, within the limits.
    fn cut(text: &'a str, limits: Limits) -> Option<Self> {
        let names = ["id", "result", "error", "code", "retryable", "retry_after_ms", "metadata"];
        let [id, result, error, code, retryable, retry_after_ms, metadata] = cut(text, &names, limits)?;
        let (id, metadata) = (part::plain_text(id?)?, part::texts(metadata)?);
        Some(Self { id, result, error, code, retryable, retry_after_ms, metadata })
    }
}

/// How much of a reply is shown of the place where it cannot be read.
const SHOWN: usize = 16;

/// Reads a line. A reply that is not as it should be is one all the same when it names its call: that call must not wait
/// for another.
pub(crate) fn decode(line: &Bytes, limits: Limits) -> Reply {
    match read(line, limits) {
        Ok(reply) => reply,
        Err(why) => broken(line, why),
    }
}

#[cold]
fn broken(line: &[u8], why: String) -> Reply {
    let found = scan::Scanner::line(line);
    if found.reply.is_some() { Reply::Broken(found, why) } else { Reply::Noise }
}

/// The error says why it cannot be read.
fn read(line: &Bytes, limits: Limits) -> Result<Reply, String> {
    let json = line.strip_prefix(scan::BYTE_ORDER_MARK).unwrap_or(line);
    let text = std::str::from_utf8(json).map_err(|error| no_text(error, json))?;
    let (raw, is_held) = match RawReply::cut(text, limits) {
        Some(raw) => (raw, true),
        None => (object::read(text, "it is no JSON object: it is a list", |error| describe(error, json))?, false),
    };
    let id = id::parse(raw.id.as_bytes()).ok_or("its id is not written as it was given")?;
    // Otherwise it is a request that was written back, as a plugin does that logs to stdout, or another line of a log.
    // What has a result is a reply, and no other key makes it less of one.
    if raw.result.is_none() || raw.error.is_some() {
        let (keys, others) = keys_of(text);
        if !keys.is_reply() {
            return Ok(Reply::Noise);
        }
        if keys.lacks_answer() {
            return Err(others.in_place_of("result", "error"));
        }
    }
    if let Some(Err(beyond)) = raw.result.filter(|_| !is_held).map(|result| limits.hold(result)) {
        return Ok(Reply::LimitExceeded(id, beyond));
    }
    // An error is text; a plugin that sends an object instead is shown as it wrote it.
    let has_error = raw.error.is_some();
    let text = raw.error.map(metadata::error).filter(|text| !text.is_empty());
    let code = raw.code.map(metadata::text).and_then(|code| plugin_errors::code(&code));
    // What only errors have makes it one where there is no result, with or without its sentence; beside a result it is a key
    // that nobody knows. One encoder writes those that say nothing.
    let says = |key: Option<&str>, nothing| key.is_some_and(|value| value != nothing);
    let says_error = code.is_some() || says(raw.retryable, "false") || says(raw.retry_after_ms, "0");
    let is_error = says_error && (has_error || raw.result.is_none());
    let fault = |code, text| Fault { code, text, again: RetryHint::read(raw.retryable, raw.retry_after_ms) };
    let result = match (text, code) {
        (Some(text), code) => Err(fault(code.unwrap_or(Code::ExecutionFailed), text)),
        (None, code) if is_error => {
            Err(fault(code.unwrap_or(Code::ExecutionFailed), "the plugin gave no reason".to_owned()))
        }
        _ => Ok(part::of(line, raw.result)),
    };
    Ok(Reply::Answer(Answer { id, result, metadata: raw.metadata }))
}

/// The keys of a reply, and those that no reply has.
#[cold]
fn keys_of(object: &str) -> (scan::Keys, Unknown) {
    let (mut keys, mut others) = (scan::Keys::default(), Unknown::default());
    object_names::visit(object, |key| {
        if !keys.note(key.as_bytes()) {
            others.note(key);
        }
    });
    (keys, others)
}

#[cold]
fn no_text(error: std::str::Utf8Error, json: &[u8]) -> String {
    if scan::is_wide(json) {
        return WIDE.to_owned();
    }
    let at = error.valid_up_to();
    format!("it is no UTF-8: byte {} is 0x{:02x}", at + 1, json.get(at).copied().unwrap_or_default())
}

const WIDE: &str = "it is no UTF-8: it is text of two bytes a character";

/// What the parser says, with the place as it stands in the line.
#[cold]
fn describe(error: &serde_json::Error, json: &[u8]) -> String {
    if scan::is_wide(json) {
        return WIDE.to_owned();
    }
    let text = json_faults::said(error);
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let at = error.column().saturating_sub(1).min(json.len());
    let near = String::from_utf8_lossy(&json[at..json.len().min(at + SHOWN)]).into_owned();
    if error.is_eof() {
        return format!("it is no JSON reply: {what} at its end");
    }
    format!("it is no JSON reply: {what} at byte {}, {near:?}", at + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn decode_line(line: &Bytes) -> Reply {
        decode(line, Limits::new())
    }

    fn written(frame: Frame) -> Value {
        let bytes = frame.into_bytes();
        assert_eq!(memchr::memchr_iter(b'\n', &bytes).count(), 1, "one line each");
        serde_json::from_slice(&bytes).expect("valid JSON")
    }

    #[test]
    fn a_request_has_the_fields_of_the_protocol() {
        let mut context = CallContext::new();
        context.set_request_id("r-\"1\"");
        context.headers_mut().append("x-tenant", "a".parse().expect("a value"));
        context.headers_mut().append("x-tenant", "b".parse().expect("a value"));
        context.metadata_mut().insert("k".into(), "v".into());
        let mut frame = Frame::new("execute", br#"{"a":1}"#, &context, 1_500_000_000);
        frame.set_id(0xabc);
        assert_eq!(
            written(frame),
            json!({"id": "0000000000000abc", "method": "execute", "payload": {"a": 1}, "context": {
                "request_id": "r-\"1\"", "timeout": 1_500_000_000_u64, "max_retries": 0,
                "headers": {"x-tenant": "a, b"}, "metadata": {"k": "v"}}})
        );
    }

    #[test]
    fn the_trace_travels_as_its_header_and_wins_over_a_copied_one() {
        let mut context = CallContext::new();
        context.headers_mut().insert("traceparent", "stale".parse().expect("a value"));
        let trace = plugin_core::TraceContext::new(1, 2, 1).expect("ids are not zero").with_state("a=b");
        context.headers_mut().insert("tracestate", "stale".parse().expect("a value"));
        context.headers_mut().insert("x-tenant", "a".parse().expect("a value"));
        let headers = |context: &CallContext| {
            let frame = Frame::new("execute", b"null", context, 0);
            for name in ["traceparent", "tracestate"] {
                assert_eq!(String::from_utf8_lossy(&frame.0).matches(name).count(), 1, "each is said once");
            }
            written(frame)["context"]["headers"].clone()
        };
        let copied = json!({"traceparent": "stale", "tracestate": "stale", "x-tenant": "a"});
        assert_eq!(headers(&context), copied, "what was copied is passed on where there is no other");
        context.set_trace(trace.clone());
        let own = json!({"traceparent": trace.to_string(), "tracestate": "a=b", "x-tenant": "a"});
        assert_eq!(headers(&context), own);
    }

    #[test]
    fn a_reply_is_a_result_or_an_error() {
        let read = |text: &str| match decode_line(&Bytes::copy_from_slice(text.as_bytes())) {
            Reply::Answer(answer) => Some((answer.id, answer.result)),
            _ => None,
        };
        let id = "00000000000000ff";
        let ok = |text: &'static str| Some((255, Ok(Bytes::from_static(text.as_bytes()))));
        let failed = |text: &str| Some((255, Err(fault(Code::ExecutionFailed, text))));
        assert_eq!(read(&format!(r#"{{"id": "{id}", "result": {{"a": [1, 2]}}}}"#)), ok(r#"{"a": [1, 2]}"#));
        assert_eq!(read(&format!(r#"{{"id":"{id}"}}"#)), ok("null"));
        assert_eq!(read(&format!(r#"{{"id":"{id}","result":null,"error":""}}"#)), ok("null"));
        assert_eq!(read(&format!(r#"{{"result":7,"error":null,"x":1,"id":"{id}"}}"#)), ok("7"));
        assert_eq!(read(&format!(r#"{{"id":"{id}","error":"no\nuser"}}"#)), failed("no\nuser"));
        assert_eq!(read(&format!(r#"{{"id":"{id}","error":{{"c":1}}}}"#)), failed(r#"{"c":1}"#));
        for bad in ["", "hello", "{}", r#"{"id":"7"}"#, r#"{"id":7}"#, r#"{"id":"00000000000000FF"}"#, "[1]"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    fn fault(code: Code, text: &str) -> Fault {
        Fault { code, text: text.to_owned(), again: RetryHint::default() }
    }

    #[test]
    fn an_error_may_say_whether_another_attempt_helps_and_when_and_a_bad_value_costs_it_nothing() {
        let read = |keys: &str| {
            let line = format!(r#"{{"id":"00000000000000ff","error":"no","code":"RATELIMIT_1501",{keys}}}"#);
            match decode_line(&Bytes::from(line)) {
                Reply::Answer(Answer { result: Err(fault), .. }) if fault.code == Code::RateLimited => {
                    (fault.again.retryable, fault.again.retry_after.map(|after| after.as_millis()))
                }
                other => panic!("{keys}: {other:?}"),
            }
        };
        assert_eq!(read(r#""retryable":true,"retry_after_ms":1500"#), (Some(true), Some(1500)));
        assert_eq!(read(r#""retry_after_ms":1000000000"#), (None, Some(86_400_000)));
        for bad in [r#""retryable":"yes","retry_after_ms":-1"#, r#""retryable":[],"retry_after_ms":"soon""#] {
            assert_eq!(read(bad), (None, None), "{bad}");
        }
        let line = br#"{"id":"00000000000000ff","result":1,"retryable":true,"retry_after_ms":5}"#;
        let Reply::Answer(fine) = decode_line(&Bytes::from_static(line)) else { panic!("a reply") };
        assert!(fine.result.is_ok(), "beside a result they are keys that nobody knows");
        // Nothing else beside an id is a result that is null, as one encoder writes it, and no line of a log either.
        let line = br#"{"id":"00000000000000ff","retryable":false}"#;
        assert!(matches!(decode_line(&Bytes::from_static(line)), Reply::Answer(Answer { result: Ok(_), .. })));
    }

    #[test]
    fn an_error_may_have_a_code_of_those_that_an_answer_can_have() {
        let code = |code: &str| {
            let line = format!(r#"{{"id":"00000000000000ff","error":"no","code":{code}}}"#);
            match decode_line(&Bytes::from(line)) {
                Reply::Answer(Answer { result: Err(fault), .. }) if fault.text == "no" => fault.code,
                other => panic!("{other:?}"),
            }
        };
        for own in ["PLUGIN_1206", "PLUGIN_1207", "AUTH_1107", "PLUGIN_1204", "RATELIMIT_1501", "OVERLOAD_2001"] {
            assert_eq!(code(&format!("{own:?}")).as_str(), own);
        }
        // What only the host can know, and what is none.
        for other in
            ["\"PLUGIN_1201\"", "\"CIRCUIT_1401\"", "\"AUTH_1106\"", "\"E42\"", "400", "null", "[\"PLUGIN_1206\"]"]
        {
            assert_eq!(code(other), Code::ExecutionFailed, "{other}");
        }
        let Reply::Answer(fine) =
            decode_line(&Bytes::from_static(br#"{"id":"00000000000000ff","result":1,"code":"PLUGIN_1206"}"#))
        else {
            panic!("a reply")
        };
        assert!(fine.result.is_ok(), "a code beside a result is no error");
        for silent in [
            r#""error":"","code":"PLUGIN_1206""#,
            r#""error":null,"code":"PLUGIN_1206""#,
            r#""result":1,"error":"","code":"PLUGIN_1206""#,
        ] {
            let line = format!(r#"{{"id":"00000000000000ff",{silent}}}"#);
            let Reply::Answer(answer) = decode_line(&Bytes::from(line)) else { panic!("a reply") };
            let fault = answer.result.expect_err("an error that gives no reason");
            assert_eq!((fault.code, fault.text.as_str()), (Code::InvalidPayload, "the plugin gave no reason"));
        }
        for silent in [r#""error":"","retryable":true"#, r#""retryable":true"#, r#""retry_after_ms":5"#] {
            let line = format!(r#"{{"id":"00000000000000ff",{silent}}}"#);
            let Reply::Answer(answer) = decode_line(&Bytes::from(line)) else { panic!("a reply") };
            assert_eq!(answer.result.expect_err("another attempt at what?").code, Code::ExecutionFailed, "{silent}");
        }
        let line = Bytes::from_static(br#"{"id":"00000000000000ff","error":"","code":"0"}"#);
        let Reply::Answer(fine) = decode_line(&line) else { panic!("a reply") };
        assert!(fine.result.is_ok(), "an empty error with a code of nobody's is none");
    }

    #[test]
    fn a_reply_that_cannot_be_read_names_its_call_and_says_why() {
        let id = scan::Id::Text(0x2_0001);
        for (line, why) in [
            (&br#"{"id":"0000000000020001","result":NaN}"#[..], "expected value at byte 35, \"NaN}\""),
            (br#"{"id":"0000000000020001","result":-Infinity}"#, "invalid number at byte"),
            (br#"{"id":"0000000000020001","result":1,"result":2}"#, "duplicate field `result`"),
            (b"{\"id\":\"0000000000020001\",\"result\":\"caf\xe9\"}", "it is no UTF-8: byte 39 is 0xe9"),
            (b"{\"id\":\"0000000000020001\",\"result\":\"a\tb\"}", "control character"),
            (br#"{"id":"0000000000020001","result":1} done"#, "trailing characters at byte 38, \"done\""),
            (br#"{"id":"0000000000020001","result":1"#, "EOF while parsing an object at its end"),
            (br#"{"id":"0000000000020001","metadata":[1]}"#, "expected a map"),
            (b"{'id': '0000000000020001', 'result': None}", "key must be a string at byte 2"),
            (br#"{"ID":"0000000000020001","result":1}"#, "missing field `id`"),
            (br#"loading... {"id":"0000000000020001","result":1}"#, "expected value at byte 1, \"loading"),
            (
                br#"{"id":"0000000000020001","results":1}"#,
                "neither `result` nor `error`, of which a reply has one, but \"results\"",
            ),
            (br#"{"status":"ok","id":"0000000000020001","took":5}"#, "but \"status\", \"took\""),
            (br#"{"id":"0000000000020001","results":NaN}"#, "expected value at byte 36"),
            (br#"{"id":["0000000000020001"],"result":1}"#, "invalid type: sequence, expected a string"),
            (br#"{"id":"0000000000020001","metadata":"a at line 3"}"#, "\"a at line 3\", expected a map at byte"),
            // Sixteen bytes of what stands there.
            (br#"{"id":"0000000000020001","result":NaN,"x":"0123456789"}"#, r#"at byte 35, "NaN,\"x\":\"0123456""#),
        ] {
            let Reply::Broken(found, said) = decode_line(&Bytes::copy_from_slice(line)) else { panic!("{line:?}") };
            assert_eq!(found.reply, Some(id));
            assert!(said.contains(why), "{said:?} has no {why:?}");
        }
        let wide = |text: &str, swapped: bool| -> Vec<u8> {
            let units = text.encode_utf16();
            units.flat_map(|unit| if swapped { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        let plain = r#"{"id":"0000000000020001","result":1}"#;
        let marked = format!("\u{feff}{plain}");
        for line in [wide(plain, false), wide(plain, true), wide(&marked, false), wide(&marked, true)] {
            let Reply::Broken(found, said) = decode_line(&Bytes::from(line)) else { panic!("a reply") };
            assert_eq!((found.reply, said.as_str()), (Some(id), WIDE));
        }
        for line in [
            &br#"[{"id":"0000000000020001","result":1}]"#[..],
            br#" [ {"result":1,"id":"0000000000020001"}, 1 ]"#,
            br#"{"\u0069d":"0000000000020001","result":NaN}"#,
            br#"{"id":"\u0030000000000020001","\u0072esult":NaN}"#,
            br#"{"id":"0x0000000000020001","result":1}"#,
            br#"{"id":"0000000000020001","method":"execute","payload":1,"context":{},"result":NaN}"#,
            br#"{"method":"execute","result":{"a":[1,NaN]},"id":"0000000000020001"}"#,
        ] {
            let decoded = decode_line(&Bytes::copy_from_slice(line));
            assert!(matches!(&decoded, Reply::Broken(found, _) if found.reply == Some(id)), "{decoded:?}");
        }
        let number = decode_line(&Bytes::from_static(br#"{"id":131073,"result":1}"#));
        let said = "it is no JSON reply: invalid type: integer `131073`, expected a string";
        let Reply::Broken(scan::Found { reply: Some(scan::Id::Number { .. }), .. }, why) = &number else {
            panic!("{number:?}")
        };
        assert!(why.starts_with(said), "{why}");
        let shout = decode_line(&Bytes::from_static(br#"{"id":"00000000000F0001","result":1}"#));
        let Reply::Broken(found, why) = shout else { panic!("{shout:?}") };
        assert_eq!((found.reply, &*why), (Some(scan::Id::Text(0xf_0001)), "its id is not written as it was given"));
    }

    #[test]
    fn what_some_programs_add_to_a_reply_does_no_harm() {
        for line in [
            "\u{feff}{\"id\":\"0000000000020001\",\"result\":1}",
            "{\"id\":\"0000000000020001\",\"result\":1}\r",
            " {\"id\":\"0000000000020001\",\"result\":1,\"metadata\":{\"n\":5,\"none\":null}} ",
            "{\"id\":\"0000000000020001\",\"method\":\"execute\",\"payload\":1,\"context\":{},\"result\":1}",
            "{\"id\":\"0000000000020001\",\"level\":\"info\",\"took\":5,\"result\":1}",
            "{\"\\u0069d\":\"0000000000020001\",\"result\":1}",
        ] {
            let read = decode_line(&Bytes::copy_from_slice(line.as_bytes()));
            assert!(matches!(&read, Reply::Answer(answer) if answer.result.as_deref() == Ok(b"1")), "{read:?}");
        }
    }

    #[test]
    fn what_is_no_reply_is_noise_and_so_is_a_request_that_was_written_back() {
        for line in [
            "",
            "hello",
            "[1]",
            "{}",
            "{\"id\":null}",
            "{\"level\":\"info\",\"msg\":\"ready\"}",
            r#"{"id":"0000000000020001","method":"execute","payload":1,"context":{}}"#,
            r#"DEBUG got {"id":"0000000000020001","method":"execute","payload":1,"context":{}}"#,
            r#"handling {"id":"0000000000020001","size":123}"#,
            r#"{"level":"info","id":"0000000000020001"}"#,
            r#"{"id":"0000000000020001","msg":"begins","ts":1.5}"#,
            r#"{"level":"error","id":"0000000000020001","error":"no database"}"#,
            r#"{"level":"info","id":"0000000000020001","took":NaN}"#,
            r#"{"id":"0000000000020001","severity":"ERROR","error":NaN}"#,
            r#"[{"id":"0000000000020001"}]"#,
            // The fields of a reply in order, which serde would take for one.
            r#"["0000000000020001",1]"#,
            r#"  ["0000000000020001",1]"#,
        ] {
            assert_eq!(decode_line(&Bytes::copy_from_slice(line.as_bytes())), Reply::Noise, "{line}");
        }
    }

    #[test]
    fn a_result_that_is_nested_too_deep_ends_its_call() {
        let line =
            |depth| format!(r#"{{"id":"0000000000020001","result":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(matches!(decode_line(&Bytes::from(line(128))), Reply::Answer(_)));
        assert_eq!(decode_line(&Bytes::from(line(129))), Reply::LimitExceeded(0x2_0001, LimitExceeded::Depth(128)));
    }

    #[test]
    fn a_large_result_shares_the_buffer_and_a_small_one_does_not() {
        let line = |size: usize| Bytes::from(format!(r#"{{"id":"{:016x}","result":"{}"}}"#, 1, "x".repeat(size)));
        let within = |line: &Bytes, part: &Bytes| line.as_ptr_range().contains(&part.as_ptr());
        // With its quotation marks.
        for (size, shared) in [(10, false), (part::COPY_UP_TO - 2, false), (part::COPY_UP_TO - 1, true)] {
            let line = line(size);
            let Reply::Answer(Answer { result: Ok(result), .. }) = decode_line(&line) else { panic!("a result") };
            assert_eq!(within(&line, &result), shared);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let line = Bytes::from(bytes);
            let _ = decode_line(&line);
        }
    }
}
