//! Moves the bytes of a connection: writes what is queued, and hands out what arrives.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use plugin_core::clock::{self, Instant};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Sleep, sleep},
};

use super::{
    super::{
        codec::{Reply, decode},
        scan::{Found, Id},
        split::Line,
    },
    Failure, LineConnection, LineLimits,
    end::ConnectionEnd,
    table::Delivered,
    unexpected_lines::{Odd, Shown},
};
use crate::wire::confidential::Confidential;

/// Why a reply is lost that may be well in itself.
const SHARED: &str = "it stands in one line with a reply that cannot be read (each must end with a line feed)";

/// The part of a connection that must be polled. It resolves once, when the connection is over;
/// dropping it ends the connection too, and fails what is in flight.
pub(crate) struct Driver<W> {
    connection: Arc<LineConnection<W>>,
    limits: LineLimits,
    /// Lines since the last reply that were none.
    noise: u32,
    odd: Odd,
    /// Runs while calls are held back, until this moment.
    hold: Option<(Instant, Pin<Box<Sleep>>)>,
    /// It has resolved, and only waits to be dropped.
    over: bool,
}

/// Joins the two ends of a plugin's pipes to a connection. Nothing moves unless the driver is polled.
/// The plugin's name is for the log.
pub(crate) fn connect<W: AsyncWrite + Unpin>(
    plugin: Arc<str>,
    reader: impl AsyncRead + Send + Unpin + 'static,
    writer: W,
    limits: LineLimits,
) -> (Arc<LineConnection<W>>, Driver<W>) {
    let connection = Arc::new(LineConnection::new(reader, writer, limits));
    (connection.clone(), Driver::new(plugin, connection, limits))
}

impl<W> Driver<W> {
    fn new(plugin: Arc<str>, connection: Arc<LineConnection<W>>, limits: LineLimits) -> Self {
        Self { connection, limits, noise: 0, odd: Odd::new(plugin), hold: None, over: false }
    }

    /// Lines of the log are to be without this.
    pub(crate) fn hide(&mut self, confidential: Confidential) {
        self.odd.hide(confidential);
    }

    /// Whether it has resolved.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    fn accept(&mut self, line: Line) -> Result<(), ConnectionEnd> {
        let (shown, became) = match line {
            Line::Whole(text) => {
                let became = match decode(&text, self.limits.json) {
                    Reply::Answer(answer) => Some(self.connection.complete(answer.id, Ok(answer))),
                    Reply::LimitExceeded(id, beyond) => {
                        Some(self.connection.complete(id, Err(Failure::LimitExceeded(beyond))))
                    }
                    Reply::Broken(found, why) => self.fail(&found, &Failure::Unreadable(why)),
                    Reply::Noise => None,
                };
                (Shown::Whole(text), became)
            }
            Line::TooLong(head, found) => {
                let became = self.fail(&found, &Failure::ReplyTooLarge(self.limits.line));
                (Shown::Head(head), became)
            }
        };
        match became {
            Some(Delivered::ToItsCall(_)) => {}
            Some(Delivered::TooLate) => self.odd.late(&shown),
            Some(Delivered::Twice) => self.odd.tell("a second reply to one call on the plugin's stdout", &shown),
            Some(Delivered::ToNobody) => {
                return self.noise("a reply on the plugin's stdout has an id that no call had", &shown);
            }
            None => return self.noise("a line on the plugin's stdout is not a reply", &shown),
        }
        self.noise = 0;
        Ok(())
    }

    fn noise(&mut self, what: &str, line: &Shown) -> Result<(), ConnectionEnd> {
        self.connection.count_noise();
        self.noise += 1;
        self.odd.tell(what, line);
        if self.noise < self.limits.noise { Ok(()) } else { Err(ConnectionEnd::Noise(self.noise)) }
    }

    /// Ends the calls whose replies cannot be read, and says what became of the first of these replies that had a call.
    fn fail(&self, found: &Found, failure: &Failure) -> Option<Delivered> {
        let shared = Failure::Unreadable(SHARED.to_owned());
        let own = found.reply.into_iter().map(|id| (id, failure));
        let others = found.others.iter().map(|id| (*id, &shared));
        let all = own.chain(others).map(|(id, failure)| {
            let id = match id {
                // Whoever made a number of an id read it as the hexadecimal one that it is: no id is of decimal digits alone.
                Id::Text(id) | Id::Number { value: id, .. } => id,
            };
            self.connection.complete(id, Err(failure.clone()))
        });
        // All of them, and not as many as it takes to know.
        all.reduce(|first, next| if matches!(first, Delivered::ToNobody) { next } else { first })
    }
}

impl<W> Driver<W> {
    fn poll_replies(&mut self) -> Poll<ConnectionEnd> {
        loop {
            let done = match ready!(self.connection.poll_line()) {
                Ok(line) => self.accept(line),
                Err(end) => Err(end),
            };
            if let Err(end) = done {
                return Poll::Ready(end);
            }
        }
    }
}

impl<W: AsyncWrite + Unpin> Driver<W> {
    /// Writes what is queued, and where calls are held back looks again when it is time.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            let until = match self.connection.flush(cx) {
                Poll::Ready(Ok(Some(until))) => until,
                Poll::Ready(Err(error)) => return Err(error),
                // All is written, or the plugin does not read.
                Poll::Ready(Ok(None)) | Poll::Pending => {
                    self.hold = None;
                    return Ok(());
                }
            };
            if self.hold.as_ref().is_none_or(|(known, _)| *known != until) {
                self.hold = Some((until, Box::pin(sleep(until.saturating_since(clock::now())))));
            }
            if let Some((_, hold)) = &mut self.hold
                && hold.as_mut().poll(cx).is_pending()
            {
                return Ok(());
            }
            self.hold = None;
        }
    }
}

impl<W: AsyncWrite + Unpin> Future for Driver<W> {
    type Output = ConnectionEnd;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ConnectionEnd> {
        let this = self.get_mut();
        if this.over {
            return Poll::Pending;
        }
        this.connection.set_driver(cx.waker());
        let mut end = this.poll_replies();
        // After the replies: a caller that is answered here may ask again at once on another thread.
        if end.is_pending()
            && let Err(error) = this.write(cx)
        {
            end = Poll::Ready(ConnectionEnd::Broken(error));
        }
        this.over = end.is_ready();
        end
    }
}

impl<W> fmt::Debug for Driver<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("noise", &self.noise).field("over", &self.over).finish_non_exhaustive()
    }
}

impl<W> Drop for Driver<W> {
    fn drop(&mut self) {
        self.connection.stop_reading();
        self.connection.close(&"was abandoned by the host".into());
    }
}
