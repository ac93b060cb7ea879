//! One pass over a document: whether it is JSON, and within its limits. It builds nothing, and never calls itself.

use super::limits::{LimitExceeded, Limits};

/// Eight bytes of this value.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// A document, and how far it was read.
pub(super) struct Scan<'a> {
    text: &'a [u8],
    at: usize,
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
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.below.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.bits >>= 1;
        self.depth -= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.bits = self.below.pop().unwrap_or_default();
        }
    }

    /// Whether the innermost is an object; `None` when nothing is open.
    fn innermost(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.bits & 1 == 1)
    }
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str, limits: Limits) -> Self {
        Self { text: text.as_bytes(), at: 0, limits }
    }

    /// One value and nothing else.
    pub(super) fn document(mut self) -> Result<(), ScanStop> {
        self.value()?;
        self.blanks();
        if self.at == self.text.len() { Ok(()) } else { Err(ScanStop::Syntax) }
    }

    fn value(&mut self) -> Result<(), ScanStop> {
        let mut open = Open::default();
        loop {
            // Here a value begins.
            match self.token() {
                Some(b'"') => self.string()?,
                Some(byte @ (b'-' | b'0'..=b'9')) => self.number(byte)?,
                Some(b't') => self.word(b"rue")?,
                Some(b'f') => self.word(b"alse")?,
                Some(b'n') => self.word(b"ull")?,
                Some(begin @ (b'[' | b'{')) => {
                    if open.depth == self.limits.depth {
                        return Err(ScanStop::LimitExceeded(LimitExceeded::Depth(self.limits.depth)));
                    }
                    open.push(begin == b'{');
                    // The end of a list and of an object is two behind its beginning.
                    if !self.skip(begin + 2) {
                        if begin == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                    open.pop();
                }
                _ => return Err(ScanStop::Syntax),
            }
            // Behind a value: the next one, or the end of what is open.
            loop {
                let Some(object) = open.innermost() else { return Ok(()) };
                match (self.token(), object) {
                    (Some(b','), true) => {
                        self.key()?;
                        break;
                    }
                    (Some(b','), false) => break,
                    (Some(b'}'), true) | (Some(b']'), false) => open.pop(),
                    _ => return Err(ScanStop::Syntax),
                }
            }
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<(), ScanStop> {
        self.expect(b'"')?;
        self.string()?;
        self.expect(b':')
    }

    /// What stands behind the quotation mark of a text, and the one that ends it.
    fn string(&mut self) -> Result<(), ScanStop> {
        loop {
            self.at += plain(&self.text[self.at..]);
            match self.next() {
                Some(b'"') => return Ok(()),
                Some(b'\\') => self.escape()?,
                _ => return Err(ScanStop::Syntax),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ScanStop> {
        match self.next() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => {
                let digits = self.text.get(self.at..self.at + 4).ok_or(ScanStop::Syntax)?;
                self.at += 4;
                if digits.iter().all(u8::is_ascii_hexdigit) { Ok(()) } else { Err(ScanStop::Syntax) }
            }
            _ => Err(ScanStop::Syntax),
        }
    }

    /// A number, of which this is the first byte.
    fn number(&mut self, first: u8) -> Result<(), ScanStop> {
        let begin = self.at - 1;
        let digit = if first == b'-' { self.next() } else { Some(first) };
        match digit {
            // No other digit may follow: where one does, what should be a comma is none.
            Some(b'0') => {}
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(ScanStop::Syntax),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        if self.at - begin > self.limits.digits {
            return Err(ScanStop::LimitExceeded(LimitExceeded::Digits(self.limits.digits)));
        }
        Ok(())
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), ScanStop> {
        let begin = self.at;
        self.digits();
        if self.at > begin { Ok(()) } else { Err(ScanStop::Syntax) }
    }

    fn word(&mut self, rest: &[u8]) -> Result<(), ScanStop> {
        let found = self.text[self.at..].starts_with(rest);
        self.at += rest.len();
        if found { Ok(()) } else { Err(ScanStop::Syntax) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += usize::from(byte.is_some());
        byte
    }

    /// The next byte that is not between tokens.
    fn token(&mut self) -> Option<u8> {
        self.blanks();
        self.next()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn skip(&mut self, byte: u8) -> bool {
        self.blanks();
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Result<(), ScanStop> {
        if self.skip(byte) { Ok(()) } else { Err(ScanStop::Syntax) }
    }
}

/// How many bytes at the start of these mean themselves in a text: neither its end, nor an escape, nor a control character.
fn plain(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The high bit of each byte below n is set by subtracting n, unless it was set before. A borrow reaches only bytes
        // behind one that is found, and the first is what counts.
        let below = |word: u64, n: u8| word.wrapping_sub(each(n)) & !word;
        let found = (below(word, 0x20) | below(word ^ each(b'"'), 1) | below(word ^ each(b'\\'), 1)) & each(0x80);
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
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
                assert_eq!(plain((text.clone() + special + "abcdefghijk").as_bytes()), text.len());
            }
            assert_eq!(plain("\u{7f}".repeat(length).as_bytes()), length);
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
