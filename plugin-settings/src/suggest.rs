//! The known word that is nearest to an unknown one.

use plugin_core::settings::{Key, Table};

/// Words longer than this are no slip of a finger, and cost time to compare.
const LONGEST: usize = 64;

/// The key of the table that was meant, or one of those of a later version.
pub(super) fn key(word: &str, table: &'static Table, later: &[&'static str]) -> Option<&'static str> {
    let meant = table.keys().find(|key| key.is_meant_by(word)).map(Key::name);
    meant.or_else(|| nearest(word, table.keys().map(Key::name).chain(later.iter().copied())))
}

/// The one of `known` that is nearest to `word`, when it is near enough to have been meant.
///
/// The same word but for case, `-` and `_` (`maxRetries` for `max_retries`) always is. Otherwise a third of its letters
/// may differ, by the Damerau-Levenshtein distance: inserted, left out, replaced, or two swapped. A word of more than 64
/// bytes is near to none.
///
/// ```
/// use plugin_settings::nearest;
///
/// assert_eq!(nearest("timout", ["timeout", "name"].into_iter()), Some("timeout"));
/// assert_eq!(nearest("colour", ["timeout", "name"].into_iter()), None);
/// ```
#[must_use]
pub fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > LONGEST {
        return None;
    }
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let plain = letters(word);
    let distance = |candidate: &str| {
        let other = letters(candidate);
        // A word without a plain letter is near to nothing.
        if plain.is_empty() { usize::MAX } else { strsim::damerau_levenshtein(&plain, &other) }
    };
    let best = known.map(|candidate| (distance(candidate), candidate)).min_by_key(|(distance, _)| *distance)?;
    let allowed = (plain.len() / 3).max(1);
    // In words of one or two letters a single difference is a different word.
    let near = best.0 == 0 || (best.0 <= allowed && plain.len() > 2);
    near.then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_another_word_is_not() {
        let known = ["failure_threshold", "recovery_timeout", "enabled", "max_retries", "on", "key"];
        for (word, meant) in [
            ("failure_treshold", Some("failure_threshold")),
            ("failureThreshold", Some("failure_threshold")),
            ("Failure-Threshold", Some("failure_threshold")),
            ("recover_timeout", Some("recovery_timeout")),
            ("enbaled", Some("enabled")),
            ("enable", Some("enabled")),
            ("max_retrys", Some("max_retries")),
            ("kye", Some("key")),
            ("ON", Some("on")),
            ("of", None),
            ("colour", None),
            ("", None),
            ("键", None),
        ] {
            assert_eq!(nearest(word, known.into_iter()), meant, "{word}");
        }
        assert_eq!(nearest(&"enabled".repeat(20), known.into_iter()), None);
    }
}
