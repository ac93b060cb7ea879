//! JSON that moves no cursor.

use std::{borrow::Cow, fmt::Write};

use plugin_core::on_one_line;

/// The same JSON, where each character that [`on_one_line`] does not let pass stands as its escape: JSON demands that of those
/// below U+0020 alone, and terminals heed others too. What is given must be JSON.
pub(crate) fn plain_json(json: &str) -> Cow<'_, str> {
    if !json.contains(|letter| is_escaped(letter) || letter == '\r') {
        return json.into();
    }
    let mut plain = String::with_capacity(json.len() + 16);
    for letter in json.chars() {
        match letter {
            // It stands between two values, and would have one written over another.
            '\r' => plain.push(' '),
            _ if is_escaped(letter) => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(plain, "\\u{unit:04x}");
                }
            }
            _ => plain.push(letter),
        }
    }
    plain.into()
}

/// Below that there are JSON's own characters, and those that it demands an escape for.
fn is_escaped(letter: char) -> bool {
    letter >= '\u{7f}' && matches!(on_one_line(letter.encode_utf8(&mut [0; 4])), Cow::Owned(_))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_moves_a_cursor_is_escaped_and_the_json_is_the_same() {
        let json = "{\"a\u{9b}31m\": \"\u{7f}\u{85}é\\n\"\r\n}";
        let plain = plain_json(json);
        assert_eq!(plain, "{\"a\\u009b31m\": \"\\u007f\\u0085é\\n\" \n}");
        assert_eq!(serde_json::from_str::<Value>(&plain).unwrap(), serde_json::from_str::<Value>(json).unwrap());
        for letter in ['\u{202e}', '\u{2066}', '\u{2028}', '\u{1f600}', 'ü'] {
            let json = format!("\"{letter}\"");
            let is_same = plain_json(&json) == json;
            assert_eq!(is_same, on_one_line(&json) == json, "{letter:?} is as it is in a line");
            assert_eq!(serde_json::from_str::<String>(&plain_json(&json)).unwrap(), letter.to_string());
        }
        assert!(matches!(plain_json("[\"what is harmless\\u001b\",\n\t1]"), Cow::Borrowed(_)));
    }
}
