//! Config paths, such as `plugins[0].labels["a.b"]`.

/// The path of `key` inside the map at `path`. A key that is no plain word is quoted and escaped.
pub(super) fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match (plain, path.is_empty()) {
        (true, true) if key.len() <= SHOWN => key.to_owned(),
        (true, false) if key.len() <= SHOWN => format!("{path}.{key}"),
        _ => format!("{path}[{}]", quoted(key)),
    }
}

/// The path of the item with this index, counted from 0, inside the list at `path`.
pub(super) fn index(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// How many characters of a key or string a message shows.
const SHOWN: usize = 60;

/// `text` in quotes on one line, cut when it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_no_plain_words_are_quoted_and_cut() {
        assert_eq!(join("", "plugins"), "plugins");
        assert_eq!(join(&index("plugins", 2), "max-retries"), "plugins[2].max-retries");
        assert_eq!(join("labels", "a.b\n"), r#"labels["a.b\n"]"#);
        assert_eq!(join("", ""), r#"[""]"#);
        assert_eq!(join("", &"é".repeat(100)), format!("[\"{}\"...]", "é".repeat(60)));
    }
}
