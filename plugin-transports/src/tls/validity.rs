//! The time within which a certificate is good.
//!
//! rustls tells it to nobody, and checks only the other side's. RFC 5280, section 4.1, has the structure:
//! `Certificate ::= SEQUENCE { tbs SEQUENCE { [0] version?, serial INTEGER, signature SEQUENCE, issuer SEQUENCE,
//! validity SEQUENCE { notBefore Time, notAfter Time }, ... } ... }`.

use std::time::{Duration, SystemTime};

/// From when, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// Reads it out of a certificate in DER. `None` when the certificate is not built as the standard says.
pub(super) fn of(der: &[u8]) -> Option<Validity> {
    let (certificate, _) = expect(der, SEQUENCE)?;
    let (tbs, _) = expect(certificate, SEQUENCE)?;
    let rest = expect(tbs, VERSION).map_or(tbs, |(_, rest)| rest);
    let (_, rest) = expect(rest, INTEGER)?;
    let (_, rest) = expect(rest, SEQUENCE)?;
    let (_, rest) = expect(rest, SEQUENCE)?;
    let (validity, _) = expect(rest, SEQUENCE)?;
    let (not_before, rest) = time(validity)?;
    let (not_after, _) = time(rest)?;
    Some(Validity { not_before, not_after })
}

/// The content of the value that stands first, if it has this tag, and what follows it.
fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = value(der)?;
    (found == tag).then_some((content, rest))
}

fn value(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // 0x80 would be the indefinite form, which DER does not have; four bytes are more than any certificate needs.
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(count)?;
        (digits.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn time(der: &[u8]) -> Option<(SystemTime, &[u8])> {
    let (tag, text, rest) = value(der)?;
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        Some(digits.iter().fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    };
    let (year, at) = match tag {
        // Two digits: 50 to 99 are of the last century.
        UTC_TIME => (number(0, 2).map(|year| if year < 50 { 2000 + year } else { 1900 + year })?, 2),
        GENERALIZED_TIME => (number(0, 4)?, 4),
        _ => return None,
    };
    if text.get(at + 10..) != Some(b"Z") {
        return None;
    }
    let two = |index: usize| number(at + 2 * index, at + 2 * index + 2);
    let seconds = days_since_1970(year, two(0)?, two(1)?)? * 86_400 + two(2)? * 3600 + two(3)? * 60 + two(4)?;
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let moment = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    Some((moment?, rest))
}

/// Days of the Gregorian calendar, counted in years that begin with March, so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let months_since_march = (month + 9) % 12;
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between the first of March of the year 0 and 1970.
    Some(year * 365 + leap_days + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(tag: u8, text: &str) -> Option<u64> {
        let der = [&[tag, u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
        let (moment, rest) = time(&der)?;
        assert!(rest.is_empty());
        moment.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(seconds(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(seconds(UTC_TIME, "000229235959Z"), Some(951_868_799));
        assert_eq!(seconds(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(seconds(GENERALIZED_TIME, "20380119031408Z"), Some(1 << 31));
        assert_eq!(seconds(GENERALIZED_TIME, "99991231235959Z"), Some(253_402_300_799));
        assert!(time(b"\x18\x0f19000101000000Z").is_some(), "a moment before 1970");
        for bad in ["", "20380119031408", "2038011903140xZ", "20381319031408Z", "20380119031408+0100"] {
            assert_eq!(seconds(GENERALIZED_TIME, bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = of(&bytes);
        }
    }
}
