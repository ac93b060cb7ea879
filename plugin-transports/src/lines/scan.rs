//! Finds the id in a line that cannot be read as a reply, byte by byte, in bounded memory.

/// What a line says of itself, however broken it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The id of the outermost object, or of whatever looks most like one.
    pub(crate) id: Option<Id>,
    /// The call whose reply the line is meant to be: that of an object which [is one](Keys::is_reply). After other text, as
    /// a log writes it, and in a list, it has to have a `result` or an `error`.
    pub(crate) reply: Option<Id>,
    /// The calls whose replies are lost with that one: those of further objects in the line, and, in a line that breaks off
    /// somewhere, which may be the half of one reply and the whole of the next, every other that is named.
    pub(crate) others: Vec<Id>,
}

/// So many other calls are lost with a line, at most.
const MOST_OTHERS: usize = 64;

/// An id as it stands in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    /// The digits that the host wrote.
    Text(u64),
    /// A number, or a text of decimal digits.
    Number { value: u64, quoted: bool },
}

/// The keys of an object, as far as they tell a reply from a line of a log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Keys {
    result: bool,
    error: bool,
    /// What loggers write, and no reply has.
    level: bool,
    /// The same, or what a request has.
    log: bool,
    /// Anything that the protocol does not have in a reply.
    other: bool,
}

impl Keys {
    /// Whether it is one that a reply may have.
    pub(crate) fn note(&mut self, key: &[u8]) -> bool {
        let is = |names: &[&str]| names.iter().any(|name| key.eq_ignore_ascii_case(name.as_bytes()));
        match () {
            () if is(&["result"]) => self.result = true,
            () if is(&["error"]) => self.error = true,
            () if is(&["id", "code", "metadata", "retryable", "retry_after_ms"]) => {}
            () => {
                self.other = true;
                self.log |= is(&["level", "lvl", "severity", "levelname", "method", "msg", "ts", "time", "timestamp"]);
                self.level |= is(&["level", "lvl", "severity", "levelname"]);
                return false;
            }
        }
        true
    }

    /// Whether an object with these keys and the id of a call is its reply, or was meant to be: it has a `result`, or an
    /// `error` without being a line of a log, or neither and nothing of what a log and a request have.
    pub(crate) fn is_reply(self) -> bool {
        self.result || (self.error && !self.level) || (!self.error && !self.log)
    }

    /// Whether it has something that no reply has in the place of what each has. Nothing but an id is how some encoders write
    /// a result that is null.
    #[cfg(any(test, all(feature = "process", target_os = "linux")))]
    pub(crate) fn lacks_answer(self) -> bool {
        self.other && !self.has_answer()
    }

    fn has_answer(self) -> bool {
        self.result || self.error
    }
}

/// The longest word that matters: the digits of an id with `0x` before them, or those of the largest number.
const WORD: usize = 20;

/// Reads a line, whole or in pieces.
///
/// An id is the word `id`, in any case and in any quotes or none, a colon, and its digits: so `{'id': '…'}`, which
/// Python's `print` writes, and `{ id: '…' }`, which a console writes, have one too. The key of the outermost object, in a
/// list or not, wins over what stands further in or within a text. Escapes in a text are read, and so is UTF-16, whose
/// zero bytes are skipped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scanner {
    depth: u32,
    in_text: bool,
    escape: Escape,
    /// The outermost of what is open is a list.
    in_list: bool,
    /// The last byte before the word that is being read, and whether it was escaped, as it is in JSON within a text.
    before: u8,
    before_escaped: bool,
    word: [u8; WORD],
    /// Longer than `WORD` when the word does not fit.
    length: usize,
    key: ReplyKey,
    outer: Option<Id>,
    inner: Option<Id>,
    /// Whether the line begins with an object, once anything but blanks and a byte order mark has been read.
    begins: Option<bool>,
    /// What the present outermost object has.
    here: (Option<Id>, Keys),
    /// What the first outermost object had, once it has ended.
    first: Option<Keys>,
    /// The ids of the outermost objects that have a `result` or an `error` beside it.
    answered: Vec<(Id, Keys)>,
    /// Every id under a key that is in quotation marks, but not in JSON within a text.
    seen: Vec<Id>,
}

/// What some editors and shells write before text.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The same in UTF-16, of either order.
const WIDE_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// Whether these bytes are text of two bytes a character, or begin with its mark.
#[cfg(all(feature = "process", target_os = "linux"))]
pub(super) fn is_wide(line: &[u8]) -> bool {
    WIDE_MARKS.iter().any(|mark| line.starts_with(mark)) || line.iter().take(4).any(|byte| *byte == 0)
}

#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    None,
    /// After a backslash.
    Begun,
    /// After `\u`: so many digits, and their value.
    Code(u8, u32),
}

#[derive(Clone, Copy, Debug, Default)]
enum ReplyKey {
    #[default]
    None,
    /// A word that may be a key; `outer` when it is the whole of one of the outermost object, `closed` by a quotation mark.
    Read { length: usize, outer: bool, closed: bool },
    /// The colon after the key `id`.
    Colon { outer: bool, closed: bool, quoted: bool },
}

impl Scanner {
    /// What the whole line says.
    pub(crate) fn line(line: &[u8]) -> Found {
        let mut scanner = Self::default();
        scanner.read(line);
        scanner.end()
    }

    /// Reads on.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while let [byte, rest @ ..] = bytes {
            self.byte(*byte);
            bytes = rest;
            // The rest of a word that matters no more; zero bytes are none of it, nor is what an escape begins.
            if self.length > WORD && matches!(self.escape, Escape::None) {
                bytes = &rest[rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len())..];
            }
        }
    }

    /// Whether it is known whose reply this is: nothing that follows changes it.
    pub(crate) fn is_certain(&self) -> bool {
        // An error may still turn out to be that of a log.
        let answered = self.answered.first().copied().or(self.here.0.map(|id| (id, self.here.1)));
        answered.is_some_and(|(_, keys)| keys.result)
    }

    /// The line has ended.
    pub(crate) fn end(mut self) -> Found {
        self.mark(b'\n', false);
        let id = self.outer.or(self.inner);
        let first = self.first.unwrap_or(self.here.1);
        let breaks_off = self.in_text || self.depth > 0;
        // One that has not ended.
        self.end_object();
        let replies = self.answered.iter().filter(|(_, keys)| keys.is_reply()).map(|(id, _)| *id);
        let reply = match self.answered.first() {
            Some((id, keys)) => keys.is_reply().then_some(*id),
            None if self.begins == Some(true) => id.filter(|_| first.is_reply()),
            None => None,
        };
        let mut others: Vec<_> = replies.collect();
        if breaks_off && reply.is_some() {
            others.extend(self.seen);
        }
        others.retain(|other| Some(*other) != reply);
        Found { id, reply, others }
    }

    /// Takes escapes out of a text: what they stand for is part of a word, or ends it like a blank.
    fn byte(&mut self, byte: u8) {
        // Every other byte of plain text in UTF-16.
        if byte == 0 {
            return;
        }
        match std::mem::take(&mut self.escape) {
            Escape::None if byte == b'\\' && self.in_text => self.escape = Escape::Begun,
            Escape::None => self.plain(byte),
            Escape::Begun if byte == b'u' => self.escape = Escape::Code(0, 0),
            Escape::Begun if byte.is_ascii_alphabetic() => self.mark(b' ', true),
            // A quotation mark that ends no text, or a backslash.
            Escape::Begun => {
                self.mark(b'\\', true);
                self.mark(byte, true);
            }
            Escape::Code(digits, value) => match char::from(byte).to_digit(16) {
                Some(digit) if digits < 3 => self.escape = Escape::Code(digits + 1, value << 4 | digit),
                Some(digit) => match u8::try_from(value << 4 | digit) {
                    Ok(plain) if is_word(plain) => self.plain(plain),
                    _ => self.mark(b' ', true),
                },
                None => self.plain(byte),
            },
        }
    }

    fn plain(&mut self, byte: u8) {
        if !is_word(byte) {
            return self.mark(byte, false);
        }
        if self.length < WORD {
            self.word[self.length] = byte;
        }
        self.length = (self.length + 1).min(WORD + 1);
    }

    /// What is no part of a word; `escaped` when it is one in a text, and says nothing of where that ends.
    fn mark(&mut self, byte: u8, escaped: bool) {
        if self.length > 0 {
            self.end_word(byte);
            self.length = 0;
        }
        self.punctuation(byte, escaped);
        self.before = byte;
        self.before_escaped = escaped;
    }

    fn end_word(&mut self, after: u8) {
        let word = self.word.get(..self.length).unwrap_or_default();
        if word != BYTE_ORDER_MARK && !WIDE_MARKS.contains(&word) {
            self.begins.get_or_insert(false);
        }
        self.key = match self.key {
            ReplyKey::Colon { outer, closed, quoted } => {
                if let Some(id) = read_id(word, quoted) {
                    let place = if outer { &mut self.outer } else { &mut self.inner };
                    place.get_or_insert(id);
                    if closed && !self.before_escaped && self.seen.len() < MOST_OTHERS && !self.seen.contains(&id) {
                        self.seen.push(id);
                    }
                    if outer {
                        self.here.0.get_or_insert(id);
                    }
                }
                ReplyKey::None
            }
            _ => {
                // The whole of a text, or outside of any.
                let alone = !self.in_text || (self.before == b'"' && after == b'"');
                ReplyKey::Read { length: word.len(), outer: alone && self.is_outermost(), closed: false }
            }
        };
    }

    /// Whether what is read belongs to an outermost object itself, and not to what is in it.
    fn is_outermost(&self) -> bool {
        self.depth == 1 + u32::from(self.in_list)
    }

    fn punctuation(&mut self, byte: u8, escaped: bool) {
        if !matches!(byte, b' ' | b'\t' | b'\r') {
            self.begins.get_or_insert(byte == b'{');
        }
        match byte {
            b'"' if !escaped => self.in_text = !self.in_text,
            b'{' | b'[' if !self.in_text => {
                self.in_list |= self.depth == 0 && byte == b'[';
                self.depth = self.depth.saturating_add(1);
            }
            b'}' | b']' if !self.in_text => {
                if byte == b'}' && self.is_outermost() {
                    self.end_object();
                }
                self.depth = self.depth.saturating_sub(1);
                self.in_list &= self.depth > 0;
            }
            _ => {}
        }
        self.key = match (self.key, byte) {
            (key, b' ' | b'\t' | b'\r' | b'\\') => key,
            (ReplyKey::Read { length, outer, .. }, b'"' | b'\'') => ReplyKey::Read { length, outer, closed: true },
            (ReplyKey::Read { length, outer, closed }, b':') => self.end_key(length, outer, closed),
            (_, b':') => self.end_key(0, true, false),
            // `["…"]` is how some write a text.
            (ReplyKey::Colon { quoted: false, .. }, b'[') => self.key,
            (ReplyKey::Colon { outer, closed, quoted: false }, b'"' | b'\'') => {
                ReplyKey::Colon { outer, closed, quoted: true }
            }
            _ => ReplyKey::None,
        };
    }

    /// The colon after a key, of which the last word was this long.
    fn end_key(&mut self, length: usize, outer: bool, closed: bool) -> ReplyKey {
        let word = self.word.get(..length).unwrap_or_default();
        if !self.in_text && self.is_outermost() {
            self.here.1.note(if outer { word } else { b"" });
        }
        if word.eq_ignore_ascii_case(b"id") { ReplyKey::Colon { outer, closed, quoted: false } } else { ReplyKey::None }
    }

    fn end_object(&mut self) {
        let (id, keys) = std::mem::take(&mut self.here);
        self.first.get_or_insert(keys);
        if let Some(id) = id.filter(|_| keys.has_answer() && self.answered.len() < MOST_OTHERS) {
            self.answered.push((id, keys));
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn read_id(word: &[u8], quoted: bool) -> Option<Id> {
    let text = std::str::from_utf8(word).ok()?;
    let text = text.strip_prefix("0x").unwrap_or(text);
    if text.len() == super::id::DIGITS && (quoted || text.bytes().any(|digit| digit.is_ascii_alphabetic())) {
        return u64::from_str_radix(text, 16).ok().map(Id::Text);
    }
    let value = text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())??;
    Some(Id::Number { value, quoted })
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
            // Brackets and quotation marks in a text open and close nothing.
            r#"{"result":"{","x":[{"id":"00000000000e0001"}],"id":"0000000000020001"}"#,
            r#"{"result":"}","x":{"id":"00000000000f0001"},"id":"0000000000020001"}"#,
            r#"{"result":"\u0022,id:00000000000f0001","id":"0000000000020001"}"#,
            r#"{"error":"no id: 00000000000f0001","ID":"0000000000020001"#,
            r#"{'id': '0000000000020001', 'result': None}"#,
            "{ id: '0000000000020001', result: undefined }",
            r#"loading... {"id":"0000000000020001","result":1}"#,
            r#"{"result":"5" tall","id":"0000000000020001"}"#,
            r#"{"id":"0000000000020001"#,
            r#"{"Id":"0000000000020001"}"#,
            r#"{"id":"0000000000020001","metadata":{"took_ms":"5"},"code":"a: b"}"#,
            // The last word of another key is none.
            r#"{"my id":"00000000000f0001","id":"0000000000020001"}"#,
            r#"{"id":"0000000000020001","my level":"high","error":NaN}"#,
            // An escape behind a long word is one.
            r#"{"result":"0123456789abcdef01234\n","x":{"id":"00000000000f0001"},"id":"0000000000020001"}"#,
            r#"{"result":"0123456789abcdef01234\u0022","x":{"id":"00000000000f0001"},"id":"0000000000020001"}"#,
            // What breaks an escape off ends its text all the same.
            r#"{"result":"\u0","x":{"id":"00000000000f0001"},"id":"0000000000020001"}"#,
        ] {
            assert_eq!(Scanner::line(line.as_bytes()), Found { id: SOME, reply: SOME, ..Found::default() }, "{line}");
        }
        assert_eq!(id_of(r#""{\n\"id\":\t\"0000000000020001\"}""#), SOME, "white space in a text, as an escape");
        assert_eq!(id_of("{id: 00000000000f0001}"), Some(Id::Text(0xf_0001)), "with a letter it is no number");
        for swapped in [false, true] {
            let units = "\u{feff}{\"id\":\"0000000000020001\"}".encode_utf16();
            let bytes = units.flat_map(|unit| if swapped { unit.to_be_bytes() } else { unit.to_le_bytes() });
            assert_eq!(Scanner::line(&bytes.collect::<Vec<_>>()).reply, SOME, "the mark is no text before it");
        }
        let number = |quoted| Some(Id::Number { value: 0x2_0001, quoted });
        assert_eq!((id_of("{\"id\":131073}"), id_of("{\"id\":\"131073\"}")), (number(false), number(true)));
        assert_eq!(
            id_of(r#"{"id":2814749767106560}"#),
            Some(Id::Number { value: 2_814_749_767_106_560, quoted: false })
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
            r#"{"_id":"0000000000020001"}"#,
            r#"{"\u0169d":"0000000000020001"}"#,
            // Its first twenty digits would be one.
            r#"{"id":"000000000000001310730"}"#,
        ] {
            assert_eq!(id_of(line), None, "{line}");
        }
        for line in [
            r#"{"id":"0000000000020001","method":"execute","payload":1}"#,
            r#"got {"method": "execute", "id":"0000000000020001"}"#,
            "{'id': '0000000000020001', 'method': 'execute'}",
        ] {
            assert_eq!(Scanner::line(line.as_bytes()), Found { id: SOME, ..Found::default() }, "{line}");
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
            r#"{"id":"0000000000020001","of":{},"level":"info"}"#,
            r#"{"id":"0000000000020001","Level":"ERROR","error":NaN}"#,
            r#"{"level":"info","id":"0000000000020001"} {"size":1}"#,
        ] {
            assert_eq!(Scanner::line(line.as_bytes()), Found { id: SOME, ..Found::default() }, "{line}");
        }
        for line in [
            "\u{feff} {\"id\":\"0000000000020001\"",
            r#"[INFO] done {"error":"no","id":"0000000000020001"}"#,
            r#"[INFO] done {"error":"no","id":"0000000000020001""#,
            r#"{"id":"0000000000020001"} {"level":"info"}"#,
            r#"after {"id":"00000000000f0001"} comes {"id":"0000000000020001","result":1}"#,
            r#"[{"id":"00000000000f0001"},{"id":"0000000000020001","result":1}]"#,
        ] {
            assert_eq!(Scanner::line(line.as_bytes()).reply, SOME, "{line}");
        }
    }

    #[test]
    fn every_reply_that_is_lost_with_a_line_is_found_and_no_call_that_it_only_mentions() {
        let others = |line: &str| Scanner::line(line.as_bytes()).others;
        let other = [Id::Text(0xf_0001)];
        for line in [
            r#"{"id":"0000000000020001","result":"abc{"id": "00000000000f0001", "result": 1}"#,
            r#"{"id":"0000000000020001","result":[1,{"a":{"result":1,"id":"00000000000f0001"}"#,
            r#"{"id":"0000000000020001","res{"id": "00000000000f0001", "result": NaN}"#,
            r#"{"id":"0000000000020001","error":"{"error":"no","id":"00000000000f0001"}"#,
            r#"{"id":"0000000000020001","result":1}{"id":"00000000000f0001","result":2}"#,
            r#"{"id":"0000000000020001","result":1} {"level":"info","id":"00000000000e0001"} {"id":"00000000000f0001","error":""}"#,
            r#"{"id":"0000000000020001","result":1} {"level":"error","id":"00000000000e0001","error":""} {"id":"00000000000f0001","error":""}"#,
            r#"{"id":"0000000000020001","result":[{"id":"00000000000f0001"},{"id":"00000000000f0001"}"#,
            r#"{"id":"0000000000020001","result":1} "id":"00000000000f0001"#,
        ] {
            assert_eq!(Scanner::line(line.as_bytes()).reply, SOME, "{line}");
            assert_eq!(others(line), other, "{line}");
        }
        // The half of a reply that has no id yet is nobody's, and the next one is found.
        assert_eq!(Scanner::line(br#"{"result":"abc{"id":"0000000000020001","result":1}"#).reply, SOME);
        for line in [
            r#"{"id":"0000000000020001","result":{"id":"00000000000f0001"},"x":NaN}"#,
            r#"{"id":"0000000000020001","result":"{\"id\":\"00000000000f0001\"","x":NaN"#,
            r#"{"level":"info","id":"0000000000020001","of":{"id":"00000000000f0001"#,
            r#"[INFO] {"id":"0000000000020001","payload":{"id":"00000000000f0001"#,
        ] {
            assert_eq!(others(line), [], "{line}");
        }
        let many: String = (1..1000).map(|n| format!("{{\"id\":\"{n:016x}\",\"result\":")).collect();
        assert!(others(&many).len() <= 2 * MOST_OTHERS);
        let many: String = (1..1000).map(|n| format!("{{\"id\":\"{n:016x}\",\"result\":1}}")).collect();
        assert_eq!(others(&many).len(), MOST_OTHERS - 1, "and the first");
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
