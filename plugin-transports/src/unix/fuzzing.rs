//! The fuzz targets of go-plugins' lines over a Unix socket, in both directions, there and back.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use plugin_core::clock;

use super::{
    line_buffer::LineBuffer,
    reply::{self, Named, ReplyUnread},
    request::{self, Around, MessageType},
};
use crate::{
    fuzzing::MOST_SAID,
    json::{Limits, flat},
    wire::{bounded::MAX_ERROR, retry_hint::RetryHint},
};

fn first_line(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes.split(|byte| *byte == b'\n').next().unwrap_or_default())
}

/// The whole of a line, without its line feed, of which it has but one.
fn joined(around: &Around, payload: &[u8]) -> Bytes {
    let mut line = [&around.before, payload, &around.behind].concat();
    assert_eq!((line.pop(), memchr::memchr(b'\n', &line)), (Some(b'\n'), None));
    line.into()
}

/// A request that is read is written by a host as what reads the same, and its replies are those of its id and type.
pub fn unix_request(bytes: &[u8]) {
    let limits = Limits::new();
    let line = first_line(bytes);
    let mut read = match request::read(&line, limits) {
        Ok(read) => read,
        Err(fault) => return assert!((1..MOST_SAID).contains(&fault.problem.len()), "{}", fault.problem),
    };
    limits.check(&read.data).expect("it was accepted");
    let payload = flat(&read.data).into_owned();
    let (kind, id, timeout) = (read.kind, read.id.clone(), read.timeout);
    let context = read.context(clock::now());
    let metadata = context.metadata().cloned().unwrap_or_default();
    let request_id = context.request_id().to_string();

    let credentials = HeaderMap::new();
    let headers = request::headers_of(&context, |_| false, &credentials);
    let left = timeout.unwrap_or(Duration::from_secs(1));
    let written = joined(&request::around(kind, &request_id, &headers, left, Some(&metadata)), &payload);
    let mut again = request::read(&written, limits).expect("our own request");
    assert_eq!((again.kind, &again.data[..], again.headers.len()), (kind, &payload[..], headers.len()));
    assert_eq!(again.timeout, Some(left.max(Duration::from_millis(1))));
    let its_context = again.context(clock::now());
    assert_eq!(its_context.request_id().to_string(), request_id);
    assert_eq!(its_context.metadata().cloned().unwrap_or_default(), metadata);

    // An id that was not text never gets here; an odd one may be half of a surrogate pair.
    let Ok(own) = serde_json::from_slice::<String>(id.as_json()) else { return };
    let named = Named::new(kind, id);
    let answer = reply::read(&joined(&named.result(&metadata), &payload), kind, &own, limits).expect("our own reply");
    assert_eq!((answer.result, &answer.data[..], answer.headers), (Ok(()), &payload[..], metadata));
    let text = String::from_utf8_lossy(&line[..line.len().min(64)]);
    let mut failed = named.error(plugin_core::Code::RateLimited, &text, RetryHint::default(), None);
    assert_eq!(failed.pop(), Some(b'\n'));
    let answer = reply::read(&failed.into(), kind, &own, limits).expect("our own reply");
    let fault = answer.result.expect_err("a failure");
    assert_eq!((fault.code, &*fault.text), (plugin_core::Code::RateLimited, &*text));
}

/// A reply is one to this very request, or its error says in a few words why not.
pub fn unix_reply(bytes: &[u8]) {
    let limits = Limits::new();
    match reply::read(&first_line(bytes), MessageType::Execute, "r1", limits) {
        Ok(answer) => {
            limits.check(&answer.data).expect("it was accepted");
            if let Err(fault) = answer.result {
                assert!((1..=MAX_ERROR).contains(&fault.text.len()));
            }
        }
        Err(ReplyUnread::Broken(why) | ReplyUnread::Another(why)) => {
            assert!((1..MOST_SAID).contains(&why.len()), "{} {why}", why.len());
        }
        Err(ReplyUnread::LimitExceeded(_)) => {}
    }
}

/// A stream is cut into its lines, up to the first that is too long, however it arrives. The first byte is the limit, the
/// second says how long the pieces are.
pub fn unix_lines(bytes: &[u8]) {
    let [limit, size, bytes @ ..] = bytes else { return };
    let limit = usize::from(*limit);
    let mut buffer = LineBuffer::new(limit);
    let (mut seen, mut too_long) = (Vec::new(), false);
    for piece in bytes.chunks(usize::from(*size).max(1)) {
        buffer.room().extend_from_slice(piece);
        loop {
            let announced = buffer.has_line();
            match buffer.next_line() {
                Ok(Some(line)) => {
                    assert!(announced && line.len() <= limit);
                    seen.push(line);
                }
                Ok(None) => {
                    assert!(!announced && buffer.bytes().len() <= limit);
                    break;
                }
                Err(_) => {
                    too_long = true;
                    break;
                }
            }
        }
        if too_long {
            break;
        }
    }
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let first_long = lines.iter().position(|line| line.len() > limit);
    assert_eq!(too_long, first_long.is_some());
    match first_long {
        Some(first) => lines.truncate(first),
        None => assert_eq!(lines.pop(), Some(&buffer.rest()[..])),
    }
    assert_eq!(seen, lines);
}

#[cfg(test)]
fuzz_twins::twins!(unix_request, unix_reply, unix_lines);
