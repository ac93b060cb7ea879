//! `JSON {"cpu_utilization": 0.3}`, under the names of the message or those that Protocol Buffers make of them in JSON.

use super::report::{Field, LoadReport};

/// What stands in a member of the object.
enum Member<'t> {
    /// A number, or a text without its quotes, which a number may stand in.
    Scalar(&'t str),
    /// An object or a list, which no number that is read stands in.
    Nested,
}

pub(super) fn read(text: &str) -> Option<LoadReport> {
    let mut rest = Rest(text);
    rest.take('{')?;
    let mut report = LoadReport::new();
    if rest.take('}').is_none() {
        loop {
            let name = rest.string()?;
            rest.take(':')?;
            let member = rest.member()?;
            if let Some(field) = Field::named(name) {
                let Member::Scalar(value) = member else { return None };
                report = report.with(field, value.parse().ok()?)?;
            }
            if rest.take('}').is_some() {
                break;
            }
            rest.take(',')?;
        }
    }
    rest.0.trim_start().is_empty().then_some(report)
}

/// What is still to be read.
struct Rest<'t>(&'t str);

impl<'t> Rest<'t> {
    fn take(&mut self, sign: char) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(sign)?;
        Some(())
    }

    /// A text as it is written: what is escaped in it is no name that is looked for.
    fn string(&mut self) -> Option<&'t str> {
        self.take('"')?;
        let mut escaped = false;
        let end = self.0.bytes().position(|byte| {
            let is_end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            is_end
        })?;
        let (text, rest) = (self.0.get(..end)?, self.0.get(end + 1..)?);
        self.0 = rest;
        Some(text)
    }

    fn member(&mut self) -> Option<Member<'t>> {
        self.0 = self.0.trim_start();
        match self.0.bytes().next()? {
            b'"' => self.string().map(Member::Scalar),
            b'{' | b'[' => self.nested().map(|()| Member::Nested),
            _ => {
                let end = self.0.find([',', '}', ']', '{', '[', '"'])?;
                let (value, rest) = self.0.split_at(end);
                self.0 = rest;
                Some(Member::Scalar(value.trim_end())).filter(|_| !value.is_empty())
            }
        }
    }

    /// Passes over an object or a list, whatever is in it.
    fn nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            let next = self.0.find(['{', '[', '}', ']', '"'])?;
            self.0 = self.0.get(next..)?;
            match self.0.bytes().next()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                _ => depth -= 1,
            }
            self.0 = self.0.get(1..)?;
            if depth == 0 {
                return Some(());
            }
        }
    }
}
