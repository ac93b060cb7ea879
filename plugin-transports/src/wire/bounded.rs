//! Texts that the other side has written, of which so much is kept, and so much is shown.

#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
use std::borrow::Cow;

/// The longest text of a plugin's error that is kept, in bytes: it goes into logs, problem documents and metrics of others.
pub(crate) const MAX_ERROR: usize = 4096;

/// The text, which says so where it was cut.
pub(crate) fn text(mut text: String) -> String {
    if text.len() > MAX_ERROR {
        text.truncate(text.floor_char_boundary(MAX_ERROR - '…'.len_utf8()));
        text.shrink_to_fit();
        text.push('…');
    }
    text
}

/// The first `max` bytes, or a few less.
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
pub(crate) fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// So many characters of what the other side has sent stand in a sentence about it.
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
const MAX_SHOWN: usize = 64;

/// What the other side has sent, for a sentence that says what is wrong with it: its beginning, as it was written.
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
#[cold]
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// The same in quotes.
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
#[cold]
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", shown(text))
}

/// The longest sentence about what was read.
#[cfg(any(feature = "http", feature = "unix"))]
const MAX_SENTENCE: usize = 300;

/// A sentence of a parser, which quotes a value as it is, however long that is: without its middle where it is too long.
#[cfg(any(feature = "http", feature = "unix"))]
#[cold]
pub(crate) fn sentence(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_SENTENCE {
        return text.into();
    }
    let rest = text.ceil_char_boundary(text.len() - MAX_SENTENCE / 2);
    format!("{}…{}", cut(text, MAX_SENTENCE / 2), &text[rest..]).into()
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

    #[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
    #[test]
    fn what_is_shown_and_quoted_is_bounded() {
        let whole = "é".repeat(MAX_SHOWN);
        assert_eq!((&*shown(&whole), quoted(&whole)), (&*whole, format!("\"{whole}\"")));
        let long = whole.clone() + "!";
        assert_eq!((&*shown(&long), quoted(&long)), (&*format!("{whole}…"), format!("\"{whole}…\"")));
        assert_eq!(quoted("\"\n"), r#""\"\n""#);
    }

    #[cfg(any(feature = "http", feature = "unix"))]
    #[test]
    fn a_sentence_that_is_too_long_lacks_its_middle() {
        assert_eq!(sentence("short"), "short");
        let long = format!("begins {} ends", "é".repeat(MAX_SENTENCE));
        let short = sentence(&long);
        assert!(short.starts_with("begins éé") && short.ends_with("éé ends") && short.contains("é…é"), "{short}");
        assert!(short.len() <= MAX_SENTENCE + '…'.len_utf8(), "{}", short.len());
        assert_eq!((cut("aé", 2), cut("aé", 3), cut("aé", 9)), ("a", "aé", "aé"));
    }
}
