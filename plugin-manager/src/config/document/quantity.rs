//! Durations as a configuration writes them, and the words for ranges.

use std::fmt::Display;
use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use plugin_core::go_duration::{self, ParseError};

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
/// What would be right. Less than a microsecond is refused: whoever wrote 30 meant seconds.
pub(super) fn nanoseconds(nanos: i128) -> Result<Duration, String> {
    match nanos {
        ..=-1 => Err("a duration cannot be negative".to_owned()),
        1..=999 => Err(format!("{nanos} means {nanos} ns; write \"{nanos}s\" for seconds")),
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

/// A range in words, to follow a noun: `from 1 to 9`, `of at least 1`.
pub(super) fn range<T, D: Display>(range: &impl RangeBounds<T>, show: impl Fn(&T) -> D) -> String {
    let low = match range.start_bound() {
        Bound::Included(low) => Some((show(low), true)),
        Bound::Excluded(low) => Some((show(low), false)),
        Bound::Unbounded => None,
    };
    let high = match range.end_bound() {
        Bound::Included(high) => Some((show(high), true)),
        Bound::Excluded(high) => Some((show(high), false)),
        Bound::Unbounded => None,
    };
    match (low, high) {
        (Some((low, true)), Some((high, true))) => format!(" from {low} to {high}"),
        (Some((low, _)), None) if matches!(range.start_bound(), Bound::Included(_)) => {
            format!(" of at least {low}")
        }
        (Some((low, _)), None) => format!(" above {low}"),
        (None, Some((high, true))) => format!(" of at most {high}"),
        (None, Some((high, false))) => format!(" below {high}"),
        (Some((low, from)), Some((high, to))) => {
            let from = if from { "of at least" } else { "above" };
            let to = if to { "at most" } else { "below" };
            format!(" {from} {low} and {to} {high}")
        }
        (None, None) => String::new(),
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
        assert_eq!(nanoseconds(1_000), Ok(Duration::from_micros(1)));
        assert_eq!(nanoseconds(30_000_000_000), Ok(Duration::from_secs(30)));
        assert_eq!(nanoseconds(30).unwrap_err(), "30 means 30 ns; write \"30s\" for seconds");
        assert_eq!(nanoseconds(-1).unwrap_err(), "a duration cannot be negative");
        assert!(nanoseconds(i128::from(u64::MAX)).is_err());
        assert_eq!(duration("30").unwrap_err(), "a duration needs a unit: write \"30s\" for seconds");
    }

    #[test]
    fn ranges_read_as_words() {
        let show = |value: &i32| *value;
        assert_eq!(range(&(1..=9), show), " from 1 to 9");
        assert_eq!(range(&(1..), show), " of at least 1");
        assert_eq!(range(&(..9), show), " below 9");
        assert_eq!(range(&(..=9), show), " of at most 9");
        assert_eq!(range(&(1..9), show), " of at least 1 and below 9");
        assert_eq!(range(&(Bound::Excluded(0), Bound::Included(1)), show), " above 0 and at most 1");
        assert_eq!(range(&(Bound::Excluded(0), Bound::Unbounded), show), " above 0");
        assert_eq!(range(&.., show), "");
    }
}
