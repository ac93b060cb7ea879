//! What a plugin was given in confidence besides credentials: its options, and its environment.

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use super::hiding::{SURE, SURE_OF_WORDS, hidden};

/// Texts that a plugin knows and others are not to hear from it. A text shorter than eight bytes may be any word, and one that is a
/// path is no secret: neither is among them.
#[derive(Clone, Default)]
pub(crate) struct Confidential(Arc<[Box<str>]>);

impl Confidential {
    /// The texts in options, however deep they stand, and these besides.
    pub(crate) fn of<'v>(options: &'v Map<String, Value>, others: impl Iterator<Item = &'v str>) -> Self {
        let mut texts: Vec<&str> = others.collect();
        options.values().for_each(|value| texts_in(value, &mut texts));
        texts.retain(|text| text.len() >= SURE && !text.starts_with('/'));
        // The longest first: another may stand in it.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self(texts.into_iter().map(Box::from).collect())
    }

    /// The text without them, nor parts of sixteen bytes; `None` where none is in it.
    #[cold]
    pub(crate) fn hidden(&self, said: &str) -> Option<String> {
        hidden(said, self.0.iter().map(|text| &**text), SURE_OF_WORDS)
    }

    /// The text without them.
    #[cfg(all(feature = "process", target_os = "linux"))]
    pub(crate) fn hide_in(&self, said: String) -> String {
        self.hidden(&said).unwrap_or(said)
    }
}

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Confidential").field(&self.0.len()).finish()
    }
}

fn texts_in<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts_in(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| texts_in(field, texts)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_of_options_and_of_the_environment_are_hidden_and_words_and_paths_are_not() {
        let Value::Object(options) = json!({
            "dsn": "postgres://u:pw@db/x",
            "deep": [{"a": "s3cret-token-1"}],
            "path": "/var/lib/plugin",
            "role": "plugin",
            "count": 12_345_678,
        }) else {
            unreachable!("an object")
        };
        let confidential = Confidential::of(&options, ["of-the-environment", "s3cret-token-1-and-more"].into_iter());
        let said = "no postgres://u:pw@db/x, s3cret-token-1 s3cret-token-1-and-more of-the-environment";
        assert_eq!(confidential.hidden(said).as_deref(), Some("no ***, *** *** ***"));
        assert_eq!(confidential.hidden("the plugin has no /var/lib/plugin of 12345678"), None);
        assert_eq!(format!("{confidential:?}"), "Confidential(4)");
    }
}
