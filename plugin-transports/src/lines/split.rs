//! Cuts a stream of bytes into lines, in bounded memory.

use bytes::{Bytes, BytesMut};

use super::scan::{Found, Scanner};

/// The shortest that a line may be limited to, on either side: what any request has must fit.
pub(crate) const LEAST_LINE: usize = 1 << 10;

/// How much is read at once, and so how far a line may overshoot the limit before it is noticed.
const CHUNK: usize = 64 * 1024;

/// What is kept of a line that is too long: enough to show. Of plain text it is as much as the limit.
const HEAD: usize = 64;

/// One line, without its line feed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line within the limit.
    Whole(Bytes),
    /// A line over the limit: its beginning, and whose it is. The rest was read for that, and thrown away as it arrived. It
    /// may come a second time, with those alone that turned out to be lost with it.
    TooLong(Bytes, Found),
}

/// Collects what a reader delivers and hands it out by lines.
///
/// It never holds more than the limit and one chunk, however much arrives without a line feed.
#[derive(Debug)]
pub(crate) struct Lines {
    buffer: BytesMut,
    /// Bytes at the front of `buffer` that are known to hold no line feed.
    searched: usize,
    limit: usize,
    /// Lines have ids, and one that is too long is read for its own.
    has_ids: bool,
    skip: Option<Skip>,
}

/// A line that is too long while it arrives.
#[derive(Debug)]
struct Skip {
    /// Bytes thrown away of it.
    bytes: u64,
    head: Bytes,
    scanner: Scanner,
    /// It was handed out.
    told: bool,
}

impl Skip {
    fn new() -> Self {
        Self { bytes: 0, head: Bytes::new(), scanner: Scanner::default(), told: false }
    }

    /// Reads on, to the end of the line when it has `ended`. It is handed out as soon as it is certain whose it is; what is
    /// lost with it is known at its end.
    fn read(&mut self, bytes: &[u8], ended: bool, has_ids: bool, kept: usize) -> Option<Line> {
        if self.bytes == 0 {
            self.head = Bytes::copy_from_slice(&bytes[..bytes.len().min(kept)]);
        }
        self.bytes += bytes.len() as u64;
        if !has_ids {
            let first = !std::mem::replace(&mut self.told, true);
            return first.then(|| Line::TooLong(self.head.clone(), Found::default()));
        }
        self.scanner.read(bytes);
        let told = self.told;
        if !ended {
            self.told |= self.scanner.is_certain();
        }
        if !ended && self.told == told {
            return None;
        }
        let found = self.scanner.clone().end();
        let found = match (ended, told) {
            (true, false) => found,
            (true, true) if found.others.is_empty() => return None,
            (true, true) => Found { reply: None, ..found },
            (false, _) => Found { others: Vec::new(), ..found },
        };
        Some(Line::TooLong(self.head.clone(), found))
    }
}

impl Lines {
    pub(crate) fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), searched: 0, limit, has_ids: true, skip: None }
    }

    /// Lines of plain text: one that is too long is handed out as soon as it is.
    #[cfg(all(feature = "process", target_os = "linux"))]
    pub(crate) fn of_text(limit: usize) -> Self {
        Self { has_ids: false, ..Self::new(limit) }
    }

    /// The buffer to read into: it has room for one chunk.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        // Reserving only when little is left keeps a stream of short lines in one allocation.
        if self.buffer.capacity() - self.buffer.len() < CHUNK / 8 {
            self.buffer.reserve(CHUNK);
        }
        &mut self.buffer
    }

    /// The next line that is complete, or known to be too long and whose.
    pub(crate) fn next_line(&mut self) -> Option<Line> {
        loop {
            let found = memchr::memchr(b'\n', &self.buffer[self.searched..]).map(|at| self.searched + at);
            let too_long = match found {
                Some(end) => self.skip.is_some() || end > self.limit,
                None => self.skip.is_some() || self.buffer.len() > self.limit,
            };
            if !too_long {
                if found.is_none() {
                    self.searched = self.buffer.len();
                }
                return found.map(|end| Line::Whole(self.take(end).freeze()));
            }
            let skip = self.skip.get_or_insert_with(Skip::new);
            let read = &self.buffer[..found.unwrap_or(self.buffer.len())];
            let kept = if self.has_ids { HEAD } else { self.limit };
            let line = skip.read(read, found.is_some(), self.has_ids, kept);
            match found {
                Some(end) => {
                    self.skip = None;
                    let _ = self.take(end);
                }
                None => {
                    self.buffer.clear();
                    self.searched = 0;
                }
            }
            if line.is_some() || found.is_none() {
                return line;
            }
        }
    }

    /// How much has been thrown away of a line that still has not ended.
    #[cfg(any(test, all(feature = "process", target_os = "linux")))]
    pub(crate) fn skipped(&self) -> u64 {
        self.skip.as_ref().map_or(0, |skip| skip.bytes)
    }

    /// What came after the last line feed, when the stream has ended.
    #[cfg(any(test, all(feature = "process", target_os = "linux")))]
    pub(crate) fn rest(&mut self) -> Option<Bytes> {
        self.searched = 0;
        let rest = self.buffer.split().freeze();
        (!rest.is_empty() && self.skip.is_none()).then_some(rest)
    }

    fn take(&mut self, end: usize) -> BytesMut {
        let mut line = self.buffer.split_to(end + 1);
        line.truncate(end);
        self.searched = 0;
        line
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed(lines: &mut Lines, bytes: &[u8]) -> Vec<Line> {
        let mut seen = Vec::new();
        for chunk in bytes.chunks(CHUNK) {
            lines.room().extend_from_slice(chunk);
            while let Some(line) = lines.next_line() {
                seen.push(line);
            }
        }
        seen
    }

    #[test]
    fn a_line_may_arrive_in_pieces_and_many_may_arrive_at_once() {
        let mut lines = Lines::new(10);
        assert_eq!(feed(&mut lines, b"ab"), []);
        assert_eq!(feed(&mut lines, b"c\n\nde\nf"), [whole("abc"), whole(""), whole("de")]);
        assert_eq!(lines.rest().as_deref(), Some(b"f".as_slice()));
    }

    #[test]
    fn a_line_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
        let mut lines = Lines::new(4);
        assert_eq!(feed(&mut lines, b"abcd\nabcde\nok\n"), [whole("abcd"), long("abcde"), whole("ok")]);
    }

    #[test]
    fn sixty_four_mebibytes_without_a_line_feed_stay_in_bounded_memory() {
        let mut lines = Lines::new(1024 * 1024);
        let chunk = vec![b'x'; CHUNK];
        let mut seen = 0;
        for _ in 0..1024 {
            lines.room().extend_from_slice(&chunk);
            while let Some(line) = lines.next_line() {
                assert!(matches!(line, Line::TooLong(..)));
                seen += 1;
            }
            assert!(lines.buffer.capacity() <= 3 * 1024 * 1024, "{}", lines.buffer.capacity());
        }
        assert_eq!((seen, lines.skipped()), (0, 64 << 20));
        assert!(lines.skip.as_ref().is_some_and(|skip| skip.head.len() == HEAD));
        assert_eq!(feed(&mut lines, b"x\nnext\n").len(), 2);
        assert_eq!(lines.skipped(), 0);
    }

    #[test]
    fn whose_a_long_line_is_is_told_as_soon_as_it_is_certain_and_at_its_end_at_the_latest() {
        let id = Some(crate::lines::scan::Id::Text(0x2_0001));
        let is = |lines: &[Line]| matches!(lines, [Line::TooLong(_, found)] if found.id == id);
        let mut lines = Lines::new(64);
        let filler = "x".repeat(5 << 20);
        assert_eq!(feed(&mut lines, format!("{{\"result\":\"{filler}\",\"i").as_bytes()), []);
        assert!(is(&feed(&mut lines, b"d\":\"0000000000020001\"}\n")));
        assert!(is(&feed(&mut lines, format!("{{\"id\":\"0000000000020001\",\"result\":\"{filler}").as_bytes())));
        assert_eq!(feed(&mut lines, b"\"}\nnext\n"), [whole("next")], "told once");
        // Half of a long one, and the whole of the next.
        assert!(is(&feed(&mut lines, format!("{{\"id\":\"0000000000020001\",\"result\":\"{filler}").as_bytes())));
        let next = feed(&mut lines, b"{\"id\":\"00000000000f0001\",\"result\":1}\n");
        let others = vec![crate::lines::scan::Id::Text(0xf_0001)];
        assert!(matches!(&next[..], [Line::TooLong(_, found)] if found.others == others && found.reply.is_none()));
    }

    #[test]
    fn what_is_shown_of_a_long_line_is_its_beginning_however_it_arrives() {
        let mut lines = Lines::new(64);
        let start = format!("{{\"result\":\"{}", "a".repeat(89));
        assert_eq!(feed(&mut lines, start.as_bytes()), []);
        assert_eq!(feed(&mut lines, "b".repeat(100).as_bytes()), []);
        let seen = feed(&mut lines, b"\",\"id\":\"0000000000020001\"}\n");
        assert!(matches!(&seen[..], [Line::TooLong(head, _)] if head[..] == start.as_bytes()[..HEAD]), "{seen:?}");
    }

    #[test]
    fn a_byte_is_searched_once_however_slowly_a_line_arrives() {
        let mut lines = Lines::new(100);
        assert_eq!(feed(&mut lines, b"slowly"), []);
        assert_eq!(lines.searched, 6);
        assert_eq!(feed(&mut lines, b" it\ncomes"), [whole("slowly it")]);
        assert_eq!(lines.searched, 5);
    }

    #[cfg(all(feature = "process", target_os = "linux"))]
    #[test]
    fn a_long_line_of_plain_text_is_told_as_soon_as_it_is_too_long() {
        let mut lines = Lines::of_text(4);
        assert_eq!(feed(&mut lines, b"abcdef"), [long("abcd")], "as much is kept as the limit");
        assert_eq!(feed(&mut lines, b"gh\nok\n"), [whole("ok")]);
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_changes_nothing(
            input in prop::collection::vec(prop::sample::select(vec![b'a', b'b', b'\n']), 0..200),
            cuts in prop::collection::vec(1_usize..9, 1..200),
        ) {
            let mut lines = Lines::new(5);
            let (mut seen, mut rest) = (Vec::new(), input.as_slice());
            for cut in cuts.into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at(cut.min(rest.len()));
                seen.extend(feed(&mut lines, now));
                rest = later;
            }
            let naive: Vec<_> = input.split(|byte| *byte == b'\n').collect();
            let ended = &naive[..naive.len() - 1];
            let whole = |line: &Line| match line {
                Line::Whole(text) => Some(text.to_vec()),
                Line::TooLong(..) => None,
            };
            let expected: Vec<_> =
                ended.iter().map(|line| (line.len() <= 5).then(|| line.to_vec())).collect();
            prop_assert_eq!(seen.len(), expected.len());
            for (seen, expected) in seen.iter().zip(&expected) {
                prop_assert_eq!(&whole(seen), expected);
            }
        }
    }

    fn whole(text: &'static str) -> Line {
        Line::Whole(Bytes::from_static(text.as_bytes()))
    }

    fn long(text: &'static str) -> Line {
        Line::TooLong(Bytes::from_static(text.as_bytes()), Found::default())
    }
}
