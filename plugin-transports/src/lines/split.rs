//! Cuts a stream of bytes into lines, in bounded memory.

use bytes::{Bytes, BytesMut};

/// How much is read at once, and so how far a line may overshoot the limit before it is noticed.
const CHUNK: usize = 64 * 1024;

/// What is kept of a line that is too long: enough to find its id.
const HEAD: usize = 64;

/// One line, without its line feed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line within the limit.
    Whole(Bytes),
    /// A line over the limit. Only its beginning is kept; the rest is thrown away as it arrives.
    TooLong(Bytes),
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
    /// Bytes thrown away of the line that is being skipped.
    skipped: Option<u64>,
}

impl Lines {
    pub(crate) fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), searched: 0, limit, skipped: None }
    }

    /// The buffer to read into: it has room for one chunk.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        // Reserving only when little is left keeps a stream of short lines in one allocation.
        if self.buffer.capacity() - self.buffer.len() < CHUNK / 8 {
            self.buffer.reserve(CHUNK);
        }
        &mut self.buffer
    }

    /// The next line that is complete, or known to be too long.
    pub(crate) fn next_line(&mut self) -> Option<Line> {
        loop {
            let found = memchr::memchr(b'\n', &self.buffer[self.searched..]).map(|at| self.searched + at);
            if let Some(skipped) = &mut self.skipped {
                let Some(end) = found else {
                    *skipped += self.buffer.len() as u64;
                    self.buffer.clear();
                    return None;
                };
                let _ = self.take(end);
                self.skipped = None;
                continue;
            }
            return match found {
                Some(end) if end <= self.limit => Some(Line::Whole(self.take(end).freeze())),
                Some(end) => Some(Line::TooLong(head(&self.take(end)))),
                None if self.buffer.len() > self.limit => {
                    let head = head(&self.buffer);
                    self.skipped = Some(self.buffer.len() as u64);
                    self.buffer.clear();
                    self.searched = 0;
                    Some(Line::TooLong(head))
                }
                None => {
                    self.searched = self.buffer.len();
                    None
                }
            };
        }
    }

    /// How much has been thrown away of a line that still has not ended.
    #[cfg(any(test, all(feature = "process", target_os = "linux")))]
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped.unwrap_or(0)
    }

    /// What came after the last line feed, when the stream has ended.
    #[cfg(any(test, all(feature = "process", target_os = "linux")))]
    pub(crate) fn rest(&mut self) -> Option<Bytes> {
        self.searched = 0;
        let rest = self.buffer.split().freeze();
        (!rest.is_empty() && self.skipped.is_none()).then_some(rest)
    }

    fn take(&mut self, end: usize) -> BytesMut {
        let mut line = self.buffer.split_to(end + 1);
        line.truncate(end);
        self.searched = 0;
        line
    }
}

/// Copied, so that it does not keep the whole buffer alive.
fn head(line: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&line[..line.len().min(HEAD)])
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
    fn a_gibibyte_without_a_line_feed_stays_in_bounded_memory() {
        let mut lines = Lines::new(1024 * 1024);
        let chunk = vec![b'x'; CHUNK];
        let mut seen = 0;
        for _ in 0..16 * 1024 {
            lines.room().extend_from_slice(&chunk);
            while let Some(line) = lines.next_line() {
                assert!(matches!(line, Line::TooLong(head) if head.len() == HEAD));
                seen += 1;
            }
            assert!(lines.buffer.capacity() <= 3 * 1024 * 1024, "{}", lines.buffer.capacity());
        }
        assert_eq!((seen, lines.skipped()), (1, 1 << 30));
        assert_eq!(feed(&mut lines, b"x\nnext\n"), [whole("next")]);
        assert_eq!(lines.skipped(), 0);
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
                Line::TooLong(_) => None,
            };
            let expected: Vec<_> =
                ended.iter().map(|line| (line.len() <= 5).then(|| line.to_vec())).collect();
            // A line that is too long is reported as soon as it is, which may be before it has ended.
            let open = usize::from(naive.last().is_some_and(|last| last.len() > 5));
            prop_assert_eq!(seen.len(), expected.len() + open);
            for (seen, expected) in seen.iter().zip(&expected) {
                prop_assert_eq!(&whole(seen), expected);
            }
        }
    }

    fn whole(text: &'static str) -> Line {
        Line::Whole(Bytes::from_static(text.as_bytes()))
    }

    fn long(text: &'static str) -> Line {
        Line::TooLong(Bytes::from_static(text.as_bytes()))
    }
}
