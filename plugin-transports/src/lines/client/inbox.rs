//! What the plugin writes, line by line.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

use super::{
    super::split::{Line, Lines},
    end::ConnectionEnd,
};

/// A line that goes on for this many times the limit is no line any more.
const ENDLESS: u64 = 16;

/// The reading end of a connection.
pub(super) struct Inbox {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    lines: Lines,
    endless: u64,
    /// What was read by who could not use it.
    left: Option<Result<Line, ConnectionEnd>>,
}

impl Inbox {
    pub(super) fn new(reader: impl AsyncRead + Send + Unpin + 'static, limit: usize) -> Self {
        Self { reader: Box::new(reader), lines: Lines::new(limit), endless: limit as u64 * ENDLESS, left: None }
    }

    /// The next line, or the end. Where there is none yet, the context's waker is woken when there may be.
    pub(super) fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Result<Line, ConnectionEnd>> {
        if let Some(left) = self.left.take() {
            return Poll::Ready(left);
        }
        loop {
            if let Some(line) = self.lines.next_line() {
                return Poll::Ready(Ok(line));
            }
            if self.lines.skipped() > self.endless {
                return Poll::Ready(Err(ConnectionEnd::Endless(self.lines.skipped())));
            }
            match ready!(poll_read_buf(Pin::new(&mut *self.reader), cx, self.lines.room())) {
                Ok(0) => return Poll::Ready(Err(ConnectionEnd::Eof)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(ConnectionEnd::Broken(error))),
            }
        }
    }

    /// Puts back what was read, for who reads next.
    pub(super) fn leave(&mut self, read: Result<Line, ConnectionEnd>) {
        self.left = Some(read);
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("left", &self.left.is_some()).finish_non_exhaustive()
    }
}
