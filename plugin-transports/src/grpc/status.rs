//! A gRPC status as headers or trailers carry it.

use std::{fmt::Write, time::Duration};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::wire::{bounded, retry_hint::millis_up};

pub(super) const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const PUSH_BACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

pub(super) const OK: u8 = 0;
pub(super) const CANCELLED: u8 = 1;
pub(super) const UNKNOWN: u8 = 2;
pub(super) const INVALID_ARGUMENT: u8 = 3;
pub(super) const DEADLINE_EXCEEDED: u8 = 4;
pub(super) const NOT_FOUND: u8 = 5;
pub(super) const PERMISSION_DENIED: u8 = 7;
pub(super) const RESOURCE_EXHAUSTED: u8 = 8;
pub(super) const OUT_OF_RANGE: u8 = 11;
pub(super) const UNIMPLEMENTED: u8 = 12;
pub(super) const UNAVAILABLE: u8 = 14;
pub(super) const UNAUTHENTICATED: u8 = 16;

/// Most peers read 8 KiB of headers and no more. So long may a message be once it is encoded.
const LONGEST_MESSAGE: usize = 2 << 10;

/// Binary metadata: some write the padding, and some do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What became of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GrpcStatus {
    pub(super) number: u8,
    pub(super) message: String,
    /// A `google.rpc.Status`.
    pub(super) details: Bytes,
    /// When to come back, as gRFC A6 has it.
    pub(super) push_back: Option<Duration>,
}

impl GrpcStatus {
    /// The status that these headers or trailers have. The error is what stands in its place and is no number.
    pub(super) fn read(headers: &HeaderMap) -> Option<Result<Self, String>> {
        let number = headers.get(STATUS)?;
        let text = number.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(number) = text.and_then(|text| text.parse().ok()) else {
            let shown = String::from_utf8_lossy(number.as_bytes()).chars().take(20).collect();
            return Some(Err(shown));
        };
        let message = headers.get(MESSAGE).map(|value| percent_decoded(value.as_bytes())).unwrap_or_default();
        // Details that cannot be read say nothing; the status stands by itself.
        let details = headers.get(DETAILS).and_then(|value| BASE64.decode(value.as_bytes().trim_ascii()).ok());
        Some(Ok(Self {
            number,
            message: bounded::text(message),
            details: details.unwrap_or_default().into(),
            push_back: push_back(headers),
        }))
    }

    pub(super) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(STATUS, HeaderValue::from(u16::from(self.number)));
        let values = [
            (MESSAGE, HeaderValue::try_from(percent_encoded(&self.message)).ok()),
            (DETAILS, HeaderValue::try_from(BASE64.encode(&self.details)).ok()),
            (
                PUSH_BACK,
                self.push_back.map(|after| HeaderValue::from(u32::try_from(millis_up(after)).unwrap_or(u32::MAX))),
            ),
        ];
        for (name, value) in values {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                headers.insert(name, value);
            }
        }
    }
}

/// The name of a status, for who reads of it.
pub(super) fn name(number: u8) -> String {
    plugin_core::classify::grpc_status_name(number).map_or_else(|| number.to_string(), ToOwned::to_owned)
}

/// A number of milliseconds; anything else forbids another attempt, and is no time.
fn push_back(headers: &HeaderMap) -> Option<Duration> {
    use plugin_core::classify::{PushBack, retry_after};

    match retry_after::from_grpc(headers)? {
        PushBack::After(after) => Some(after),
        _ => None,
    }
}

/// Printable ASCII but `%` as it is, any other byte as `%XX`; what does not fit is cut off, between two characters.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let before = out.len();
        let mut utf8 = [0; 4];
        for byte in character.encode_utf8(&mut utf8).bytes() {
            match byte {
                b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
                _ => {
                    let _ = write!(out, "%{byte:02X}");
                }
            }
        }
        if out.len() > LONGEST_MESSAGE {
            out.truncate(before);
            break;
        }
    }
    out
}

/// The other way round. Who reads an error is not to lose its text: what is wrong in it is kept as it was written, and
/// bytes that are no text are replaced.
fn percent_decoded(coded: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(coded.len());
    let mut rest = coded;
    while let Some((first, behind)) = rest.split_first() {
        let decoded = behind.get(..2).filter(|_| *first == b'%').and_then(|digits| {
            let digits =
                std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            u8::from_str_radix(digits, 16).ok()
        });
        match decoded {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        let value = |bytes| HeaderValue::from_bytes(bytes).expect("a value");
        pairs.iter().map(|(name, bytes)| (HeaderName::from_static(name), value(bytes))).collect()
    }

    #[test]
    fn a_status_reads_back_as_it_was_written() {
        let status = GrpcStatus {
            number: 14,
            message: "100% of 250µs\n".to_owned(),
            details: Bytes::from_static(b"\x08\x0e"),
            push_back: Some(Duration::from_millis(1500)),
        };
        let mut written = HeaderMap::new();
        status.write(&mut written);
        assert_eq!(written["grpc-message"], "100%25 of 250%C2%B5s%0A");
        assert_eq!(written["grpc-status-details-bin"], "CA4");
        assert_eq!(GrpcStatus::read(&written), Some(Ok(status)));
        let mut written = HeaderMap::new();
        GrpcStatus::default().write(&mut written);
        assert_eq!(written.len(), 1);
    }

    #[test]
    fn what_is_no_number_is_told_and_what_is_wrong_elsewhere_costs_nothing_but_itself() {
        for (bytes, shown) in
            [(&b""[..], ""), (b"x", "x"), (b"+0", "+0"), (b"0 ", "0 "), (b"256", "256"), (b"\xff", "\u{fffd}")]
        {
            let read = GrpcStatus::read(&headers(&[("grpc-status", bytes)]));
            // Nothing at all is no number either.
            assert_eq!(read, Some(Err(shown.to_owned())));
        }
        let odd = headers(&[
            ("grpc-status", b"13"),
            ("grpc-message", b"50% of caf\xe9 %E9 %zz %4"),
            ("grpc-status-details-bin", b"!!!"),
            ("grpc-retry-pushback-ms", b"-1"),
        ]);
        let read = GrpcStatus::read(&odd).expect("a status").expect("a number");
        assert_eq!(read.message, "50% of caf\u{fffd} \u{fffd} %zz %4");
        assert_eq!((read.number, read.details.len(), read.push_back), (13, 0, None));
        for coded in ["CA4", "CA4=", "CA4 "] {
            let read =
                GrpcStatus::read(&headers(&[("grpc-status", b"2"), ("grpc-status-details-bin", coded.as_bytes())]));
            assert_eq!(read.expect("a status").expect("a number").details, &b"\x08\x0e"[..], "{coded}");
        }
    }

    #[test]
    fn a_message_fits_into_what_peers_read() {
        for text in ["x".repeat(10_000), "µ".repeat(10_000), "\u{1f980}".repeat(10_000)] {
            let coded = percent_encoded(&text);
            assert!((LONGEST_MESSAGE - 12..=LONGEST_MESSAGE).contains(&coded.len()), "{}", coded.len());
            assert!(text.starts_with(&percent_decoded(coded.as_bytes())));
        }
    }

    proptest! {
        #[test]
        fn no_header_panics_and_every_text_comes_through(text in ".{0,80}", noise in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(percent_decoded(percent_encoded(&text).as_bytes()), text);
            if let Ok(value) = HeaderValue::from_bytes(&noise) {
                for name in [STATUS, MESSAGE, DETAILS, PUSH_BACK] {
                    let mut headers = headers(&[("grpc-status", b"2")]);
                    headers.insert(name, value.clone());
                    let _ = GrpcStatus::read(&headers);
                }
            }
        }
    }
}
