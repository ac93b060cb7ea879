//! The time within which a certificate is good.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use plugin_core::in_days;

use super::der::{GENERALIZED_TIME, UTC_TIME, value};

/// From when, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
}

/// Reads the content of a certificate's `Validity`.
pub(super) fn read(der: &[u8]) -> Option<Validity> {
    let (not_before, rest) = time(der)?;
    let (not_after, _) = time(rest)?;
    Some(Validity { not_before, not_after })
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

/// A moment as RFC 3339 has it, to the second.
pub(super) struct Utc(pub(super) SystemTime);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = match self.0.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
        };
        let (year, month, day) = date(seconds.div_euclid(86_400));
        let second = seconds.rem_euclid(86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// How long ago, or from now: what an error says of a date to somebody who reads it at once.
pub(super) struct Ago(pub(super) Option<SystemTime>);

#[cfg(any(feature = "http", feature = "grpc"))]
impl Ago {
    pub(super) fn since_1970(seconds: u64) -> Self {
        Self(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
    }
}

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(date) = self.0 else { return f.write_str("now") };
        match date.duration_since(plugin_core::clock::wall()) {
            Ok(ahead) => write!(f, "{} from now", in_days(ahead)),
            Err(past) => write!(f, "{} ago", in_days(past.duration())),
        }
    }
}

/// The other way round: the date of a day, counted from 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    // 400 years have 146,097 days; within them the year is found by leaving out the leap days.
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let month = (months_since_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * months_since_march + 2) / 5 + 1)
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
        for no_day in ["20380132031408Z", "20380100031408Z"] {
            assert_eq!(seconds(GENERALIZED_TIME, no_day), None, "{no_day}");
        }
        let first_of_two_digits = time(b"\x17\x0d500101000000Z").map(|(moment, _)| moment);
        assert_eq!(first_of_two_digits, time(b"\x18\x0f19500101000000Z").map(|(moment, _)| moment));
    }

    #[test]
    fn a_moment_is_written_as_a_date() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1 << 31, "2038-01-19T03:14:08Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Utc(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).to_string(), text);
        }
        assert_eq!(Utc(SystemTime::UNIX_EPOCH - Duration::from_secs(1)).to_string(), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn a_date_is_told_as_long_ago_as_it_is() {
        const HOUR: Duration = Duration::from_secs(3600);
        let now = plugin_core::clock::wall();
        let past = Ago(Some(now - 3 * HOUR)).to_string();
        assert!(past.starts_with("3h") && past.ends_with(" ago"), "{past}");
        assert_eq!(Ago(Some(now - 49 * HOUR)).to_string(), "2 days ago");
        let ahead = Ago(Some(now + 24 * 30 * HOUR + HOUR)).to_string();
        assert_eq!(ahead, "30 days from now");
    }

    proptest! {
        #[test]
        fn a_date_is_that_of_its_day(days in -1_000_000_i64..4_000_000) {
            let (year, month, day) = date(days);
            prop_assert_eq!(days_since_1970(year, month, day), Some(days));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&bytes);
        }
    }
}
