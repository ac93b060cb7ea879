//! Texts that a plugin has written, of which so much is kept.

/// The longest text of a plugin's error that is kept, in bytes: it goes into logs, problem documents and metrics of others.
pub(crate) const MAX_ERROR: usize = 4096;

/// The text, which says so where it was cut.
pub(crate) fn text(mut text: String) -> String {
    if text.len() > MAX_ERROR {
        let end = (0..=MAX_ERROR - '…'.len_utf8()).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.shrink_to_fit();
        text.push('…');
    }
    text
}

/// So many characters of what the other side has sent stand in a sentence about it.
#[cfg(feature = "grpc")]
const MAX_QUOTED: usize = 64;

/// What the other side has sent, for a sentence that says what is wrong with it: its beginning, in quotes.
#[cfg(feature = "grpc")]
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_error_is_bounded() {
        let whole = "é".repeat(MAX_ERROR / 2);
        assert_eq!(text(whole.clone()), whole);
        let cut = text(whole + "!");
        assert!(cut.len() <= MAX_ERROR && cut.ends_with("é…") && cut.len() > MAX_ERROR - 4, "{}", cut.len());
        assert_eq!(text("x".repeat(10 << 20)).len(), MAX_ERROR);
    }

    #[cfg(feature = "grpc")]
    #[test]
    fn what_is_quoted_is_bounded() {
        let whole = "é".repeat(MAX_QUOTED);
        assert_eq!(quoted(&whole), format!("\"{whole}\""));
        assert_eq!(quoted(&(whole.clone() + "!")), format!("\"{whole}\"…"));
    }
}
