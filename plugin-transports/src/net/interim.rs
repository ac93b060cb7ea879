//! Interim answers (1xx), of which a plugin may send as many as it likes before the final one.

use std::{error::Error, fmt, io, task::Context};

use plugin_core::{Code, PluginError, Sent};

use crate::net::tapped::{Tap, Tapped};

/// What a plugin may send of interim answers to one request. hyper reads over them for as long as they come.
const MAX_INTERIM: usize = 64 << 10;

/// A plugin's side of a connection of HTTP/1.1: reading ends with [`TooMany`] when interim answers do not end.
pub(crate) type BoundedInterim<I> = Tapped<I, FinalAnswer>;

/// The plugin sent interim answers and no final one.
#[derive(Debug)]
pub(crate) struct TooMany;

impl TooMany {
    /// The error of the call, when this is what ended its connection.
    pub(crate) fn behind(error: &hyper::Error) -> Option<PluginError> {
        let mut source = error.source();
        while let Some(cause) = source {
            let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if inner.is_some_and(|inner| inner.is::<Self>()) {
                return Some(PluginError::new(Code::HttpTransport, Self.to_string()).with_sent(Sent::Maybe));
            }
            source = cause.source();
        }
        None
    }
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the plugin sent more than {} KiB of interim answers (1xx), and no final one", MAX_INTERIM >> 10)
    }
}

impl Error for TooMany {}

impl<I> BoundedInterim<I> {
    pub(crate) fn new(inner: I) -> Self {
        Self { inner, tap: FinalAnswer::default() }
    }
}

/// How far the answer to the request that was written last has come.
#[derive(Debug, Default)]
pub(crate) struct FinalAnswer {
    place: ParsePlace,
    /// Bytes of interim answers so far.
    interim: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ParsePlace {
    /// Nothing of this head has come, but for line breaks.
    #[default]
    Start,
    /// In the status line, this many bytes before the first digit of its status.
    Version(u8),
    /// In an interim head; whether the line is empty so far.
    Interim { empty: bool },
    /// The final head has begun: the rest is bounded by whoever reads it.
    Final,
}

/// The length of `HTTP/1.1 `.
const VERSION: u8 = 9;

impl FinalAnswer {
    fn note(&mut self, bytes: &[u8]) -> Result<(), TooMany> {
        for byte in bytes {
            self.place = match (self.place, byte) {
                (ParsePlace::Final, _) => return Ok(()),
                (ParsePlace::Start, b'\r' | b'\n') => ParsePlace::Start,
                (ParsePlace::Start, _) => ParsePlace::Version(VERSION - 1),
                (ParsePlace::Version(0), b'1') => ParsePlace::Interim { empty: false },
                (ParsePlace::Version(0), _) => ParsePlace::Final,
                (ParsePlace::Version(left), _) => ParsePlace::Version(left - 1),
                (ParsePlace::Interim { empty: true }, b'\n') => ParsePlace::Start,
                (ParsePlace::Interim { .. }, b'\n') => ParsePlace::Interim { empty: true },
                (ParsePlace::Interim { empty }, b'\r') => ParsePlace::Interim { empty },
                (ParsePlace::Interim { .. }, _) => ParsePlace::Interim { empty: false },
            };
            self.interim += 1;
        }
        if self.interim > MAX_INTERIM { Err(TooMany) } else { Ok(()) }
    }
}

impl Tap for FinalAnswer {
    fn read(&mut self, _: &mut Context<'_>, _: usize, came: io::Result<&[u8]>) -> io::Result<()> {
        self.note(came?).map_err(io::Error::other)
    }

    /// A request goes out: the next bytes are the head of its answer. One that is still being written while its answer
    /// comes gets here too; then a body is looked at as a head, and is taken for a final one unless it looks like 1xx.
    fn write(&mut self) {
        if self.place == ParsePlace::Final {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

    #[test]
    fn interim_answers_are_counted_until_the_final_one_however_they_are_cut() {
        let hints = b"\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        let bytes = [CONTINUE, hints, b"HTTP/1.0 100 x\n\n", b"HTTP/1.1 200 OK\r\n\r\n"].concat();
        for size in 1..bytes.len() {
            let mut answer = FinalAnswer::default();
            for part in bytes.chunks(size) {
                answer.note(part).expect("few");
            }
            assert_eq!(answer.place, ParsePlace::Final, "{size}");
            // A body is none of its business, however long it is and whatever it looks like.
            answer.note(&CONTINUE.repeat(MAX_INTERIM)).expect("a body");
            answer.write();
            answer.note(CONTINUE).expect("few");
            assert_eq!(answer.interim, CONTINUE.len(), "the next request begins anew");
        }
    }

    #[test]
    fn interim_answers_without_end_and_one_that_does_not_end_are_too_many() {
        for part in [CONTINUE, b"HTTP/1.1 100 Continue\r\na: b\r\n", b"\n"] {
            let mut answer = FinalAnswer::default();
            let most = MAX_INTERIM / part.len();
            assert!((0..most).all(|_| answer.note(part).is_ok()), "{part:?}");
            assert!((0..2).any(|_| answer.note(part).is_err()), "{part:?}");
        }
    }
}
