//! JSON that is passed through as bytes.

use std::borrow::Cow;

#[cfg(any(feature = "lines", feature = "unix"))]
use crate::json::{JsonFault, Limits, flat};

/// Checks that these bytes are one JSON value and gives them back without raw line feeds, which may only stand
/// between tokens. No tree is built.
#[cfg(any(feature = "lines", feature = "unix"))]
pub(crate) fn single_line(json: &[u8]) -> Result<Cow<'_, [u8]>, JsonFault> {
    // Of any depth: the host has a limit, and says so.
    Limits::none().check(json)?;
    Ok(flat(json))
}

/// Appends `text` as a JSON string.
pub(crate) fn push_str(out: &mut Vec<u8>, text: &str) {
    // Text that needs no escape, which is nearly all of it, is copied as it is.
    // All of it is looked at, whatever is found: sixteen bytes at a time.
    let needs_escape = |byte| byte < 0x20 || byte == b'"' || byte == b'\\';
    let plain = !text.bytes().fold(false, |found, byte| found | needs_escape(byte));
    if plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    // Writing a string into a vector cannot fail: neither the writer nor the value can.
    let _ = serde_json::to_writer(out, text);
}

/// Appends `value` as a JSON string.
#[cfg(all(feature = "process", target_os = "linux"))]
pub(crate) fn push_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    use std::io::Write;
    let start = out.len();
    out.push(b'"');
    let _ = write!(out, "{value}");
    let plain = out[start + 1..].iter().all(|byte| *byte >= 0x20 && *byte != b'"' && *byte != b'\\');
    if plain {
        out.push(b'"');
    } else {
        let text = String::from_utf8_lossy(&out[start + 1..]).into_owned();
        out.truncate(start);
        push_str(out, &text);
    }
}

/// Appends a whole number.
#[cfg(any(feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) fn push_number(out: &mut Vec<u8>, number: u64) {
    let (mut digits, mut at, mut rest) = ([0; 20], 20, number);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends an object whose members are texts.
pub(crate) fn push_texts<'a>(out: &mut Vec<u8>, texts: impl Iterator<Item = (&'a str, Cow<'a, str>)>) {
    out.push(b'{');
    for (index, (key, value)) in texts.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_str(out, key);
        out.push(b':');
        push_str(out, &value);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pretty_document_becomes_one_line_with_the_same_meaning() {
        let pretty = b"{\r\n  \"a\": [1,\n 2],\n  \"b\": \"x\\ny\"\n}\n";
        let flat = single_line(pretty).expect("valid");
        assert!(!flat.contains(&b'\n') && !flat.contains(&b'\r'));
        let parse = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).expect("valid");
        assert_eq!(parse(&flat), parse(pretty));
    }

    #[test]
    fn what_is_not_exactly_one_json_value_is_refused() {
        for bad in [&b""[..], b"{", b"{}{}", b"1,\"context\":2", b"nul", b"\"\xff\"", b"\"a\nb\"", b"{\"a\":1,}"] {
            assert!(single_line(bad).is_err(), "{bad:?}");
        }
    }

    #[cfg(all(feature = "process", target_os = "linux"))]
    #[test]
    fn text_is_escaped_where_it_must_be() {
        for text in ["plain", "quote\" back\\slash", "line\nfeed \u{0} \u{7f} é 🙂"] {
            let mut by_str = Vec::new();
            push_str(&mut by_str, text);
            let mut by_display = Vec::new();
            push_display(&mut by_display, text);
            assert_eq!(serde_json::from_slice::<String>(&by_str).expect("a string"), text);
            assert_eq!(by_str, by_display);
        }
    }
}
