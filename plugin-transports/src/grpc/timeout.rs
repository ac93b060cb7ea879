//! The header `grpc-timeout`: up to eight digits and a unit.

use std::time::Duration;

use crate::wire::bounded::quoted;

/// The largest number that it can hold.
const MOST: u128 = 99_999_999;

/// What is left, in whole milliseconds where they fit, and rounded down where they do not: never more than there is.
pub(super) fn format(left: Duration) -> String {
    match left.as_millis() {
        millis @ ..=MOST => format!("{millis}m"),
        _ => format!("{}S", u128::from(left.as_secs()).min(MOST)),
    }
}

/// The error is the second half of a sentence.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("is {}, and not up to eight digits with a unit behind them: H, M, S, m, u or n", quoted(text));
    let (digits, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    Ok(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return Err(wrong()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_unit_is_read_and_what_is_none_is_told() {
        for (text, time) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("99999999S", Duration::from_secs(99_999_999)),
            ("1500m", Duration::from_millis(1500)),
            ("7u", Duration::from_micros(7)),
            ("0n", Duration::ZERO),
        ] {
            assert_eq!(parse(text), Ok(time), "{text}");
        }
        for text in ["", "m", "5", "100000000m", "-1S", "+1S", "1s", "1 S", "1.5S", "5µ", "1SS"] {
            assert!(parse(text).expect_err(text).contains("eight digits"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_no_more_than_there_was(millis in 0..u64::MAX / 2, text in ".{0,12}") {
            let left = Duration::from_millis(millis);
            let read = parse(&format(left)).expect("ours");
            prop_assert!(read <= left);
            prop_assert!(millis > 99_999_999 || read == left);
            let _ = parse(&text);
        }
    }
}
