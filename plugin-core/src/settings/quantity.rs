//! Durations as a configuration writes them, and the words for ranges.

use std::ops::Bound;
use std::time::Duration;

use super::bounds::Bounds;
use crate::go_duration::{self, ParseError};

const EXPECTED: &str = "expected a duration such as \"30s\", \"1m30s\" or \"500ms\"";

/// Reads Go's text, with days before it: `30d`, `1d12h`.
///
/// # Errors
///
/// What would be right.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (days, rest) = match text.split_once('d') {
        Some((days, rest)) if !days.is_empty() && days.bytes().all(|b| b.is_ascii_digit()) => (days, rest),
        _ => ("0", text),
    };
    let days = days.parse::<u64>().ok().and_then(|days| days.checked_mul(86_400)).map(Duration::from_secs);
    let rest = if rest.is_empty() && !text.is_empty() { Ok(Duration::ZERO) } else { go_duration::parse(rest) };
    let rest = rest.map_err(|error| match error {
        ParseError::MissingUnit => {
            format!("a duration needs a unit: write \"{text}s\" for seconds")
        }
        ParseError::Negative => "a duration cannot be negative".to_owned(),
        ParseError::UnknownUnit => format!("{EXPECTED}; the units are ns, us, ms, s, m, h and d"),
        ParseError::TooLong => too_long(),
        _ => EXPECTED.to_owned(),
    })?;
    days.and_then(|days| days.checked_add(rest)).filter(|sum| *sum <= go_duration::MAX).ok_or_else(too_long)
}

/// Reads an integer of nanoseconds, as go-plugins writes durations in JSON.
///
/// # Errors
///
/// What would be right. Less than a millisecond is refused: whoever wrote 30 meant seconds, and 5000 milliseconds.
pub(super) fn nanoseconds(nanos: i128) -> Result<Duration, String> {
    match nanos {
        ..=-1 => Err("a duration cannot be negative".to_owned()),
        1..=999 => Err(format!("{nanos} means {nanos} ns; write \"{nanos}s\" for seconds")),
        1_000..1_000_000 => Err(format!("{nanos} means {nanos} ns; write \"{nanos}ms\" for milliseconds")),
        _ => {
            let nanos = i64::try_from(nanos).map_err(|_| too_long())?;
            Ok(Duration::from_nanos(nanos.unsigned_abs()))
        }
    }
}

fn too_long() -> String {
    "a duration is at most 2562047h (292 years)".to_owned()
}

/// What to expect instead of anything that is neither text nor an integer.
pub(super) fn duration_expected() -> String {
    EXPECTED.to_owned()
}

/// Bounds in words, to follow a noun: ` from 1 to 9`, ` of at least 1`.
pub(super) fn range<T>(bounds: &Bounds<T>, show: impl Fn(&T) -> String) -> String {
    use Bound::{Excluded, Included, Unbounded};
    match (&bounds.low, &bounds.high) {
        (Included(low), Included(high)) => format!(" from {} to {}", show(low), show(high)),
        (Included(low), Excluded(high)) => format!(" of at least {} and below {}", show(low), show(high)),
        (Included(low), Unbounded) => format!(" of at least {}", show(low)),
        (Excluded(low), Included(high)) => format!(" above {} and at most {}", show(low), show(high)),
        (Excluded(low), Excluded(high)) => format!(" above {} and below {}", show(low), show(high)),
        (Excluded(low), Unbounded) => format!(" above {}", show(low)),
        (Unbounded, Included(high)) => format!(" of at most {}", show(high)),
        (Unbounded, Excluded(high)) => format!(" below {}", show(high)),
        (Unbounded, Unbounded) => String::new(),
    }
}

/// The same for durations, of which the shortest is one nanosecond.
pub(super) fn times(bounds: &Bounds<Duration>) -> String {
    let above_zero = matches!(bounds.low, Bound::Included(low) if low == Duration::from_nanos(1));
    match &bounds.high {
        Bound::Unbounded if above_zero => " longer than zero".to_owned(),
        Bound::Included(high) if above_zero => format!(" longer than zero and at most {}", time(high)),
        _ => range(bounds, time),
    }
}

/// A size as people write it: in the largest unit that it is a whole number of.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        _ if bytes.is_multiple_of(1 << 30) => format!("{}GiB", bytes >> 30),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        _ => bytes.to_string(),
    }
}

/// A duration as people write it: whole days and hours without zeros behind them.
#[must_use]
pub fn time(duration: &Duration) -> String {
    let seconds = duration.as_secs();
    match (duration.subsec_nanos(), seconds) {
        (0, 86_401..) if seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        (0, 3_600..) if seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        (0, 60..) if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => go_duration::format(*duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_may_stand_before_what_go_reads() {
        assert_eq!(duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(duration("1d12h"), Ok(Duration::from_secs(36 * 3_600)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for text in ["", "d", "1.5d", "-1d", "1d2", "106752d", "99999999999999999999d", "1dd"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_small_integer_is_taken_for_forgotten_seconds() {
        assert_eq!(nanoseconds(0), Ok(Duration::ZERO));
        assert_eq!(nanoseconds(1_000_000), Ok(Duration::from_millis(1)));
        assert_eq!(nanoseconds(5_000).unwrap_err(), "5000 means 5000 ns; write \"5000ms\" for milliseconds");
        assert_eq!(nanoseconds(999).unwrap_err(), "999 means 999 ns; write \"999s\" for seconds");
        assert!(nanoseconds(999_999).is_err());
        assert_eq!(nanoseconds(30_000_000_000), Ok(Duration::from_secs(30)));
        assert_eq!(nanoseconds(30).unwrap_err(), "30 means 30 ns; write \"30s\" for seconds");
        assert_eq!(nanoseconds(-1).unwrap_err(), "a duration cannot be negative");
        assert!(nanoseconds(i128::from(u64::MAX)).is_err());
        assert_eq!(duration("30").unwrap_err(), "a duration needs a unit: write \"30s\" for seconds");
    }

    #[test]
    fn ranges_read_as_words() {
        use Bound::{Excluded, Included, Unbounded};
        let words = |low, high| range(&Bounds { low, high }, |value: &i32| value.to_string());
        assert_eq!(words(Included(1), Included(9)), " from 1 to 9");
        assert_eq!(words(Included(1), Unbounded), " of at least 1");
        assert_eq!(words(Unbounded, Excluded(9)), " below 9");
        assert_eq!(words(Unbounded, Included(9)), " of at most 9");
        assert_eq!(words(Included(1), Excluded(9)), " of at least 1 and below 9");
        assert_eq!(words(Excluded(0), Included(1)), " above 0 and at most 1");
        assert_eq!(words(Excluded(0), Excluded(1)), " above 0 and below 1");
        assert_eq!(words(Excluded(0), Unbounded), " above 0");
        assert_eq!(words(Unbounded, Unbounded), "");
    }

    #[test]
    fn times_in_words_have_no_zeros_behind_them() {
        let words = |low, high| times(&Bounds { low, high });
        let year = Duration::from_secs(365 * 86_400);
        assert_eq!(words(Bound::Included(Duration::from_nanos(1)), Bound::Unbounded), " longer than zero");
        assert_eq!(words(Bound::Included(Duration::from_millis(1)), Bound::Included(year)), " from 1ms to 365d");
        assert_eq!(
            words(Bound::Included(Duration::from_nanos(1)), Bound::Included(Duration::from_secs(86_400))),
            " longer than zero and at most 24h"
        );
    }
}
