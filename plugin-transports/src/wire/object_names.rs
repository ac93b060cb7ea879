//! The names in a JSON object that lacks its required members, for the error text.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

/// So many names are shown, and of each so much.
const SHOWN: usize = 4;
const LENGTH: usize = 16;

/// Shows this each name of the outermost object, in order. What is no object has none.
#[cold]
pub(crate) fn visit(object: &str, note: impl FnMut(&str)) {
    struct Noting<F>(F);

    impl<'de, F: FnMut(&str)> DeserializeSeed<'de> for Noting<F> {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_map(self)
        }
    }

    impl<'de, F: FnMut(&str)> Visitor<'de> for Noting<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((name, IgnoredAny)) = map.next_entry::<Cow<'_, str>, IgnoredAny>()? {
                (self.0)(&name);
            }
            Ok(())
        }
    }

    let _ = Noting(note).deserialize(&mut serde_json::Deserializer::from_str(object));
}

/// Names that nobody knows, as far as they are shown.
#[derive(Debug, Default)]
pub(crate) struct Unknown {
    names: Vec<String>,
    more: bool,
}

impl Unknown {
    pub(crate) fn note(&mut self, name: &str) {
        if self.names.len() < SHOWN {
            self.names.push(name.chars().take(LENGTH).collect());
        } else {
            self.more = true;
        }
    }

    /// What is wrong with a reply that has these in place of `result` and `error`, as these two are called in it.
    pub(crate) fn in_place_of(&self, result: &str, error: &str) -> String {
        format!("it has neither `{result}` nor `{error}`, of which a reply has one, but {self}")
    }

    #[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{name:?}")?;
        }
        if self.more { f.write_str(" and more") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_names_are_shown_and_that_there_are_more() {
        let shown = |object: &str| {
            let mut unknown = Unknown::default();
            visit(object, |name| unknown.note(name));
            unknown.to_string()
        };
        assert_eq!(shown(r#"{"resutl":{"inner":1},"\u006b":[{"no":2}]}"#), r#""resutl", "k""#);
        assert_eq!(shown(r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}"#), r#""a", "b", "c", "d" and more"#);
        assert_eq!(shown(&format!("{{\"{}\":1}}", "é".repeat(99))), format!("{:?}", "é".repeat(LENGTH)));
        assert_eq!((shown("7"), shown("[{\"a\":1}]")), (String::new(), String::new()));
    }
}
