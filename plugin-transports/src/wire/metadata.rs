//! What a reply carries besides its result, read from any plugin: text, or whatever it wrote where text belongs.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::bounded;

/// Reads an object whose values are texts. `null` instead of the object is none.
///
/// A value that is no text is taken as text: `5` is "5", `null` is empty as a host in Go has it, and anything larger is
/// shown as it was written. Metadata is for people and logs, and a number in it is no reason to lose the result.
///
/// For `#[serde(default, deserialize_with = "metadata::texts")]`.
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let raw: Option<BTreeMap<String, &'de RawValue>> = Option::deserialize(deserializer)?;
    let texts = raw.unwrap_or_default().into_iter().map(|(key, value)| (key, text(value.get())));
    Ok(texts.collect())
}

/// JSON that is a text, or of another kind as it was written; empty for `null`.
pub(crate) fn text(raw: &str) -> String {
    match raw {
        "null" => String::new(),
        // A text that is no text after all, as with half of a surrogate pair, is shown as it was written too.
        json => serde_json::from_str(json).unwrap_or_else(|_| json.to_owned()),
    }
}

/// The text of an error, which says so where it was cut.
pub(crate) fn error(raw: &str) -> String {
    bounded::text(text(raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Reply {
        #[serde(default, deserialize_with = "texts")]
        metadata: BTreeMap<String, String>,
    }

    fn read(json: &str) -> Result<BTreeMap<String, String>, String> {
        serde_json::from_str::<Reply>(json).map(|reply| reply.metadata).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_no_text_is_taken_as_text() {
        let json =
            r#"{"metadata":{"n":5,"x":1.50,"null":null,"yes":true,"list":[1, "a"],"text":"a\nb","half":"\ud800"}}"#;
        let read = read(json).expect("an object");
        for (key, text) in [
            ("n", "5"),
            ("x", "1.50"),
            ("null", ""),
            ("yes", "true"),
            ("list", r#"[1, "a"]"#),
            ("text", "a\nb"),
            ("half", r#""\ud800""#),
        ] {
            assert_eq!(read[key], text, "{key}");
        }
    }

    #[test]
    fn no_metadata_may_be_said_in_three_ways_and_a_list_is_none_of_them() {
        for none in ["{}", r#"{"metadata":null}"#, r#"{"metadata":{}}"#] {
            assert_eq!(read(none), Ok(BTreeMap::new()), "{none}");
        }
        assert!(read(r#"{"metadata":[1]}"#).expect_err("no object").contains("expected a map"));
    }
}
