//! Texts that somebody else has written: a peer, or an authority.

/// The text for a sentence or a line of a log: its first 200 characters, and none that ends a line or moves a cursor.
pub(super) fn on_one_line(text: &str) -> String {
    let shown = text.chars().take(200).map(|letter| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_line_or_moves_a_cursor_and_the_rest_stays() {
        assert_eq!(on_one_line("a\u{1b}[31m\nb é"), "a\\u{1b}[31m\\nb é");
        assert_eq!(on_one_line(&"x".repeat(50_000)).len(), 200);
    }
}
