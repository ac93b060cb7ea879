//! The fuzz targets of this crate: what holds for any bytes that one of its decoders is given.

use crate::{
    Code, RequestId, TraceContext,
    classify::{Condition, retry_after},
    go_duration,
};

#[cfg(feature = "grpc")]
pub use crate::classify::fuzzing::*;
pub use crate::settings::fuzzing::*;

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A duration is within its bound, and reads back as it is written.
pub fn go_duration(bytes: &[u8]) {
    let Some(Ok(duration)) = text(bytes).map(go_duration::parse) else { return };
    assert!(duration <= go_duration::MAX);
    assert_eq!(go_duration::parse(&go_duration::format(duration)), Ok(duration));
    assert_eq!(go_duration::parse(&go_duration::format_ascii(duration)), Ok(duration));
}

/// A trace that is accepted is written as the header that it came as, where that was of version 00.
pub fn trace_context(bytes: &[u8]) {
    let Some((text, trace)) = text(bytes).and_then(|text| Some((text, TraceContext::parse(text)?))) else { return };
    assert!(trace.trace_id() != 0 && trace.parent_id() != 0);
    let written = trace.to_string();
    assert_eq!(TraceContext::parse(&written).as_ref(), Some(&trace));
    assert_eq!(&written[3..], &text[3..55]);
    let with_state = trace.with_state(text);
    assert!(with_state.state().is_none_or(|state| state.len() <= 512));
}

/// Ids, codes and conditions are written as they were read.
pub fn words(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Some(id) = RequestId::parse(text) {
        assert_eq!(id.to_string(), text);
    }
    if let Some(code) = Code::parse(text) {
        assert_eq!(code.as_str(), text);
    }
    match text.parse::<Condition>() {
        Ok(condition) => assert!(condition.to_string().eq_ignore_ascii_case(text), "{condition} {text}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Some(after) = retry_after::from_millis(text) {
        assert!(after <= retry_after::MAX);
    }
}

/// What a server says of when to come back is bounded, and is read from digits and dates alone.
#[cfg(feature = "http")]
pub fn retry_after(bytes: &[u8]) {
    let Ok(value) = http::HeaderValue::from_bytes(bytes) else { return };
    let wall = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777);
    let headers = http::HeaderMap::from_iter([(http::header::RETRY_AFTER, value)]);
    if let Some(after) = retry_after::from_http(&headers, wall) {
        assert!(after <= retry_after::MAX);
        let is_number = bytes.trim_ascii().iter().all(u8::is_ascii_digit);
        assert!(is_number || bytes.is_ascii(), "{bytes:?}");
    }
}

/// A timeout of gRPC is written back to no more than it was.
#[cfg(feature = "grpc")]
pub fn grpc_timeout(bytes: &[u8]) {
    use crate::deadline::{format_grpc_timeout, parse_grpc_timeout};

    let Some(limit) = text(bytes).and_then(parse_grpc_timeout) else { return };
    let back = parse_grpc_timeout(&format_grpc_timeout(limit)).expect("our own text");
    assert!(back <= limit && limit - back <= limit / 1_000_000, "{limit:?} {back:?}");
}

#[cfg(test)]
fuzz_twins::twins!(go_duration, trace_context, words);

#[cfg(all(test, feature = "grpc"))]
mod of_http {
    use super::{grpc_timeout, retry_after};

    fuzz_twins::twins!(retry_after, grpc_timeout);
}
