//! Texts that stand in a certificate, or that a library makes of it.

/// So many bytes of it are shown. No name of a host is longer by much.
const LONGEST: usize = 200;

/// Its beginning, for a sentence or a line of a log.
pub(super) fn shown(text: &str) -> String {
    plugin_core::on_one_line(&text[..text.floor_char_boundary(LONGEST)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_line_and_nothing_is_long() {
        assert_eq!(shown("a\u{1b}[31m\nb é"), "a\\u{1b}[31m\\nb é");
        assert_eq!(shown(&"x".repeat(50_000)).len(), LONGEST);
    }
}
