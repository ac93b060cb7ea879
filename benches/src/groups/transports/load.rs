//! What is sent, and by how many at once.

use std::fmt::Write;

use bytes::Bytes;

/// The most that call at once.
pub(super) const MOST_CALLERS: usize = 64;

/// How many call at once, and with what.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) callers: usize,
    /// JSON, without a line feed.
    pub(super) sent: Bytes,
    /// The length of what comes back.
    pub(super) back: Option<usize>,
}

impl Load {
    pub(super) fn new(callers: usize, sent: String) -> Self {
        Self { callers, back: Some(sent.len()), sent: sent.into() }
    }

    /// The same calls as others write them on their wire; how long their answers are is for them to know.
    pub(super) fn written(&self, sent: String) -> Self {
        Self { callers: self.callers, sent: sent.into(), back: None }
    }

    /// The same calls by one caller.
    pub(super) fn of_one(&self) -> Self {
        Self { callers: 1, ..self.clone() }
    }

    /// The payload.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.sent).expect("JSON")
    }
}

/// An object of a hundred bytes.
pub(in crate::groups) fn small() -> String {
    let mut text =
        String::from(r#"{"id":7,"name":"a name of some length","tags":["one","two"],"amount":12.5,"note":""#);
    text += &"x".repeat(100 - 2 - text.len());
    text + "\"}"
}

/// Records, 64 KiB of them.
pub(in crate::groups) fn large() -> String {
    let mut text = String::from("[");
    while text.len() < 64 * 1024 - 200 {
        let id = text.len();
        write!(text, r#"{{"id":{id},"name":"record {id}","active":true,"score":0.25}},"#).expect("room in memory");
    }
    let rest = 64 * 1024 - text.len() - 3;
    text + "\"" + &"y".repeat(rest) + "\"]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_as_long_as_the_tables_say() {
        assert_eq!((small().len(), large().len()), (100, 65_536));
    }
}
