//! JSON (RFC 8259), with a place for every value.
//!
//! Its own parser, for the places and for messages that say what JSON wants: no crate gave both without either a second
//! pass or a large tree of dependencies. A test holds it to what `serde_json` accepts.

use std::sync::Arc;

use super::fault::Faults;
use super::node::{Node, Value};
use super::parsing::{MapBuilder, Parsing, Stop};
use super::scalar;
use super::source::Source;

pub(super) fn parse(source: &Arc<Source>) -> Result<Node, Faults> {
    let mut json = Json { parsing: Parsing::new(source), text: source.text(), at: 0, depth: 0 };
    let root = json.document();
    json.parsing.finish(root)
}

struct Json<'t> {
    parsing: Parsing,
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Json<'t> {
    fn document(&mut self) -> Result<Node, Stop> {
        let root = self.value()?;
        self.space()?;
        if self.at < self.text.len() {
            return Err(self.wrong("the end of the file"));
        }
        Ok(root)
    }

    fn value(&mut self) -> Result<Node, Stop> {
        self.space()?;
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => Value::Str(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        let written = &self.text[start..self.at];
        Ok(self.parsing.node(start, value)?.with_written(written))
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Stop>) -> Result<Value, Stop> {
        self.depth += 1;
        self.parsing.depth(self.at, self.depth)?;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, Stop> {
        let mut map = MapBuilder::default();
        while self.another(b'}', map.is_empty())? {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key in double quotes"));
            }
            let key = self.string()?;
            let span = map.key(&mut self.parsing, &key, start)?;
            self.space()?;
            if !self.eat(b':') {
                return Err(self.wrong("`:` after the key"));
            }
            let value = self.value()?;
            map.value(key, span, value);
        }
        Ok(map.finish())
    }

    fn array(&mut self) -> Result<Value, Stop> {
        let mut items = Vec::new();
        while self.another(b']', items.is_empty())? {
            items.push(self.value()?);
        }
        Ok(Value::List(items))
    }

    /// Steps to the next item, past its comma, or past the closing bracket.
    fn another(&mut self, close: u8, first: bool) -> Result<bool, Stop> {
        self.space()?;
        if self.eat(close) {
            return Ok(false);
        }
        if first {
            return Ok(true);
        }
        let comma = self.at;
        if !self.eat(b',') {
            return Err(self.wrong(&format!("`,` or `{}`", char::from(close))));
        }
        self.space()?;
        if self.peek() == Some(close) {
            let problem = format!("a comma before `{}`; JSON allows none after the last item", char::from(close));
            return Err(self.parsing.stop(comma, problem));
        }
        Ok(true)
    }

    fn number(&mut self) -> Result<Value, Stop> {
        let start = self.at;
        self.eat(b'-');
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (leading_zero && whole > 1) {
            return Err(self.parsing.stop(start, "a JSON number begins with one digit, or with one that is not 0"));
        }
        let mut integer = true;
        if self.eat(b'.') {
            integer = false;
            if self.digits() == 0 {
                return Err(self.wrong("a digit after the point"));
            }
        }
        if self.eat(b'e') || self.eat(b'E') {
            integer = false;
            let _sign = self.eat(b'-') || self.eat(b'+');
            if self.digits() == 0 {
                return Err(self.wrong("a digit of the exponent"));
            }
        }
        let written = &self.text[start..self.at];
        let value = if integer { scalar::integer(written, written, 10) } else { scalar::float(written) };
        // It is a number all the same, and the rest can be read.
        Ok(value.unwrap_or_else(|problem| {
            self.parsing.fault(start, problem);
            Value::Null
        }))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn word(&mut self) -> Result<Value, Stop> {
        let rest = &self.text[self.at..];
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let value = match &rest[..length] {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "" => return Err(self.wrong("a value")),
            _ => return Err(self.wrong("a value; strings stand in double quotes")),
        };
        self.at += length;
        Ok(value)
    }

    /// A string, from its opening quote past its closing one.
    fn string(&mut self) -> Result<String, Stop> {
        let open = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest: &'t str = &self.text[self.at..];
            let plain = rest.bytes().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len());
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                None => return Err(self.parsing.stop(open, "the string is not closed")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(b'\n' | b'\r') => {
                    return Err(self.parsing.stop(open, "the string is not closed on its line; write a break as \\n"));
                }
                Some(_) => {
                    return Err(self.wrong("no bare control character in a string (write \\t, or \\u and four digits)"));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Stop> {
        let start = self.at;
        let letter = self.text.as_bytes().get(start + 1).copied();
        self.at += 2;
        Ok(match letter {
            Some(letter @ (b'"' | b'\\' | b'/')) => char::from(letter),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(start),
            _ => {
                let allowed = "unknown escape; JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four digits";
                return Err(self.parsing.stop(start, allowed));
            }
        })
    }

    /// `\uXXXX`, or a pair of them that stands for one character beyond the first 65,536.
    fn unicode(&mut self, start: usize) -> Result<char, Stop> {
        let mut unit = self.hex(start)?;
        if (0xd800..0xdc00).contains(&unit) && self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let low = self.hex(start)?;
            if (0xdc00..0xe000).contains(&low) {
                unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            }
        }
        char::from_u32(unit).ok_or_else(|| self.parsing.stop(start, "the escape is half of a surrogate pair"))
    }

    fn hex(&mut self, start: usize) -> Result<u32, Stop> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else {
            return Err(self.parsing.stop(start, "\\u needs four hexadecimal digits"));
        };
        self.at += 4;
        Ok(digits.iter().fold(0, |sum, digit| sum * 16 + char::from(*digit).to_digit(16).unwrap_or(0)))
    }

    /// Steps past blanks; a comment is a fault of its own.
    fn space(&mut self) -> Result<(), Stop> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        let rest = &self.text[self.at..];
        if rest.starts_with('#') || rest.starts_with("//") || rest.starts_with("/*") {
            return Err(self.parsing.stop(self.at, "JSON has no comments; YAML and TOML do"));
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn wrong(&mut self, expected: &str) -> Stop {
        let found = match self.text[self.at..].chars().next() {
            None => "the file ends".to_owned(),
            Some(found) => format!("found {found:?}"),
        };
        self.parsing.stop(self.at, format!("JSON syntax: {found}; expected {expected}"))
    }
}
