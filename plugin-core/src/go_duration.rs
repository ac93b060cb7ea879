//! Durations as Go writes them: `1m30s`, `1.5h`, `500ms`.
//!
//! The text of Go's `time.Duration`: what `ParseDuration` reads and `String` prints, without its negative half. A
//! duration is at most 2^63 - 1 nanoseconds, some 292 years.

use std::fmt;
use std::time::Duration;

/// The longest duration that Go can hold.
pub const MAX: Duration = Duration::from_nanos(i64::MAX as u64);

/// The units, longest name first where one begins with another.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseError {
    /// There is no number where one should be.
    Invalid,
    /// A number has no unit behind it.
    MissingUnit,
    /// What stands behind a number is no unit.
    UnknownUnit,
    /// It is below zero.
    Negative,
    /// It is longer than [`MAX`].
    TooLong,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "not a duration such as 30s, 1m30s or 500ms",
            Self::MissingUnit => "a duration needs a unit: ns, us, ms, s, m or h",
            Self::UnknownUnit => "unknown unit; the units of a duration are ns, us, ms, s, m and h",
            Self::Negative => "a duration cannot be negative",
            Self::TooLong => "the duration is longer than 292 years",
        })
    }
}

impl std::error::Error for ParseError {}

/// Reads a duration: numbers with units, as many as there are, each with or without a fraction. `0` needs no unit.
///
/// A fraction of a nanosecond is cut off, for each number on its own.
///
/// # Errors
///
/// [`ParseError`] says why the text is no duration.
pub fn parse(text: &str) -> Result<Duration, ParseError> {
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(ParseError::Invalid);
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (number, unit, after) = part(rest)?;
        total = total.saturating_add(number.times(unit));
        rest = after;
    }
    if negative && total > 0 {
        return Err(ParseError::Negative);
    }
    let nanos = i64::try_from(total).map_err(|_| ParseError::TooLong)?;
    Ok(Duration::from_nanos(nanos.unsigned_abs()))
}

/// One number and the nanoseconds of its unit, and what follows.
fn part(text: &str) -> Result<(Number<'_>, u128, &str), ParseError> {
    let bytes = text.as_bytes();
    let digits_from = |begin: usize| begin + bytes[begin..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let point = digits_from(0);
    let has_fraction = bytes.get(point) == Some(&b'.');
    let fraction = point + usize::from(has_fraction);
    let end = if has_fraction { digits_from(fraction) } else { fraction };
    if bytes.get(end) == Some(&b'.') || end == usize::from(has_fraction) {
        return Err(ParseError::Invalid);
    }
    let in_name = |byte: &&u8| !byte.is_ascii_digit() && **byte != b'.';
    // All that stands around it is ASCII.
    let (name, rest) = text[end..].split_at(bytes[end..].iter().take_while(in_name).count());
    if name.is_empty() {
        return Err(ParseError::MissingUnit);
    }
    let unit = UNITS.iter().find(|(known, _)| *known == name).ok_or(ParseError::UnknownUnit)?.1;
    Ok((Number { whole: &bytes[..point], fraction: &bytes[fraction..end] }, unit, rest))
}

/// Decimal digits before and behind the point.
struct Number<'t> {
    whole: &'t [u8],
    fraction: &'t [u8],
}

impl Number<'_> {
    /// This many of `unit`, cut to whole nanoseconds; at least [`u64::MAX`] when that is too many.
    fn times(&self, unit: u128) -> u128 {
        let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
        let whole = u128::from(self.whole.iter().fold(0, add)) * unit;
        if self.fraction.is_empty() {
            return whole;
        }
        // An hour has 3.6e12 nanoseconds, so digits past the 20th change nothing that is kept.
        let (mut above, mut below) = (0_u128, 1_u128);
        for digit in self.fraction.iter().take(20) {
            above = above * 10 + u128::from(digit - b'0');
            below *= 10;
        }
        whole + above * unit / below
    }
}

/// Writes a duration as Go's `Duration.String` does: `1h0m0s`, `1.5s`, `2.25ms`, `0s`. Longer than [`MAX`] is [`MAX`].
#[must_use]
pub fn format(duration: Duration) -> String {
    with_micros(duration, "\u{b5}s")
}

/// The same in ASCII, with `us` for `µs`: for a header or an address, which carry nothing else. Go reads both.
#[must_use]
pub fn format_ascii(duration: Duration) -> String {
    with_micros(duration, "us")
}

/// A call is told its time in each request, so this makes one text and no parts.
fn with_micros(duration: Duration, micros: &str) -> String {
    const SECOND: u64 = 1_000_000_000;
    // No longer than `MAX`, it fits.
    let nanos = u64::try_from(duration.min(MAX).as_nanos()).unwrap_or(u64::MAX);
    let mut text = String::with_capacity(LONGEST);
    let (unit, name) = match nanos {
        0 => (SECOND, "s"),
        1..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, micros),
        1_000_000..SECOND => (1_000_000, "ms"),
        _ => {
            let minutes = nanos / (60 * SECOND);
            if minutes >= 60 {
                push_number(&mut text, minutes / 60);
                text.push('h');
            }
            if minutes > 0 {
                push_number(&mut text, minutes % 60);
                text.push('m');
            }
            push_decimal(&mut text, nanos % (60 * SECOND), SECOND);
            text.push('s');
            return text;
        }
    };
    push_decimal(&mut text, nanos, unit);
    text.push_str(name);
    text
}

/// Of `2562047h47m16.854775807s`.
const LONGEST: usize = 24;

/// `nanos / unit` with as many digits behind the point as it needs. `unit` is a power of ten.
fn push_decimal(text: &mut String, nanos: u64, unit: u64) {
    push_number(text, nanos / unit);
    let (mut rest, mut digit) = (nanos % unit, unit / 10);
    if rest > 0 {
        text.push('.');
    }
    while rest > 0 {
        push_number(text, rest / digit);
        (rest, digit) = (rest % digit, digit / 10);
    }
}

fn push_number(text: &mut String, number: u64) {
    // The greatest has twenty digits.
    let (mut digits, mut begin, mut rest) = ([b'0'; 20], 19, number);
    while rest >= 10 {
        digits[begin] += (rest % 10) as u8;
        rest /= 10;
        begin -= 1;
    }
    digits[begin] += rest as u8;
    text.push_str(std::str::from_utf8(&digits[begin..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_header_carries_is_ascii_and_reads_back() {
        for nanos in [0, 1, 1_100, 250_000, 999_999, 2_200_000, 245_001_000_000] {
            let text = format_ascii(Duration::from_nanos(nanos));
            assert!(text.is_ascii(), "{text}");
            assert_eq!(parse(&text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn what_go_prints_is_printed() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (3_600_000_000_000, "1h0m0s"),
            (i64::MAX as u64, "2562047h47m16.854775807s"),
        ] {
            assert_eq!(format(Duration::from_nanos(nanos)), text);
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
        assert_eq!(format(Duration::MAX), "2562047h47m16.854775807s");
    }

    #[test]
    fn what_go_reads_is_read() {
        for (text, nanos) in [
            ("0", 0),
            ("-0", 0),
            ("-0s", 0),
            ("+5s", 5_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("1m30s", 90_000_000_000),
            ("500ms", 500_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("10us", 10_000),
            ("10\u{b5}s", 10_000),
            ("10\u{3bc}s", 10_000),
            ("5s1ms2us3ns", 5_001_002_003),
            ("3s2h", 7_203_000_000_000),
            ("1s.5h", 1_801_000_000_000),
            ("0.3333333333333333333h", 1_199_999_999_999),
            ("0.100000000000000000000h", 360_000_000_000),
            ("9223372036854775807ns", i64::MAX as u64),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        for (text, error) in [
            ("", ParseError::Invalid),
            ("s", ParseError::Invalid),
            (".s", ParseError::Invalid),
            ("-", ParseError::Invalid),
            ("1..5s", ParseError::Invalid),
            (" 3s", ParseError::Invalid),
            ("30", ParseError::MissingUnit),
            ("1m30", ParseError::MissingUnit),
            ("3 s", ParseError::UnknownUnit),
            ("30sec", ParseError::UnknownUnit),
            ("1d", ParseError::UnknownUnit),
            ("5S", ParseError::UnknownUnit),
            ("-5s", ParseError::Negative),
            ("9223372036854775808ns", ParseError::TooLong),
            ("18446744073709551617ns", ParseError::TooLong),
            ("2562048h", ParseError::TooLong),
            ("99999999999999999999999999999999999999999999h", ParseError::TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_duration_is_read_as_it_was_written(nanos in 0..=i64::MAX as u64) {
            let duration = Duration::from_nanos(nanos);
            proptest::prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.a-z\u{b5}]{0,40}") {
            let _outcome = parse(&text);
        }
    }
}
