//! Durations, counts and the texts of others in sentences.

use std::{borrow::Cow, fmt, time::Duration};

use crate::{go_duration, settings};

/// A duration as a sentence says it: `93ms`, `1.25s`, `2m4s`, `0s`. Three digits, rounded up, so that who comes back when it has
/// passed is not early; what was configured in three digits or fewer is shown as it is.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_core::rounded;
///
/// assert_eq!(rounded(Duration::from_nanos(29_989_272_831)).to_string(), "30s");
/// ```
#[must_use]
pub fn rounded(duration: Duration) -> RoundedDuration {
    RoundedDuration(duration)
}

/// What [`rounded`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoundedDuration(Duration);

impl fmt::Display for RoundedDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        // From a second on the digits before the point are all kept.
        let unit = 10_u128.pow(nanos.ilog10().saturating_sub(2).min(9));
        let nanos = nanos.div_ceil(unit).saturating_mul(unit);
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        f.write_str(&settings::time(&Duration::from_nanos(nanos).min(go_duration::MAX)))
    }
}

/// A time of hours or days as a sentence says it, to the second: whole days where there are two of them or more, for nobody counts
/// the hours of a month.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_core::in_days;
///
/// assert_eq!(in_days(Duration::from_secs(3 * 3600)), "3h");
/// assert_eq!(in_days(Duration::from_secs(50 * 3600)), "2 days");
/// ```
#[must_use]
pub fn in_days(time: Duration) -> String {
    match time.as_secs() / 86_400 {
        0 | 1 => rounded(Duration::from_secs(time.as_secs())).to_string(),
        days => counted(days, "day"),
    }
}

/// So many of something: `1 plugin`, `2 plugins`.
#[must_use]
pub fn counted(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// A text that somebody else has written, for a log, a terminal or a sentence: what would end a line, move the cursor of who reads it
/// or turn the direction of the text stands as its escape (`\n`, `\u{1b}`, `\u{202e}`). A tab stays, which is a wide blank.
///
/// ```
/// use plugin_core::on_one_line;
///
/// assert_eq!(on_one_line("no such key\nINFO all is well"), r"no such key\nINFO all is well");
/// ```
#[must_use]
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    // Beside what controls: ends of lines and paragraphs, and what sets, embeds or isolates a direction (Unicode, annex 9).
    let moves = |letter: char| {
        (letter.is_control() && letter != '\t')
            || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(moves) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match moves(letter) {
            true => shown.extend(letter.escape_default()),
            false => shown.push(letter),
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_rounded_up_and_what_has_no_more_as_it_is() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (999, "999ns"),
            (1_001, "1.01\u{b5}s"),
            (92_871_923, "92.9ms"),
            (93_000_000, "93ms"),
            (999_999_999, "1s"),
            (1_250_000_000, "1.25s"),
            (29_989_272_831, "30s"),
            (60_000_000_000, "1m"),
            (123_400_000_000, "2m4s"),
            (3_600_000_000_001, "1h0m1s"),
        ] {
            assert_eq!(rounded(Duration::from_nanos(nanos)).to_string(), text);
        }
        assert_eq!(rounded(Duration::MAX).to_string(), rounded(go_duration::MAX).to_string());
    }

    #[test]
    fn a_text_of_another_ends_no_line_and_moves_no_cursor_and_the_rest_stays() {
        assert_eq!(on_one_line("a\tb\nc\r\u{1b}[31m\"\u{e9}\u{85}"), "a\tb\\nc\\r\\u{1b}[31m\"\u{e9}\\u{85}");
        assert_eq!(
            on_one_line("ok \u{202e}gnp.exe\u{2028}INFO \u{2066}x"),
            r"ok \u{202e}gnp.exe\u{2028}INFO \u{2066}x"
        );
        assert!(matches!(on_one_line("what is harmless\tis not copied"), Cow::Borrowed(_)));
    }
}
