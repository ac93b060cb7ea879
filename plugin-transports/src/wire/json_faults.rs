//! What is wrong with a document that should be JSON, as the second half of a sentence: "... cannot be read: ".

/// What the parser says in the words of JSON. The names of types in a program say nothing to whoever wrote the document.
#[cold]
pub(crate) fn said(error: &serde_json::Error) -> String {
    const UNTAGGED: &str = "data did not match any variant of untagged enum ";
    let text = error.to_string();
    let (what, place) = match text.rfind(" at line ") {
        Some(at) => text.split_at(at),
        None => (text.as_str(), ""),
    };
    match (what.strip_prefix(UNTAGGED), what.rsplit_once("expected ")) {
        (Some(_), _) => format!("it has none of the forms that are taken{place}"),
        (None, Some((before, expected))) => format!("{before}expected {}{place}", plain(expected)),
        (None, None) => text,
    }
}

/// What was expected, without the names of Rust.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "u128" | "usize" => "a whole number, 0 or more",
        "i8" => "a whole number from -128 to 127",
        "i16" => "a whole number from -32768 to 32767",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "unit" => "null",
        "a borrowed string" => "a string",
        "variant identifier" | "field identifier" => "a name",
        _ if ["a tuple of ", "tuple struct ", "tuple variant "].iter().any(|start| expected.starts_with(start)) => {
            "a list"
        }
        _ if expected.starts_with("unit ") => "null",
        _ if expected.starts_with("newtype ") => "another value",
        _ if expected.starts_with("struct ") => "an object",
        _ if expected.starts_with("enum ") => "a string, or an object with one key",
        _ if expected.contains("tagged enum ") => "an object",
        _ => expected,
    }
}

/// What some editors, shells and frameworks write before text.
#[cfg(any(feature = "http", feature = "unix"))]
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How much is shown of the place where a document cannot be read.
#[cfg(any(feature = "http", feature = "unix"))]
const SHOWN: usize = 16;

/// The document as text, without a byte order mark.
#[cfg(any(feature = "http", feature = "unix"))]
pub(crate) fn text(document: &[u8]) -> Result<&str, String> {
    let marked = document.strip_prefix(BYTE_ORDER_MARK).unwrap_or(document);
    std::str::from_utf8(marked).map_err(|error| {
        let at = error.valid_up_to();
        let byte = marked.get(at).copied().unwrap_or_default();
        format!("it is no UTF-8: byte {} is 0x{byte:02x}", document.len() - marked.len() + at + 1)
    })
}

/// What the parser says, and what stands at the place.
#[cfg(any(feature = "http", feature = "unix"))]
#[cold]
pub(crate) fn describe(error: &serde_json::Error, text: &str) -> String {
    if text.trim_ascii().is_empty() {
        return "it is empty".to_owned();
    }
    let said = said(error);
    let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
    let what = &*super::bounded::sentence(what);
    if error.line() == 0 {
        return what.to_owned();
    }
    let line: usize = text.split_inclusive('\n').take(error.line() - 1).map(str::len).sum();
    let at = line + error.column().saturating_sub(1);
    let near = text.as_bytes().get(at..).unwrap_or_default();
    match String::from_utf8_lossy(&near[..near.len().min(SHOWN)]) {
        near if near.is_empty() || error.is_eof() => format!("{what} at its end"),
        near => format!("{what} at byte {}, {near:?}", at + 1),
    }
}

#[cfg(test)]
mod words {
    use serde::Deserialize;

    use super::said;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Order {
        count: u8,
        price: Option<f64>,
        kind: Option<Kind>,
        place: Option<(i32, i32)>,
        #[serde(borrow)]
        name: Option<&'static str>,
        form: Option<Form>,
    }

    #[derive(Debug, Deserialize)]
    enum Kind {
        Plain,
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only read")]
    enum Form {
        Number(u32),
    }

    #[test]
    fn what_was_expected_is_said_without_a_name_of_rust() {
        for (json, says) in [
            ("5", "invalid type: integer `5`, expected an object at line 1 column 1"),
            ("{\"count\": 256}", "invalid value: integer `256`, expected a whole number from 0 to 255"),
            (
                "{\"count\": \"expected u8\"}",
                "invalid type: string \"expected u8\", expected a whole number from 0 to 255",
            ),
            ("{\"count\": 1, \"price\": true}", "invalid type: boolean `true`, expected a number"),
            ("{\"count\": 1, \"kind\": 7}", "expected value at line 1"),
            ("{\"count\": 1, \"kind\": \"Odd\"}", "unknown variant `Odd`, expected `Plain`"),
            ("{\"count\": 1, \"place\": 7}", "invalid type: integer `7`, expected a list"),
            ("{\"count\": 1, \"name\": 7}", "invalid type: integer `7`, expected a string"),
            ("{\"count\": 1, \"form\": \"x\"}", "it has none of the forms that are taken at line 1"),
            ("{}", "missing field `count` at line 1 column 2"),
            ("{\"count\": ", "EOF while parsing a value"),
        ] {
            let found = said(&serde_json::from_str::<Order>(json).expect_err(json));
            assert!(found.contains(says), "{json}: {found}");
            for name in ["Order", "Kind,", "Form", "struct", "enum", "f64", "tuple", "borrowed"] {
                assert!(!found.contains(name), "{json}: {found}");
            }
        }
    }
}

#[cfg(all(test, any(feature = "http", feature = "unix")))]
mod tests {
    use serde_json::Value;

    use super::*;

    fn flaw(document: &[u8]) -> String {
        let text = match text(document) {
            Ok(text) => text,
            Err(why) => return why,
        };
        describe(&serde_json::from_str::<Value>(text).expect_err("a flaw"), text)
    }

    #[test]
    fn the_place_is_named_and_what_stands_there() {
        assert_eq!(flaw(br#"{"data":NaN}"#), r#"expected value at byte 9, "NaN}""#);
        assert_eq!(flaw(b"{\n \"data\":\n  -Infinity}"), r#"invalid number at byte 15, "Infinity}""#);
        assert_eq!(flaw(b"{\"data\":\"caf\xe9\"}"), "it is no UTF-8: byte 13 is 0xe9");
        assert_eq!(flaw(b"\xef\xbb\xbf\"\xe9\""), "it is no UTF-8: byte 5 is 0xe9");
        assert_eq!(flaw(b"{\"data\":[1,2"), "EOF while parsing a list at its end");
        assert_eq!(flaw(b" \n"), "it is empty");
        let long = format!("\"{}\"", "é".repeat(4 << 10));
        let said = describe(&serde_json::from_str::<bool>(&long).expect_err("no boolean"), &long);
        assert!(said.len() < 350 && said.starts_with("invalid type: string \"éé"), "{said}");
        assert!(said.contains("éé\", expected a boolean at byte"), "{said}");
        assert_eq!(text(b"\xef\xbb\xbf{}"), Ok("{}"));
    }
}
