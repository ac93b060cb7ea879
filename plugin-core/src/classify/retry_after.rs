//! Reading when a server wants to be called again.

use std::time::Duration;
#[cfg(feature = "http")]
use std::time::SystemTime;

#[cfg(feature = "http")]
use http::{HeaderMap, HeaderValue, header};

#[cfg(feature = "http")]
use super::judgement::PushBack;

/// The longest time that is believed. What says more is read as this.
pub const MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads `Retry-After` (RFC 9110, 10.2.3): seconds, or an HTTP date. A date in the past is zero.
///
/// `None` when the header is missing, or is neither.
#[cfg(feature = "http")]
#[must_use]
pub fn from_http(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Some(seconds) = digits(text) {
        return Some(Duration::from_secs(seconds).min(MAX));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(wall).unwrap_or(Duration::ZERO).min(MAX))
}

/// Reads a number of milliseconds, as a plugin writes it beside an error: digits alone. `None` when it is none.
#[must_use]
pub fn from_millis(text: &str) -> Option<Duration> {
    digits(text).map(|millis| Duration::from_millis(millis).min(MAX))
}

/// Digits alone: Rust would read a `+` before them too. Those that do not fit are still a number, and a large one.
fn digits(text: &str) -> Option<u64> {
    let are_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Reads `grpc-retry-pushback-ms` (gRFC A6). A negative or unreadable value says "do not retry": [`PushBack::Never`].
#[cfg(feature = "http")]
#[must_use]
pub fn from_grpc(headers: &HeaderMap) -> Option<PushBack> {
    let value: &HeaderValue = headers.get("grpc-retry-pushback-ms")?;
    let millis = value.to_str().ok().and_then(digits).and_then(|millis| u32::try_from(millis).ok());
    Some(millis.map_or(PushBack::Never, |millis| PushBack::After(Duration::from_millis(millis.into()).min(MAX))))
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn http(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::try_from(value).expect("a value"));
        from_http(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777))
    }

    #[test]
    fn seconds_and_dates_are_read_and_both_are_capped() {
        assert_eq!(http("120"), Some(Duration::from_secs(120)));
        assert_eq!(http("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(http("Sun, 06 Nov 1994 08:49:27 GMT"), Some(Duration::ZERO));
        assert_eq!(http("99999999999999999999999999"), Some(MAX));
        assert_eq!(http("Sat, 06 Nov 2094 08:49:37 GMT"), Some(MAX));
    }

    #[test]
    fn a_day_is_the_longest_that_is_believed() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(MAX, Duration::from_secs(86_400));
        assert_eq!([http("86399"), http("86400"), http("86401")], [seconds(86_399), seconds(86_400), seconds(86_400)]);
        let mut headers = HeaderMap::new();
        for (millis, after) in [("0", 0), ("86399000", 86_399), ("86400001", 86_400), ("4294967295", 86_400)] {
            headers.insert("grpc-retry-pushback-ms", HeaderValue::from_static(millis));
            assert_eq!(from_grpc(&headers), Some(PushBack::After(Duration::from_secs(after))), "{millis}");
        }
        headers.insert("grpc-retry-pushback-ms", HeaderValue::from_static("4294967296"));
        assert_eq!(from_grpc(&headers), Some(PushBack::Never));
    }

    #[test]
    fn what_is_neither_is_no_answer() {
        for bad in ["", "-1", "1.5", "soon", "12s"] {
            assert_eq!((http(bad), from_millis(bad)), (None, None), "{bad:?}");
        }
        assert_eq!([from_millis("1500"), from_millis("+5")], [Some(Duration::from_millis(1500)), None]);
        assert_eq!([from_millis("99999999999999999999999999"), from_millis("86400001")], [Some(MAX); 2]);
    }

    #[test]
    fn a_push_back_that_is_not_a_number_forbids_a_retry() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-retry-pushback-ms", HeaderValue::from_static(value));
            from_grpc(&headers)
        };
        assert_eq!(read("250"), Some(PushBack::After(Duration::from_millis(250))));
        assert_eq!(read("-1"), Some(PushBack::Never));
        assert_eq!(read("later"), Some(PushBack::Never));
        assert_eq!([read("+5"), read("5 "), read("")], [Some(PushBack::Never); 3]);
        assert_eq!(from_grpc(&HeaderMap::new()), None);
    }

    proptest! {
        #[test]
        fn no_header_value_panics_or_exceeds_the_cap(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.insert(header::RETRY_AFTER, value.clone());
                headers.insert("grpc-retry-pushback-ms", value);
                prop_assert!(from_http(&headers, SystemTime::UNIX_EPOCH).is_none_or(|after| after <= MAX));
                let _ = from_grpc(&headers);
            }
        }
    }
}
