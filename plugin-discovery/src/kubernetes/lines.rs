//! Cuts what arrives of a watch into lines.

use bytes::{Buf, Bytes, BytesMut};

/// The longest line that is read. An object of Kubernetes is at most 1.5 MiB in its own store, which is denser than JSON.
pub(super) const LONGEST_LINE: usize = 8 * 1024 * 1024;

/// A line is longer than [`LONGEST_LINE`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// What has arrived and is not yet a whole line.
#[derive(Debug, Default)]
pub(super) struct Lines {
    open: BytesMut,
    /// How much of it is known to have no end of line, so that a long line is not searched again with each piece.
    seen: usize,
}

impl Lines {
    /// Takes what has arrived.
    pub(super) fn push(&mut self, piece: Bytes) {
        if self.open.is_empty() {
            self.open = BytesMut::from(piece);
            self.seen = 0;
        } else {
            self.open.extend_from_slice(&piece);
        }
    }

    /// Whether nothing but blanks is left.
    pub(super) fn is_empty(&self) -> bool {
        self.open.trim_ascii().is_empty()
    }

    /// The next whole line, without its end. Lines of blanks are skipped.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        loop {
            let unseen = self.open.get(self.seen..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', unseen).map(|at| self.seen + at) else {
                self.seen = self.open.len();
                return if self.seen > LONGEST_LINE { Err(TooLong) } else { Ok(None) };
            };
            if end > LONGEST_LINE {
                return Err(TooLong);
            }
            let line = self.open.split_to(end).freeze();
            self.open.advance(1);
            self.seen = 0;
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines) -> Vec<String> {
        std::iter::from_fn(|| lines.next().expect("short lines"))
            .map(|line| String::from_utf8(line.to_vec()).expect("text"))
            .collect()
    }

    #[test]
    fn lines_are_the_same_however_they_were_cut_on_the_way() {
        let text = b"{\"a\":1}\n\n  \r\n{\"b\":2}\n{\"c\"";
        for size in 1..=text.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for piece in text.chunks(size) {
                lines.push(Bytes::copy_from_slice(piece));
                found.extend(all(&mut lines));
            }
            assert_eq!(found, [r#"{"a":1}"#, r#"{"b":2}"#], "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused_at_its_bound() {
        let mut lines = Lines::default();
        let piece = Bytes::from(vec![b'x'; 1024 * 1024]);
        for _ in 0..8 {
            lines.push(piece.clone());
            assert_eq!(lines.next(), Ok(None));
        }
        lines.push(piece);
        assert_eq!(lines.next(), Err(TooLong));
    }
}
