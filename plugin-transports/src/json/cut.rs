//! The values of an object, cut out of it in one pass.

use super::{
    limits::Limits,
    scan::{Scan, blanks, key_of, token},
};

/// What stands under these names in an object, as it is written there: the document is read once, and each value is within the
/// limits. A `null` is as good as none.
///
/// `None` where it takes a parser to tell: what is no object or no JSON, a name with an escape in it, one of these that is there
/// twice, a value beyond the limits. It says more of what is wrong, and takes twice the time.
pub(crate) fn cut<'t, const N: usize>(
    text: &'t str,
    names: &[&str; N],
    limits: Limits,
) -> Option<[Option<&'t str>; N]> {
    let (bytes, scan) = (text.as_bytes(), Scan::new(text, limits));
    let mut found = [None; N];
    let (b'{', mut at) = token(bytes, 0) else { return None };
    if let (b'}', end) = token(bytes, at) {
        return (blanks(bytes, end) == bytes.len()).then_some(found);
    }
    loop {
        let (name, behind) = key_of(text, at)?;
        let begin = blanks(bytes, behind);
        let end = scan.value(begin).ok()?;
        if let Some(place) = names.iter().position(|known| *known == name) {
            // A `null` is noted too, so that another one is found.
            if found[place].replace(&text[begin..end]).is_some() {
                return None;
            }
        }
        match token(bytes, end) {
            (b',', next) => at = next,
            (b'}', end) if blanks(bytes, end) == bytes.len() => {
                return Some(found.map(|value| value.filter(|value| *value != "null")));
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, collections::HashMap};

    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    const NAMES: [&str; 3] = ["data", "error", "id"];

    fn cut_of(text: &str) -> Option<[Option<&str>; 3]> {
        cut(text, &NAMES, Limits::new())
    }

    #[test]
    fn each_value_is_given_as_it_is_written() {
        for (text, found) in [
            ("{}", [None; 3]),
            (" { } ", [None; 3]),
            (r#"{"id":"r1","data":{"a": [1, 2.50]}}"#, [Some(r#"{"a": [1, 2.50]}"#), None, Some("\"r1\"")]),
            (" {\n\"error\" :\t\"no\" , \"other\":[{}] } \n", [None, Some("\"no\""), None]),
            (r#"{"data":null,"id": 7}"#, [None, None, Some("7")]),
            (r#"{"data":"\ud800 }","":{"id":1}}"#, [Some(r#""\ud800 }""#), None, None]),
            (r#"{"DATA":1,"dat":2,"data ":3}"#, [None; 3]),
        ] {
            assert_eq!(cut_of(text), Some(found), "{text}");
        }
    }

    #[test]
    fn what_takes_a_parser_is_left_to_it() {
        for text in [
            "",
            " ",
            "7",
            "[]",
            "null",
            "{",
            "{\"data\"",
            "{\"data\":",
            "{\"data\":1",
            "{\"data\":1,",
            "{\"data\":1,}",
            "{,}",
            "{\"data\":1}x",
            "{}{}",
            "{\"data\":1 \"id\":2}",
            "{\"data\" 1}",
            "{data:1}",
            "{\"data\":1,\"data\":2}",
            "{\"data\":null,\"data\":null}",
            "{\"dat\\u0061\":1}",
            "{\"other\":nul}",
            "{\"a\nb\":1}",
            "\u{feff}{}",
            "{\"data\":1;\"id\":2}",
            "{\"data\\:1}",
            "{\"data\u{1}:1}",
            "{xdata\":1}",
        ] {
            assert_eq!(cut_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_value_beyond_the_limits_is_left_to_who_says_so() {
        let limits = Limits::new();
        let nested = |depth: usize| format!(r#"{{"data":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(cut_of(&nested(limits.depth)).is_some());
        assert_eq!(cut_of(&nested(limits.depth + 1)), None);
        let long = |digits: usize| format!(r#"{{"data":{}}}"#, "1".repeat(digits));
        assert!(cut_of(&long(limits.digits)).is_some());
        assert_eq!(cut_of(&long(limits.digits + 1)), None);
    }

    /// Texts that are objects often enough, or nearly.
    fn objects() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "{}",
            "[",
            "]",
            ":",
            ",",
            " ",
            "\n",
            "null",
            "true",
            "1",
            "-0.5e3",
            "\"\"",
            "\"a\\n\"",
            "\"data\":",
            "\"error\":",
            "\"id\":",
            "\"data\":1,",
            "\"x\":[1,{\"id\":2}],",
            "\"\\u0064ata\":",
            "é",
            "\"é\"",
        ]);
        let body = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat());
        prop_oneof![
            body.clone(),
            body.clone().prop_map(|body| format!("{{{body}}}")),
            body.prop_map(|body| format!("{{{body}1}}"))
        ]
    }

    proptest! {
        #[test]
        fn what_is_cut_out_is_what_the_parser_reads(text in objects()) {
            if let Some(found) = cut_of(&text) {
                let read: HashMap<Cow<'_, str>, Option<&RawValue>> = serde_json::from_str(&text).expect("an object");
                for (name, value) in NAMES.iter().zip(found) {
                    prop_assert_eq!(read.get(*name).copied().flatten().map(RawValue::get), value, "{}", text);
                }
            }
        }
    }
}
