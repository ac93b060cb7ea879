//! The fuzz targets of gRPC: frames, what stands behind them, and what is in them.

use std::mem::discriminant;

use bytes::Bytes;
use http::HeaderMap;
use plugin_core::classify::retry_after;

pub use super::server::fuzzing::*;
use super::{
    content_type::{self, JSON},
    frame::Reading,
    rich,
    status::GrpcStatus,
    timeout,
};
use crate::{
    fuzzing::{MOST_SAID, headers},
    wire::{bounded::MAX_ERROR, plugin_errors},
};

/// A message is the same however it is cut, within its bound, and as long as it says. The first byte says whether gzip is
/// announced, the second how long the pieces are.
pub fn grpc_frame(bytes: &[u8]) {
    const MAX: usize = 256;
    let [gzip, size, bytes @ ..] = bytes else { return };
    let in_pieces = |size: usize| {
        let mut reading = Reading::new(MAX, gzip & 1 == 1);
        for piece in bytes.chunks(size) {
            reading.take(Bytes::copy_from_slice(piece))?;
        }
        reading.end()
    };
    match (in_pieces(usize::from(*size).max(1)), in_pieces(bytes.len().max(1))) {
        (Ok(cut), Ok(whole)) => {
            assert_eq!(cut, whole);
            let Some(message) = whole else { return assert!(bytes.is_empty()) };
            assert!(message.len() <= MAX);
            assert!(bytes[0] == 1 || message == bytes[5..]);
        }
        (Err(cut), Err(whole)) => assert_eq!(discriminant(&cut), discriminant(&whole), "{cut:?} {whole:?}"),
        (cut, whole) => panic!("{cut:?} {whole:?}"),
    }
}

/// A status has a bounded text, and is written as what reads the same, but for the end of a long text.
pub fn grpc_trailers(bytes: &[u8]) {
    let status = match GrpcStatus::read(&headers(bytes)) {
        None => return,
        Some(Err(shown)) => return assert!(shown.chars().count() <= 20, "{shown}"),
        Some(Ok(status)) => status,
    };
    assert!(status.message.len() <= MAX_ERROR);
    assert!(status.push_back.is_none_or(|after| after <= retry_after::MAX));
    let mut written = HeaderMap::new();
    status.write(&mut written);
    let again = GrpcStatus::read(&written).expect("a status").expect("a number");
    assert!(status.message.starts_with(&again.message));
    assert_eq!(GrpcStatus { message: status.message.clone(), ..again }, status);
}

/// Details have a code that an answer can have, a bounded text, and a bounded time to come back after; what they say is written
/// as what says the same.
pub fn grpc_details(bytes: &[u8]) {
    let details = rich::read(&GrpcStatus { details: Bytes::copy_from_slice(bytes), ..GrpcStatus::default() });
    assert!(details.again.retry_after.is_none_or(|after| after <= retry_after::MAX));
    assert!(details.detail.as_ref().is_none_or(|detail| detail.len() <= MAX_ERROR));
    let Some(code) = details.code else { return };
    assert_eq!(plugin_errors::code(code.as_str()), Some(code));
    let mut error = plugin_errors::error(code, "x".to_owned(), details.again);
    if let Some(detail) = &details.detail {
        error = error.with_detail(detail.as_str());
    }
    let again = rich::read(&rich::status_of(&error));
    assert_eq!((again.code, again.again.retry_after), (Some(code), error.retry_after()));
    assert!(details.detail.unwrap_or_default().starts_with(&again.detail.unwrap_or_default()));
}

/// What is no timeout is told in a few words. What is one is core's to read, see `plugin_core::fuzzing::grpc_timeout`.
pub fn grpc_deadline(bytes: &[u8]) {
    if let Err(why) = timeout::parse(&String::from_utf8_lossy(bytes)) {
        assert!((1..MOST_SAID).contains(&why.len()), "{} {why}", why.len());
    }
}

/// What is like something is so both ways, and all JSON is alike. The types stand on two lines.
pub fn grpc_content_type(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (one, other) = text.split_once('\n').unwrap_or((&text, ""));
    let is_like = content_type::is_like(one, other);
    assert_eq!(is_like, content_type::is_like(other, one));
    assert!(content_type::is_like(one, one));
    assert_eq!(content_type::is_json(one), content_type::is_like(one, JSON));
    assert!(!is_like || content_type::is_json(one) == content_type::is_json(other));
}

#[cfg(test)]
fuzz_twins::twins!(grpc_frame, grpc_trailers, grpc_details, grpc_deadline, grpc_content_type);
