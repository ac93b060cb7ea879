//! Finds whose reply a line is that cannot be read, byte by byte, in bounded memory.

/// What a line says of itself, however broken it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The id of the outermost object, or of whatever looks most like one.
    pub(crate) id: Option<Id>,
    /// The call whose reply the line is meant to be. A line that begins with an object is one when it names a call; after
    /// other text, as a log writes it, an object is one only when it has a `result` or an `error` beside the id.
    pub(crate) reply: Option<Id>,
}

/// An id as it stands in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    /// The digits that the host wrote.
    Text(u64),
    /// A number, or a text of another length. Who made a number of the digits may have read them as decimal ones.
    Number { value: u64, digits: u64, quoted: bool },
}

/// The longest word that matters: the digits of an id, or those of the largest number.
const WORD: usize = 20;

/// Reads a line, whole or in pieces.
///
/// An id is the word `id`, in any case and in any quotes or none, a colon, and its digits: so `{'id': '…'}`, which
/// Python's `print` writes, and `{ id: '…' }`, which a console writes, have one too. The key of the outermost object wins
/// over what stands further in or within a text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scanner {
    depth: u32,
    in_text: bool,
    escaped: bool,
    /// The last byte before the word that is being read.
    before: u8,
    word: [u8; WORD],
    /// Longer than `WORD` when the word does not fit.
    length: usize,
    key: Key,
    outer: Option<Id>,
    inner: Option<Id>,
    /// The outermost object has a `method`, as a request has: a plugin that logs what it reads.
    is_request: bool,
    /// Whether the line begins with an object, once anything but blanks and a byte order mark has been read.
    begins: Option<bool>,
    /// What the present outermost object has: its id, and a `result` or an `error`.
    here: (Option<Id>, bool),
    /// The id of an outermost object that has both.
    answered: Option<Id>,
}

/// What some editors and shells write before text.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[derive(Clone, Copy, Debug)]
enum Word {
    Id,
    Method,
    Answer,
}

#[derive(Clone, Copy, Debug, Default)]
enum Key {
    #[default]
    None,
    /// A word that may be a key; `outer` when it is one of the outermost object.
    Read { word: Word, outer: bool },
    /// The colon after the key `id`.
    Colon { outer: bool, quoted: bool },
}

impl Scanner {
    /// What the whole line says.
    pub(crate) fn line(line: &[u8]) -> Found {
        let mut scanner = Self::default();
        scanner.read(line);
        scanner.end()
    }

    /// Reads on.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.byte(*byte));
    }

    /// Whether it is known whose reply this is: nothing that follows changes it.
    pub(crate) fn is_certain(&self) -> bool {
        if self.begins == Some(true) { self.outer.is_some() } else { self.answered.is_some() }
    }

    /// The line has ended.
    pub(crate) fn end(mut self) -> Found {
        self.byte(b'\n');
        let id = self.outer.or(self.inner);
        let reply = if self.begins == Some(true) { id } else { self.answered };
        Found { id, reply: reply.filter(|_| !self.is_request) }
    }

    fn byte(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 {
            if self.length < WORD {
                self.word[self.length] = byte;
            }
            self.length = (self.length + 1).min(WORD + 1);
            self.escaped = false;
            return;
        }
        if self.length > 0 {
            self.end_word(byte);
            self.length = 0;
        }
        self.punctuation(byte);
        self.before = byte;
    }

    fn end_word(&mut self, after: u8) {
        let word = self.word.get(..self.length).unwrap_or_default();
        if word != BYTE_ORDER_MARK {
            self.begins.get_or_insert(false);
        }
        self.key = match self.key {
            Key::Colon { outer, quoted } => {
                if let Some(id) = read_id(word, quoted) {
                    let place = if outer { &mut self.outer } else { &mut self.inner };
                    place.get_or_insert(id);
                    if outer {
                        self.here.0 = Some(id);
                    }
                }
                Key::None
            }
            _ => {
                let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
                let word = match () {
                    () if is("id") => Some(Word::Id),
                    () if is("method") => Some(Word::Method),
                    () if is("result") || is("error") => Some(Word::Answer),
                    () => None,
                };
                // The whole of a text, or outside of any.
                let alone = !self.in_text || (self.before == b'"' && after == b'"');
                word.map_or(Key::None, |word| Key::Read { word, outer: alone && self.depth == 1 })
            }
        };
        self.beside();
    }

    fn beside(&mut self) {
        if let (Some(id), true) = self.here {
            self.answered.get_or_insert(id);
        }
    }

    fn punctuation(&mut self, byte: u8) {
        if !matches!(byte, b' ' | b'\t' | b'\r') {
            self.begins.get_or_insert(byte == b'{');
        }
        let escaped = std::mem::take(&mut self.escaped);
        match byte {
            b'"' if !escaped => self.in_text = !self.in_text,
            b'\\' if self.in_text => self.escaped = !escaped,
            b'{' | b'[' if !self.in_text => self.depth = self.depth.saturating_add(1),
            b'}' | b']' if !self.in_text => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.here = (None, false);
                }
            }
            _ => {}
        }
        self.key = match (self.key, byte) {
            (key, b' ' | b'\t' | b'\r' | b'\\') => key,
            (Key::Read { .. }, b'"' | b'\'') => self.key,
            (Key::Read { word: Word::Id, outer }, b':') => Key::Colon { outer, quoted: false },
            (Key::Read { word: Word::Method, outer }, b':') => {
                self.is_request |= outer;
                Key::None
            }
            (Key::Read { word: Word::Answer, outer }, b':') => {
                self.here.1 |= outer;
                self.beside();
                Key::None
            }
            (Key::Colon { outer, quoted: false }, b'"' | b'\'') => Key::Colon { outer, quoted: true },
            _ => Key::None,
        };
    }
}

fn read_id(word: &[u8], quoted: bool) -> Option<Id> {
    let text = std::str::from_utf8(word).ok()?;
    if text.len() == super::id::DIGITS && (quoted || text.bytes().any(|digit| digit.is_ascii_alphabetic())) {
        return u64::from_str_radix(text, 16).ok().map(Id::Text);
    }
    let value = text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())??;
    Some(Id::Number { value, digits: u64::from_str_radix(text, 16).unwrap_or(0), quoted })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id_of(line: &str) -> Option<Id> {
        Scanner::line(line.as_bytes()).id
    }

    const SOME: Option<Id> = Some(Id::Text(0x2_0001));

    #[test]
    fn an_id_is_found_wherever_it_is_and_however_it_is_quoted() {
        for line in [
            r#"{"id":"0000000000020001","result":NaN}"#,
            r#"{"result": 1, "id" : "0000000000020001"}"#,
            r#"{"result":{"id":"00000000000f0001","x":[{"id":"00000000000e0001"}]},"id":"0000000000020001"}"#,
            r#"{"result":"\"id\":\"00000000000f0001\"","id":"0000000000020001"}"#,
            r#"{"result":"\\","id":"0000000000020001"}"#,
            r#"{"error":"no id: 00000000000f0001","ID":"0000000000020001"#,
            r#"{'id': '0000000000020001', 'result': None}"#,
            "{ id: '0000000000020001', result: undefined }",
            r#"loading... {"id":"0000000000020001","result":1}"#,
            r#"{"result":"5" tall","id":"0000000000020001"}"#,
            r#"{"id":"0000000000020001"#,
            r#"{"Id":"0000000000020001"}"#,
        ] {
            assert_eq!(Scanner::line(line.as_bytes()), Found { id: SOME, reply: SOME }, "{line}");
        }
        let number = |quoted| Some(Id::Number { value: 0x2_0001, digits: 0x13_1073, quoted });
        assert_eq!((id_of("{\"id\":131073}"), id_of("{\"id\":\"131073\"}")), (number(false), number(true)));
        assert_eq!(
            id_of(r#"{"id":2814749767106560}"#),
            Some(Id::Number { value: 2_814_749_767_106_560, digits: 0x2814_7497_6710_6560, quoted: false })
        );
    }

    #[test]
    fn a_line_without_an_id_has_none_and_a_logged_request_is_known() {
        for line in [
            "",
            "hello",
            "{}",
            r#"{"id":null}"#,
            r#"{"id":"x"}"#,
            "paid: 0000000000020001",
            r#"{"idx":"0000000000020001"}"#,
        ] {
            assert_eq!(id_of(line), None, "{line}");
        }
        for line in [
            r#"{"id":"0000000000020001","method":"execute","payload":1}"#,
            r#"got {"method": "execute", "id":"0000000000020001"}"#,
            "{'id': '0000000000020001', 'method': 'execute'}",
        ] {
            assert_eq!(Scanner::line(line.as_bytes()), Found { id: SOME, reply: None }, "{line}");
        }
        let reply = br#"{"result":{"method":"GET"},"error":"method: none","id":"0000000000020001"}"#;
        assert_eq!(Scanner::line(reply).reply, SOME);
    }

    #[test]
    fn a_log_line_that_names_a_call_is_no_reply_to_it() {
        for line in [
            r#"handling {"id":"0000000000020001","size":123}"#,
            r#"[INFO] handling {"id":"0000000000020001","payload":{"error":null,"result":1}}"#,
            r#"handling {'id': '0000000000020001'} with {"result":1}"#,
            r#"error: {"id":"0000000000020001"} result: 1"#,
            r#"id: "0000000000020001", result: 1"#,
            r#""sending {\"id\":\"0000000000020001\",\"result\":1}""#,
        ] {
            assert_eq!(Scanner::line(line.as_bytes()), Found { id: SOME, reply: None }, "{line}");
        }
        for line in [
            "\u{feff} {\"id\":\"0000000000020001\"",
            r#"[INFO] done {"error":"no","id":"0000000000020001"}"#,
            r#"after {"id":"00000000000f0001"} comes {"id":"0000000000020001","result":1}"#,
        ] {
            assert_eq!(Scanner::line(line.as_bytes()).reply, SOME, "{line}");
        }
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_changes_nothing_and_none_is_too_strange(
            line in "[ -~\\x00-\\x1f\u{e9}]{0,80}|(\\{|\"id\"|'id'|:|\"0000000000020001\"|131073|\\\\|\"|,|\\}){0,12}",
            cut in 0_usize..80,
        ) {
            let bytes = line.as_bytes();
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let mut scanner = Scanner::default();
            scanner.read(first);
            scanner.read(second);
            prop_assert_eq!(scanner.end(), Scanner::line(bytes));
        }
    }
}
