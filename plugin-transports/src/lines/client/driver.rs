//! Moves the bytes of a connection: writes what is queued, hands out what arrives, watches the deadlines.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use plugin_core::clock::{self, Instant};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant as TimerInstant, Sleep, sleep},
};
use tokio_util::io::poll_read_buf;

use super::{
    super::{
        codec::decode,
        id,
        split::{Line, Lines},
    },
    Connection, Failure, Limits,
};

/// How much of a line that is not a reply is shown in the log.
const SHOWN: usize = 200;

/// The furthest the timer is set ahead; it is set again when it rings.
const LONGEST: Duration = Duration::from_secs(86_400);

/// A line that goes on for this many times the limit is no line any more.
const ENDLESS: u64 = 16;

/// The part of a connection that must be polled. It resolves once, when the connection is over;
/// dropping it ends the connection too, and fails what is in flight.
pub(crate) struct Driver<R, W> {
    plugin: Arc<str>,
    connection: Arc<Connection<W>>,
    reader: R,
    lines: Lines,
    limits: Limits,
    /// Garbage lines since the last reply.
    garbage: u32,
    /// One timer for all calls, set for the earliest deadline; made when there is a first one.
    timer: Option<Pin<Box<Sleep>>>,
    set_for: Option<Instant>,
    /// It has resolved, and only waits to be dropped.
    over: bool,
}

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The plugin closed its stdout.
    Eof,
    /// A pipe broke.
    Broken(io::Error),
    /// Too many lines in a row were not replies.
    Garbage(u32),
    /// A line did not end.
    Endless(u64),
}

impl End {
    /// Whether this is also how the death of the process looks from here.
    pub(crate) fn may_be_death(&self) -> bool {
        matches!(self, Self::Eof | Self::Broken(_))
    }
}

/// The second half of a sentence about the process.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eof => f.write_str("closed its stdout"),
            Self::Broken(error) => write!(f, "left a broken pipe: {error}"),
            Self::Garbage(count) => {
                write!(f, "wrote {count} lines in a row to stdout that are not replies (its log belongs on stderr)")
            }
            Self::Endless(count) => write!(f, "wrote {count} bytes to stdout without a line feed"),
        }
    }
}

impl<R, W> Driver<R, W> {
    pub(super) fn new(plugin: Arc<str>, connection: Arc<Connection<W>>, reader: R, limits: Limits) -> Self {
        Self {
            plugin,
            connection,
            reader,
            lines: Lines::new(limits.line),
            limits,
            garbage: 0,
            timer: None,
            set_for: None,
            over: false,
        }
    }

    /// Whether it has resolved.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    fn accept(&mut self, line: Line) -> Result<(), End> {
        let (shown, outcome) = match &line {
            Line::Whole(text) => (text, decode(text).map(|answer| (answer.id, Ok(answer)))),
            Line::TooLong(head) => {
                (head, id::of_head(head).map(|id| (id, Err(Failure::ReplyTooLarge(self.limits.line)))))
            }
        };
        if outcome.is_some_and(|(id, outcome)| self.connection.complete(id, outcome)) {
            self.garbage = 0;
            return Ok(());
        }
        self.connection.count_garbage();
        self.garbage += 1;
        log_garbage(&self.plugin, shown);
        if self.garbage < self.limits.garbage { Ok(()) } else { Err(End::Garbage(self.garbage)) }
    }
}

impl<R: AsyncRead + Unpin, W> Driver<R, W> {
    fn poll_replies(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            while let Some(line) = self.lines.next_line() {
                if let Err(end) = self.accept(line) {
                    return Poll::Ready(end);
                }
            }
            if self.lines.skipped() > self.limits.line as u64 * ENDLESS {
                return Poll::Ready(End::Endless(self.lines.skipped()));
            }
            match ready!(poll_read_buf(Pin::new(&mut self.reader), cx, self.lines.room())) {
                Ok(0) => return Poll::Ready(End::Eof),
                Ok(_) => {}
                Err(error) => return Poll::Ready(End::Broken(error)),
            }
        }
    }

    fn poll_deadlines(&mut self, cx: &mut Context<'_>) {
        loop {
            let now = clock::now();
            let next = self.connection.expire(now);
            if next == Instant::MAX {
                return;
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(Duration::ZERO)));
            if self.set_for != Some(next) {
                let after = next.saturating_since(now).min(LONGEST);
                timer.as_mut().reset(TimerInstant::now() + after);
                self.set_for = Some(next);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            // It rang: what is not due yet by our own clock needs it set again.
            self.set_for = None;
        }
    }
}

impl<R, W> Future for Driver<R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    type Output = End;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let this = self.get_mut();
        if this.over {
            return Poll::Pending;
        }
        this.connection.set_driver(cx.waker());
        let mut end = this.poll_replies(cx);
        // After the replies: a caller that is answered here may ask again at once on another thread.
        if end.is_pending()
            && let Poll::Ready(Err(error)) = this.connection.flush(cx)
        {
            end = Poll::Ready(End::Broken(error));
        }
        if end.is_pending() {
            this.poll_deadlines(cx);
        }
        this.over = end.is_ready();
        end
    }
}

impl<R, W> fmt::Debug for Driver<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("garbage", &self.garbage).field("over", &self.over).finish_non_exhaustive()
    }
}

impl<R, W> Drop for Driver<R, W> {
    fn drop(&mut self) {
        self.connection.close("was abandoned by the host");
    }
}

fn log_garbage(plugin: &str, line: &Bytes) {
    let text = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]);
    tracing::warn!(plugin, line = %text.escape_debug(), bytes = line.len(), "a line on the plugin's stdout is not a reply");
}
