//! One pass over a document: whether it is JSON, and within its limits. It builds nothing, and never calls itself.

use super::limits::{LimitExceeded, Limits};

/// Eight bytes of this value.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// A document.
pub(super) struct Scan<'a> {
    text: &'a [u8],
    limits: Limits,
}

/// Where the scanner stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScanStop {
    Syntax,
    LimitExceeded(LimitExceeded),
}

/// What is open: a bit a level, set for an object. Up to 64 levels need no memory.
#[derive(Default)]
struct Open {
    depth: usize,
    bits: u64,
    below: Vec<u64>,
}

impl Open {
    #[inline]
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.below.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(object);
        self.depth += 1;
    }

    #[inline]
    fn pop(&mut self) {
        self.bits >>= 1;
        self.depth -= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.bits = self.below.pop().unwrap_or_default();
        }
    }

    /// Whether the innermost is an object; `None` when nothing is open.
    #[inline]
    fn innermost(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.bits & 1 == 1)
    }
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str, limits: Limits) -> Self {
        Self { text: text.as_bytes(), limits }
    }

    /// One value and nothing else.
    pub(super) fn document(self) -> Result<(), ScanStop> {
        let end = self.value(0)?;
        if blanks(self.text, end) == self.text.len() { Ok(()) } else { Err(ScanStop::Syntax) }
    }

    /// Reads the value that begins here or behind blanks. Gives the place behind it.
    ///
    /// The place is handed from one function to the next, so that it stays in a register.
    pub(super) fn value(&self, mut at: usize) -> Result<usize, ScanStop> {
        let text = self.text;
        let mut open = Open::default();
        loop {
            // Here a value begins.
            let begin;
            (begin, at) = token(text, at);
            match begin {
                b'"' => at = string(text, at)?,
                b'-' | b'0'..=b'9' => at = number(text, at, begin, self.limits)?,
                b't' => at = word(text, at, b"rue")?,
                b'f' => at = word(text, at, b"alse")?,
                b'n' => at = word(text, at, b"ull")?,
                b'[' | b'{' => {
                    if open.depth == self.limits.depth {
                        return Err(ScanStop::LimitExceeded(LimitExceeded::Depth(self.limits.depth)));
                    }
                    open.push(begin == b'{');
                    let (next, behind) = token(text, at);
                    // The end of a list and of an object is two behind its beginning.
                    if next != begin + 2 {
                        if begin == b'{' {
                            at = key(text, at)?;
                        }
                        continue;
                    }
                    at = behind;
                    open.pop();
                }
                _ => return Err(ScanStop::Syntax),
            }
            // Behind a value: the next one, or the end of what is open.
            loop {
                let Some(object) = open.innermost() else { return Ok(at) };
                let next;
                (next, at) = token(text, at);
                match (next, object) {
                    (b',', true) => {
                        at = key(text, at)?;
                        break;
                    }
                    (b',', false) => break,
                    (b'}', true) | (b']', false) => open.pop(),
                    _ => return Err(ScanStop::Syntax),
                }
            }
        }
    }
}

/// The next byte that is not between tokens, and the place behind it. At the end it is 0, which begins no token.
#[inline(always)]
pub(super) fn token(text: &[u8], at: usize) -> (u8, usize) {
    match text.get(at) {
        Some(&byte) if byte > b' ' => (byte, at + 1),
        _ => token_behind_blanks(text, at),
    }
}

#[cold]
#[inline(never)]
fn token_behind_blanks(text: &[u8], at: usize) -> (u8, usize) {
    let at = blanks(text, at);
    (text.get(at).copied().unwrap_or(0), at + 1)
}

/// The first place from here on where no blank stands.
pub(super) fn blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// A key and its colon.
#[inline(always)]
fn key(text: &[u8], at: usize) -> Result<usize, ScanStop> {
    let (b'"', at) = token(text, at) else { return Err(ScanStop::Syntax) };
    let (b':', at) = token(text, string(text, at)?) else { return Err(ScanStop::Syntax) };
    Ok(at)
}

/// A key without an escape, and the place behind its colon.
#[cfg(any(feature = "http", feature = "lines", feature = "unix"))]
#[inline]
pub(super) fn key_of(text: &str, at: usize) -> Option<(&str, usize)> {
    let bytes = text.as_bytes();
    let (b'"', begin) = token(bytes, at) else { return None };
    let end = plain(bytes, begin);
    let (Some(b'"'), (b':', behind)) = (bytes.get(end), token(bytes, end + 1)) else { return None };
    Some((&text[begin..end], behind))
}

/// What stands behind the quotation mark of a text, and the one that ends it.
#[inline(always)]
fn string(text: &[u8], mut at: usize) -> Result<usize, ScanStop> {
    loop {
        at = plain(text, at);
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape(text, at + 1)?,
            _ => return Err(ScanStop::Syntax),
        }
    }
}

/// What stands behind the backslash.
#[inline(never)]
fn escape(text: &[u8], at: usize) -> Result<usize, ScanStop> {
    match text.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 1),
        Some(b'u') => {
            let digits = text.get(at + 1..at + 5).ok_or(ScanStop::Syntax)?;
            if digits.iter().all(u8::is_ascii_hexdigit) { Ok(at + 5) } else { Err(ScanStop::Syntax) }
        }
        _ => Err(ScanStop::Syntax),
    }
}

/// What stands behind the first byte of a number.
#[inline]
fn number(text: &[u8], mut at: usize, first: u8, limits: Limits) -> Result<usize, ScanStop> {
    let begin = at - 1;
    let mut digit = first;
    if first == b'-' {
        digit = text.get(at).copied().unwrap_or(0);
        at += 1;
    }
    match digit {
        // No other digit may follow: where one does, what should be a comma is none.
        b'0' => {}
        b'1'..=b'9' => at = digits(text, at),
        _ => return Err(ScanStop::Syntax),
    }
    if text.get(at) == Some(&b'.') {
        at = some_digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let signed = matches!(text.get(at + 1), Some(b'+' | b'-'));
        at = some_digits(text, at + 1 + usize::from(signed))?;
    }
    if at - begin > limits.digits {
        return Err(ScanStop::LimitExceeded(LimitExceeded::Digits(limits.digits)));
    }
    Ok(at)
}

#[inline]
fn digits(text: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    at
}

#[inline]
fn some_digits(text: &[u8], at: usize) -> Result<usize, ScanStop> {
    let end = digits(text, at);
    if end > at { Ok(end) } else { Err(ScanStop::Syntax) }
}

/// What stands behind the first byte of a word.
#[inline]
fn word(text: &[u8], at: usize, rest: &[u8]) -> Result<usize, ScanStop> {
    if text[at..].starts_with(rest) { Ok(at + rest.len()) } else { Err(ScanStop::Syntax) }
}

/// The first place from here on whose byte does not mean itself in a text: its end, an escape, or a control character.
#[inline(always)]
fn plain(text: &[u8], mut at: usize) -> usize {
    while let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        // The high bit of each byte below n is set by subtracting n, unless it was set before. A borrow reaches only bytes
        // behind one that is found, and the first is what counts.
        let below = |word: u64, n: u8| word.wrapping_sub(each(n)) & !word;
        let found = (below(word, 0x20) | below(word ^ each(b'"'), 1) | below(word ^ each(b'\\'), 1)) & each(0x80);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while text.get(at).is_some_and(|&byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn scan(text: &str) -> Result<(), ScanStop> {
        Scan::new(text, Limits::new()).document()
    }

    #[test]
    fn the_limits_are_reached_and_not_passed() {
        let depth = |text: &str, max| Scan::new(text, Limits::new().with_max_depth(max)).document();
        let too_deep = |max| Err(ScanStop::LimitExceeded(LimitExceeded::Depth(max)));
        assert_eq!((depth("[[[]]]", 3), depth("[[[]]]", 2)), (Ok(()), too_deep(2)));
        assert_eq!(depth(r#"[{"a":[]},{"b":[]}]"#, 3), Ok(()));
        assert_eq!(depth(r#"[{"a":[]},{"b":[]}]"#, 2), too_deep(2));
        assert_eq!((depth(r#"["[[[[\"[[[["]"#, 1), depth("[", 0), depth("1", 0)), (Ok(()), too_deep(0), Ok(())));
        for levels in [1, 63, 64, 65, 127, 128, 129, 1000] {
            let lists = "[".repeat(levels) + &"]".repeat(levels);
            let mixed = "[{\"k\":".repeat(levels) + "1" + &"}]".repeat(levels);
            assert_eq!((depth(&lists, levels), depth(&lists, levels - 1)), (Ok(()), too_deep(levels - 1)));
            assert_eq!((depth(&mixed, 2 * levels), depth(&mixed, 2 * levels - 1)), (Ok(()), too_deep(2 * levels - 1)));
        }
        let digits = |text: &str| Scan::new(text, Limits::new().with_max_digits(6)).document();
        let too_long = Err(ScanStop::LimitExceeded(LimitExceeded::Digits(6)));
        for number in ["123456", "-12345", "1.2e-3", "[123456,123456]", "\"1234567\"", "1.2345"] {
            assert_eq!(digits(number), Ok(()), "{number}");
        }
        for number in ["1234567", "-123456", "1.2e-34", "{\"a\":[1234567]}", "0.12345"] {
            assert_eq!(digits(number), too_long, "{number}");
        }
    }

    #[test]
    fn what_stands_at_the_edge_of_eight_bytes_is_seen() {
        for length in 0..40 {
            for special in ["\"", "\\", "\u{1f}", "\u{0}"] {
                let text = "é~ x".repeat(length);
                assert_eq!(plain((text.clone() + special + "abcdefghijk").as_bytes(), 0), text.len());
            }
            assert_eq!(plain("\u{7f}".repeat(length).as_bytes(), 0), length);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        /// It says what serde_json says of any text, and tokens that are thrown together make the more telling ones.
        #[test]
        fn it_agrees_with_the_parser(
            tokens in prop::collection::vec(prop::sample::select(&[
                "[", "]", "{", "}", ",", ":", "\"", "\"a\"", "\"k\":", "1", "0", "-", "01", "1.5", "1e", "E+3", ".", "true",
                "fals", "null", " ", "\n", "\\", "\\u00e9", "\\ud800", "\\x", "\u{1}", "é", "[1]", "{\"a\":", "{}", "\u{feff}",
                "\u{a0}", "-0.0e-0", "12", "nul", "[[", "]]", "},{",
            ][..]), 0..12),
        ) {
            let text = tokens.concat();
            prop_assert_eq!(scan(&text).is_ok(), serde_json::from_str::<&RawValue>(&text).is_ok(), "{}", text);
        }

        #[test]
        fn it_agrees_with_the_parser_on_what_was_written_and_then_damaged(
            values in prop::collection::vec((any::<f64>(), "\\PC{0,12}", any::<i64>()), 0..6),
            at in 0_usize..400,
            with in prop::sample::select(&["", "\"", "\\", "}", "]", ",", "0", "\n", "x"][..]),
        ) {
            let mut text = serde_json::to_string(&values).expect("plain");
            prop_assert!(scan(&text).is_ok());
            if text.is_char_boundary(at) && at < text.len() {
                let end = (at + 1..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(at);
                text.replace_range(at..end, with);
            }
            prop_assert_eq!(scan(&text).is_ok(), serde_json::from_str::<&RawValue>(&text).is_ok(), "{}", text);
        }
    }
}
