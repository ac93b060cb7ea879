//! The fuzz target of the line protocol, as a plugin reads it: both directions, there and back.

use bytes::Bytes;
use plugin_core::Code;
use serde_json::value::RawValue;

use super::request::{self, decode};
use crate::{
    json::{Limits, flat},
    lines::codec::{self, Frame, Reply},
    wire::retry_hint::RetryHint,
};

#[derive(serde::Deserialize)]
struct ReplyId<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
}

/// Whether this is one line, and nothing else.
fn is_line(line: &[u8]) -> bool {
    memchr::memchr(b'\n', line).is_some_and(|at| at + 1 == line.len())
}

/// A request that is read is written by the host as what reads the same, and its replies are lines of JSON with its id.
pub fn line_request(bytes: &[u8]) {
    let line = Bytes::copy_from_slice(bytes.split(|byte| *byte == b'\n').next().unwrap_or_default());
    let Ok(read) = decode(&line) else { return };
    let id: ReplyId<'_> = serde_json::from_slice(&line).expect("it was read");
    let (id, payload) = (id.id.get(), flat(read.call.payload()));
    let metadata = read.call.context().metadata().cloned().unwrap_or_default();
    for reply in [
        request::result(&read.id, &payload, &metadata),
        request::error(&read.id, &String::from_utf8_lossy(&line)),
        request::fault(&read.id, Code::RateLimited, "", RetryHint { retryable: Some(true), retry_after: None }),
    ] {
        assert!(is_line(&reply));
        let back: ReplyId<'_> = serde_json::from_slice(&reply).expect("JSON");
        assert_eq!(back.id.get(), id);
    }

    let mut frame = Frame::new("execute", &payload, read.call.context(), 5);
    frame.set_id(0xabc);
    let written = Bytes::from(frame.into_bytes());
    assert!(is_line(&written));
    let again = decode(&written).expect("our own request");
    assert_eq!(again.call.payload(), &payload[..]);
    assert_eq!(again.call.context().request_id().to_string(), read.call.context().request_id().to_string());
    assert_eq!(again.call.context().metadata().cloned().unwrap_or_default(), metadata);

    let mut reply = request::result(&again.id, &payload, &metadata);
    reply.pop();
    match codec::decode(&Bytes::from(reply), Limits::new()) {
        Reply::Answer(answer) => {
            assert_eq!(answer.id, 0xabc);
            assert_eq!(answer.result.as_deref(), Ok(&payload[..]));
            assert_eq!(answer.metadata, metadata);
        }
        Reply::LimitExceeded(id, _) => assert_eq!(id, 0xabc),
        other => panic!("{other:?}"),
    }
}

#[cfg(test)]
fuzz_twins::twins!(line_request);
