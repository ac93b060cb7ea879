//! A connection that one call at a time has.

use std::io;

use bytes::{Buf, Bytes};
use plugin_core::Sent;
use rustix::{io::Errno, net::RecvFlags};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::UnixStream,
    sync::OwnedSemaphorePermit,
};

use super::super::{
    MAX_BLANK,
    line_buffer::{LineBuffer, TooLong},
};
use crate::net::{
    exclusive::Kept,
    spoken::{Heard, Spoken},
};

/// A connection, and its permit while it is in use: the socket is closed before the permit is free.
pub(super) struct LineConnection {
    stream: UnixStream,
    lines: LineBuffer,
    /// The id of the latest request. Whoever makes the ids of calls may give two the same.
    latest: String,
    /// It has been answered on it, in lines.
    speaks_lines: bool,
    permit: Option<OwnedSemaphorePermit>,
}

/// What came of reading an answer.
#[derive(Debug)]
pub(super) enum Came {
    Line(Bytes),
    /// The other side has closed the connection, with this read by then, which is no line. A document that is whole without its
    /// line feed is an answer to go-plugins.
    Ended(Bytes),
    TooLong,
    Broken(io::Error),
}

/// A request could not be written.
#[derive(Debug)]
pub(super) struct NotWritten {
    pub(super) error: io::Error,
    /// Whether a byte of it was.
    pub(super) sent: Sent,
}

impl LineConnection {
    pub(super) fn new(stream: UnixStream, max_line: usize, permit: OwnedSemaphorePermit) -> Self {
        let lines = LineBuffer::new(max_line);
        Self { stream, lines, latest: String::new(), speaks_lines: false, permit: Some(permit) }
    }

    /// It is used again.
    pub(super) fn again(mut self, permit: OwnedSemaphorePermit) -> Self {
        self.permit = Some(permit);
        self.speaks_lines = true;
        self
    }

    /// Whether it was answered on it before, in lines: what comes is of no other protocol then.
    pub(super) fn speaks_lines(&self) -> bool {
        self.speaks_lines
    }

    /// Whether a request with this id can be told from the latest one: a second answer to that must not be taken for one to
    /// this.
    pub(super) fn takes(&self, request_id: &str) -> bool {
        self.latest != request_id
    }

    /// Whether it is open, and nothing came that nobody asked for: an answer too many must not meet the next call. It is asked
    /// of the kernel itself, since the runtime may not have heard yet of what has happened. What was read behind an answer is for
    /// [`has_read_all`](Self::has_read_all), without which no connection is kept.
    pub(super) fn is_quiet(&self) -> bool {
        let mut byte = [0_u8; 1];
        let peeked = rustix::net::recv(&self.stream, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        peeked.err() == Some(Errno::AGAIN)
    }

    /// Whether nothing stands behind the answer that was read.
    pub(super) fn has_read_all(&self) -> bool {
        self.unread().is_empty()
    }

    /// Writes a request.
    pub(super) async fn write(&mut self, request_id: &str, line: impl Buf) -> Result<(), NotWritten> {
        self.latest.clear();
        self.latest.push_str(request_id);
        let (mut rest, mut sent) = (line, Sent::Nothing);
        while rest.has_remaining() {
            let error = match self.stream.write_buf(&mut rest).await {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(_) => {
                    sent = Sent::Maybe;
                    continue;
                }
                Err(error) => error,
            };
            return Err(NotWritten { error, sent });
        }
        Ok(())
    }

    /// What came and is no line yet.
    pub(super) fn unread(&self) -> &[u8] {
        self.lines.bytes()
    }

    /// Reads until something has come of the answer. `false`: a part of it was there before.
    pub(super) async fn begins(&mut self) -> bool {
        if !self.lines.bytes().is_empty() {
            return false;
        }
        // The end, and what is wrong, is found when more is read.
        let _ = self.stream.readable().await;
        true
    }

    /// Reads the answer.
    pub(super) async fn read(&mut self) -> Came {
        let mut blank = 0;
        loop {
            match self.lines.next_line() {
                // Between answers a plugin may write nothing but line feeds, and not without end.
                Ok(Some(line)) if blank < MAX_BLANK && line.trim_ascii().is_empty() => {
                    blank += 1;
                    continue;
                }
                Ok(Some(line)) => return Came::Line(line),
                Err(TooLong) => return Came::TooLong,
                Ok(None) => {}
            }
            match self.stream.read_buf(self.lines.room()).await {
                Ok(0) => return Came::Ended(self.lines.rest()),
                // Frames have no line feed that would end the wait for one.
                Ok(_) if !self.speaks_lines && is_of_frames(self.lines.bytes()) => {
                    return Came::Ended(self.lines.rest());
                }
                Ok(_) => {}
                Err(error) => return Came::Broken(error),
            }
        }
    }
}

fn is_of_frames(bytes: &[u8]) -> bool {
    matches!(Spoken::of(bytes), Heard::Spoken(Spoken::Http2 | Spoken::Tls))
}

impl Kept for LineConnection {
    /// Whether it has ended, or something came that nobody asked for, as far as the runtime has heard of it: which costs
    /// nothing where nothing has happened.
    fn is_closed(&self) -> bool {
        let quiet = self.stream.try_io(Interest::READABLE, || match self.is_quiet() {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => Ok(()),
        });
        quiet.is_ok()
    }

    fn release(&mut self) -> Option<OwnedSemaphorePermit> {
        self.permit.take()
    }
}
