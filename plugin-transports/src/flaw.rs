//! What is wrong with a document that should be JSON, as the second half of a sentence: "... cannot be read: ".

/// What some editors, shells and frameworks write before text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How much is shown of the place where a document cannot be read.
const SHOWN: usize = 16;

/// The document as text, without a byte order mark.
pub(crate) fn text(document: &[u8]) -> Result<&str, String> {
    let marked = document.strip_prefix(BYTE_ORDER_MARK).unwrap_or(document);
    std::str::from_utf8(marked).map_err(|error| {
        let at = error.valid_up_to();
        let byte = marked.get(at).copied().unwrap_or_default();
        format!("it is no UTF-8: byte {} is 0x{byte:02x}", document.len() - marked.len() + at + 1)
    })
}

/// What the parser says, and what stands at the place.
#[cold]
pub(crate) fn describe(error: &serde_json::Error, text: &str) -> String {
    if text.trim_ascii().is_empty() {
        return "it is empty".to_owned();
    }
    let said = error.to_string();
    let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
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
        assert_eq!(text(b"\xef\xbb\xbf{}"), Ok("{}"));
    }
}
