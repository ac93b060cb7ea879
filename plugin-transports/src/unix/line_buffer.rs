//! Cuts what arrives on a connection into lines, in bounded memory.

use bytes::{Bytes, BytesMut};

/// How much is read at once, of a line that has begun and of one that has not: most are short, and most connections idle.
const CHUNK: usize = 64 << 10;
const FIRST: usize = 4 << 10;

/// A line has more bytes than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Collects what arrives, and hands it out by lines. It holds the longest line and one chunk at most.
#[derive(Debug)]
pub(super) struct LineBuffer {
    buffer: BytesMut,
    /// Bytes at the front of `buffer` that are known to hold no line feed.
    searched: usize,
    limit: usize,
}

impl LineBuffer {
    pub(super) fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), searched: 0, limit }
    }

    /// The buffer to read into, which has room.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        let least = if self.buffer.is_empty() { FIRST } else { CHUNK };
        if self.buffer.capacity() - self.buffer.len() < least / 8 {
            self.buffer.reserve(least);
        }
        &mut self.buffer
    }

    /// The next line, without its line feed, when all of it has come.
    pub(super) fn next_line(&mut self) -> Result<Option<Bytes>, TooLong> {
        let Some(end) = self.line_feed() else {
            return if self.buffer.len() > self.limit { Err(TooLong) } else { Ok(None) };
        };
        if end > self.limit {
            return Err(TooLong);
        }
        let mut line = self.buffer.split_to(end + 1);
        line.truncate(end);
        self.searched = 0;
        Ok(Some(line.freeze()))
    }

    /// Whether the next line has come to its end, or is too long.
    pub(super) fn has_line(&mut self) -> bool {
        self.line_feed().is_some() || self.buffer.len() > self.limit
    }

    /// The next line as it stands there, when all of it has come.
    pub(super) fn peek_line(&mut self) -> Option<&[u8]> {
        self.line_feed().map(|end| &self.buffer[..end])
    }

    /// What has come of lines that were not taken.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// What came behind the last line feed, when no more will.
    pub(super) fn rest(&mut self) -> Bytes {
        self.searched = 0;
        self.buffer.split().freeze()
    }

    fn line_feed(&mut self) -> Option<usize> {
        let found = memchr::memchr(b'\n', &self.buffer[self.searched..]).map(|at| self.searched + at);
        self.searched = found.unwrap_or(self.buffer.len());
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines of these pieces, up to one that is too long.
    fn lines<'a>(limit: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Bytes>, bool) {
        let mut buffer = LineBuffer::new(limit);
        let mut seen = Vec::new();
        for piece in pieces {
            buffer.room().extend_from_slice(piece);
            loop {
                let has_line = buffer.has_line();
                match buffer.next_line() {
                    Ok(Some(line)) => seen.push(line),
                    Ok(None) => {
                        assert!(!has_line);
                        break;
                    }
                    Err(TooLong) => return (seen, true),
                }
                assert!(has_line);
            }
        }
        (seen, false)
    }

    #[test]
    fn a_line_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
        assert_eq!(lines(4, [&b"abcd\nab"[..], b"cd\n"]), (vec!["abcd".into(), "abcd".into()], false));
        assert_eq!(lines(4, [&b"abcd\nabcde\n"[..]]), (vec!["abcd".into()], true));
        assert_eq!(lines(4, [&b"abcd"[..]]), (vec![], false));
        assert_eq!(lines(4, [&b"abcde"[..]]), (vec![], true), "though it has no end yet");
    }

    #[test]
    fn what_stands_behind_the_last_line_feed_is_left() {
        let mut buffer = LineBuffer::new(10);
        buffer.room().extend_from_slice(b"a\nbc");
        assert_eq!(buffer.next_line(), Ok(Some("a".into())));
        assert_eq!((buffer.next_line(), buffer.bytes()), (Ok(None), &b"bc"[..]));
        assert_eq!((buffer.rest(), buffer.rest()), ("bc".into(), Bytes::new()));
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_changes_nothing(
            input in prop::collection::vec(prop::sample::select(vec![b'a', b'b', b'\n']), 0..200),
            cut in 1_usize..9,
        ) {
            let cut: Vec<_> = input.chunks(cut).collect();
            let (seen, is_too_long) = lines(5, cut);
            let mut naive: Vec<_> = input.split(|byte| *byte == b'\n').collect();
            let rest = naive.pop().unwrap_or_default();
            let fit = naive.iter().take_while(|line| line.len() <= 5).count();
            prop_assert_eq!(is_too_long, fit < naive.len() || rest.len() > 5);
            prop_assert_eq!(seen, naive[..fit].to_vec());
        }
    }
}
