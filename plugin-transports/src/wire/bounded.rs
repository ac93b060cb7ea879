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
}
