//! Which names a plugin may have.

use std::ops::RangeInclusive;

use plugin_core::{Code, PluginError};
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 128;

/// Characters that a name must not have, since names end up in paths, URLs, shells and metrics.
const FORBIDDEN: &[char] = &['/', '\\', '<', '>', '|', '&', ';', '$', '*', '?', '"', '\'', '`'];

/// Characters that show nothing: those that Unicode calls ignorable by default, joiners and the marks that turn the
/// direction of text among them, and the pattern of Braille without a dot. Two names that differ by one of these look alike.
const INVISIBLE: &[RangeInclusive<char>] = &[
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Checks a plugin's name: 1 to 128 bytes, not `.` and no `..`, none of `/ \ < > | & ; $ * ?`, quotes, spaces, control characters or
/// characters that show nothing, and letters with marks as one character each (NFC). So no two names differ only in what does
/// not show or in how a letter is written. Letters of other scripts that have the same shape, such as a Cyrillic and a Latin
/// `a`, are letters of their own: a name may be in any language.
///
/// # Errors
///
/// `PLUGIN_1001`, which says what is wrong with the name.
pub fn check_name(name: &str) -> Result<(), PluginError> {
    let problem = match name {
        "" => "must not be empty".to_owned(),
        _ if name.len() > MAX_NAME => {
            format!("has at most {MAX_NAME} bytes, and this one has {}", name.len())
        }
        "." => "must not be \".\", which is left out of a path".to_owned(),
        _ if name.contains("..") => "must not contain \"..\"".to_owned(),
        _ => match name.chars().find(|c| FORBIDDEN.contains(c) || c.is_whitespace()) {
            Some(' ') => "must not contain a space".to_owned(),
            Some(forbidden) => format!("must not contain {}", shown(forbidden)),
            None => match looks_alike(name) {
                Some(problem) => problem,
                None => return Ok(()),
            },
        },
    };
    let shown: String = name.chars().take(MAX_NAME).collect();
    Err(PluginError::new(Code::InvalidName, format!("a plugin's name {problem}")).with_plugin(shown))
}

/// What is wrong with a name of whatever kind that another might be taken for, after the words that say whose name it is.
pub(crate) fn looks_alike(name: &str) -> Option<String> {
    let hidden = |c: &char| c.is_control() || INVISIBLE.iter().any(|range| range.contains(c));
    if let Some(hidden) = name.chars().find(hidden) {
        return Some(format!("must not contain {}, which does not show", shown(hidden)));
    }
    let composed = || name.nfc().map(|c| c.escape_unicode().to_string()).collect::<String>();
    (!is_nfc(name))
        .then(|| format!("has letters in parts (it is not in the form NFC); as whole letters it is {}", composed()))
}

fn shown(c: char) -> String {
    if c.is_ascii_graphic() { format!("{c:?}") } else { format!("U+{:04X}", u32::from(c)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_that_is_safe_in_paths_urls_and_metrics() {
        for good in ["a", "payment.v2", "Übersetzer", "翻訳", "q\u{308}", &"x".repeat(128)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a/b",
            "a\\b",
            ".",
            "..",
            "a..b",
            "a\0",
            "a\n",
            "$HOME",
            "x;y",
            "it's",
            " a",
            "a b",
            "a\u{a0}b",
            &"x".repeat(129),
        ] {
            let error = check_name(bad).expect_err(bad);
            assert_eq!(error.code(), Code::InvalidName, "{bad}");
        }
    }

    #[test]
    fn no_two_names_look_alike() {
        for (alike, says) in [
            ("pay\u{200b}ment", "must not contain U+200B, which does not show"),
            ("pay\u{202e}tnem", "must not contain U+202E, which does not show"),
            ("\u{feff}payment", "must not contain U+FEFF, which does not show"),
            ("pay\u{ad}ment", "must not contain U+00AD, which does not show"),
            ("pay\u{2800}ment", "must not contain U+2800, which does not show"),
            ("pay\u{e0041}ment", "must not contain U+E0041, which does not show"),
            (
                "cafe\u{301}",
                "has letters in parts (it is not in the form NFC); as whole letters it is \\u{63}\\u{61}\\u{66}\\u{e9}",
            ),
            ("\u{212b}ngstrom", "has letters in parts"),
        ] {
            let error = check_name(alike).expect_err(alike);
            assert!(error.message().starts_with(&format!("a plugin's name {says}")), "{error}");
            assert_eq!(looks_alike(alike).map(|problem| problem.starts_with(says)), Some(true), "{alike}");
        }
        assert_eq!(looks_alike("http://host/a b"), None);
    }
}
