//! Refusals as gRPC status, without tonic.

use std::{fmt::Write, time::Duration};

use bytes::{BufMut, BytesMut};
use http::{HeaderValue, Response};

use super::{answer::Reject, millis::millis_up};
use crate::Rejected;

/// Answers with a gRPC status in a response that has trailers alone: `UNAVAILABLE`, `RESOURCE_EXHAUSTED` or
/// `DEADLINE_EXCEEDED`.
///
/// Where the layer knows when to come back, `grpc-status-details-bin` carries a `google.rpc.RetryInfo`, and
/// `grpc-retry-pushback-ms` the same time for clients that follow gRFC A6. The HTTP status stays 200, as gRPC demands.
/// The response's extensions hold the [`Rejected`], so that the layers of this family further out know it from an
/// answer of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsGrpcStatus;

#[diagnostic::do_not_recommend]
impl<B: Default, Err> Reject<Response<B>, Err> for AsGrpcStatus {
    fn reject(&self, rejected: Rejected) -> Result<Response<B>, Err> {
        let mut response = Response::new(B::default());
        let headers = response.headers_mut();
        let status = rejected.code().grpc_status();
        let message = rejected.to_string();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from(u16::from(status)));
        if let Ok(value) = HeaderValue::try_from(percent_encoded(&message)) {
            headers.insert("grpc-message", value);
        }
        if let Some(after) = rejected.retry_after() {
            headers.insert("grpc-retry-pushback-ms", HeaderValue::from(millis_up(after)));
            if let Ok(value) = HeaderValue::try_from(base64(&retry_info_status(status, &message, after))) {
                headers.insert("grpc-status-details-bin", value);
            }
        }
        response.extensions_mut().insert(rejected);
        Ok(response)
    }
}

/// The bytes of `grpc-status-details-bin`: a status with a `RetryInfo`.
#[cfg(feature = "tonic")]
pub(crate) fn grpc_details(status: u8, message: &str, after: Duration) -> bytes::Bytes {
    retry_info_status(status, message, after).into()
}

/// `google.rpc.Status { code = 1, message = 2, details = 3: Any { type_url = 1, value = 2 } }` with a
/// `google.rpc.RetryInfo { retry_delay = 1: Duration { seconds = 1, nanos = 2 } }` inside, as protobuf writes them.
fn retry_info_status(code: u8, message: &str, after: Duration) -> Vec<u8> {
    let mut delay = BytesMut::new();
    varint_field(&mut delay, 1, after.as_secs());
    varint_field(&mut delay, 2, u64::from(after.subsec_nanos()));
    let mut info = BytesMut::new();
    bytes_field(&mut info, 1, &delay);
    let mut any = BytesMut::new();
    bytes_field(&mut any, 1, b"type.googleapis.com/google.rpc.RetryInfo");
    bytes_field(&mut any, 2, &info);
    let mut status = BytesMut::new();
    varint_field(&mut status, 1, u64::from(code));
    bytes_field(&mut status, 2, message.as_bytes());
    bytes_field(&mut status, 3, &any);
    status.to_vec()
}

/// As the gRPC protocol writes `grpc-message`: printable ASCII but `%` as it is, any other byte as `%XX`. The text has
/// such bytes: the unit of a duration may be `µs`, and a layer names its stage as it likes.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn varint(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn varint_field(out: &mut BytesMut, number: u8, value: u64) {
    out.put_u8(number << 3);
    varint(out, value);
}

fn bytes_field(out: &mut BytesMut, number: u8, value: &[u8]) {
    out.put_u8(number << 3 | 2);
    varint(out, value.len() as u64);
    out.put_slice(value);
}

/// Base64 without padding, as gRPC writes binary metadata. (Fifteen lines instead of a dependency of every crate.)
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            out.push(char::from(DIGITS[(word >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    fn answer(rejected: Rejected) -> Response<()> {
        let result: Result<_, std::convert::Infallible> = AsGrpcStatus.reject(rejected);
        result.expect("infallible")
    }

    #[test]
    fn base64_is_that_of_the_rfc_without_padding() {
        for (plain, coded) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn each_kind_of_refusal_has_its_status() {
        for (code, status) in [
            (Code::CircuitOpen, "14"),
            (Code::RateLimited, "8"),
            (Code::ConcurrencyExceeded, "8"),
            (Code::Timeout, "4"),
            (Code::Unhealthy, "14"),
        ] {
            assert_eq!(answer(Rejected::new(code)).headers()["grpc-status"], status);
        }
    }

    #[test]
    fn a_message_is_percent_encoded_as_the_protocol_says() {
        assert_eq!(percent_encoded("100% of 250µs\n\u{7f}"), "100%25 of 250%C2%B5s%0A%7F");
        let rejected = Rejected::deadline_exceeded(Duration::from_micros(15), Some("in a queue at 100%"));
        let answer = answer(rejected);
        let message = answer.headers()["grpc-message"].to_str().expect("ASCII");
        assert!(
            message.ends_with("15%C2%B5s were given, and the end of that time was spent in a queue at 100%25"),
            "{message}"
        );
    }

    #[test]
    fn a_push_back_is_never_too_early() {
        let answer = answer(Rejected::rate_limited(Duration::from_micros(250)));
        assert_eq!(answer.headers()["grpc-retry-pushback-ms"], "1");
    }

    #[cfg(feature = "tonic")]
    #[test]
    fn tonic_reads_the_status_back() {
        let response = answer(Rejected::rate_limited(Duration::from_millis(1500)));
        assert_eq!(response.headers()["grpc-retry-pushback-ms"], "1500");
        let status = tonic::Status::from_header_map(response.headers()).expect("a status");
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert!(status.message().contains("RATELIMIT_1501"), "{status:?}");
        let expected = retry_info_status(8, status.message(), Duration::from_millis(1500));
        assert_eq!(status.details(), expected);
    }
}
