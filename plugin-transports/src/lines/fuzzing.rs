//! The fuzz targets of the line protocol, as a host reads it.

use bytes::Bytes;
use plugin_core::on_one_line;

pub use super::serve::fuzzing::*;
use super::{
    codec::{self, Reply},
    scan::Scanner,
    split::{Line, Lines},
};
use crate::{fuzzing::MOST_SAID, json::Limits, wire::bounded::MAX_ERROR};

/// A line is a reply, is noise, or says of which call it is the broken reply and why, in a few words.
pub fn line_reply(bytes: &[u8]) {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let limits = Limits::new();
    match codec::decode(&Bytes::copy_from_slice(line), limits) {
        Reply::Answer(answer) => {
            assert!(Limits::none().check(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)).is_ok());
            match answer.result {
                Ok(json) => limits.check(&json).expect("it was accepted"),
                Err(fault) => assert!((1..=MAX_ERROR).contains(&fault.text.len())),
            }
        }
        Reply::Broken(found, why) => {
            assert!(found.reply.is_some());
            assert!((1..MOST_SAID).contains(&why.len()), "{} {why}", why.len());
        }
        Reply::LimitExceeded(..) | Reply::Noise => {}
    }
}

/// What a line is found to be does not depend on how it is cut, and it names a bounded number of calls. The first byte says
/// how long its pieces are.
pub fn line_scan(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let mut scanner = Scanner::default();
    bytes.chunks(usize::from(*size).max(1)).for_each(|piece| scanner.read(piece));
    let found = scanner.end();
    assert!(found.others.len() <= 128);
    assert_eq!(found, Scanner::line(bytes));
}

/// A stream is cut into its lines: those within the limit whole and in order, and never more is kept than the limit and what
/// was read at once. The first byte is the limit, the second says how long the pieces are.
pub fn line_split(bytes: &[u8]) {
    let [limit, size, bytes @ ..] = bytes else { return };
    let (limit, size) = (usize::from(*limit), usize::from(*size).max(1));
    for of_text in [false, true] {
        let mut lines = if of_text { Lines::of_text(limit) } else { Lines::new(limit) };
        let mut whole = Vec::new();
        let mut long = 0;
        for piece in bytes.chunks(size) {
            lines.room().extend_from_slice(piece);
            while let Some(line) = lines.next_line() {
                match line {
                    Line::Whole(line) => whole.push(line),
                    Line::TooLong(head, _) => {
                        long += 1;
                        assert!(head.len() <= limit.max(64));
                    }
                }
            }
            assert!(lines.room().len() <= limit, "what is kept");
        }
        let mut expected: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let rest = expected.pop().unwrap_or_default();
        let beyond = expected.iter().filter(|line| line.len() > limit).count();
        expected.retain(|line| line.len() <= limit);
        assert_eq!(whole, expected);
        // A long line with ids may be told a second time, for what is lost with it; one that has not ended, once.
        assert!((beyond..=2 * beyond + 1).contains(&long), "{beyond} {long}");
        let kept = if rest.len() > limit { None } else { Some(rest).filter(|rest| !rest.is_empty()) };
        assert_eq!(lines.rest().as_deref(), kept);
    }
}

/// What is shown of a plugin's text neither ends a line nor moves a cursor.
pub fn log_line(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let shown = on_one_line(&text);
    assert!(!shown.chars().any(|letter| letter.is_control() && letter != '\t'));
    assert_eq!(on_one_line(&shown), &*shown, "it is harmless by then");
}

#[cfg(test)]
fuzz_twins::twins!(line_reply, line_scan, line_split, log_line);
