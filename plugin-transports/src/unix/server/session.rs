//! One connection of a host: reads a request, answers it, and then the next.

use std::{
    future::pending,
    io,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use bytes::{Buf, Bytes};
use plugin_core::{Code, Plugin, clock, rounded};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::{Sleep, sleep},
};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    super::{
        MAX_BLANK,
        line_buffer::{LineBuffer, TooLong},
        request,
    },
    answer::{self, Line},
    caller,
    options::UnixServerOptions,
};
use crate::listen::{
    PeerCredentials, aside::Aside, idle::ServedConnection, serving::StopSignal, write_timeout::Patience,
};

/// Lines in a row that are no requests, but for their payload, after which the connection is closed: whoever writes them speaks
/// something else.
const MAX_FAULTY: usize = 16;

/// How long a connection that is to end may take for the rest of a request of which it has sent a part.
const REST_OF_LINE: Duration = Duration::from_secs(1);

pub(super) struct Session<S> {
    plugin: S,
    stream: UnixStream,
    peer: PeerCredentials,
    lines: LineBuffer,
    known: ServedConnection,
    beside: Beside,
    patience: Patience,
    options: Arc<UnixServerOptions>,
    /// The server is to end.
    stopping: bool,
    /// Nothing more will come.
    has_ended: bool,
    /// Lines in a row that were no requests.
    faulty: usize,
}

/// What may happen beside requests, for as long as there is the connection.
struct Beside {
    /// The server ends.
    cut: Pin<Box<Aside<WaitForCancellationFutureOwned>>>,
    /// The server is to end.
    stopping: Pin<Box<Aside<WaitForCancellationFutureOwned>>>,
    /// Another connection needs the room.
    asked: Pin<Box<Aside<WaitForCancellationFutureOwned>>>,
    /// Whether it was idle for too long is to be looked at.
    idle: Pin<Box<Aside<Sleep>>>,
}

/// What came.
enum Next {
    Line(Bytes),
    /// Nothing more is answered but this.
    Broken(Line),
    /// No more, or no more is read.
    End,
}

impl<S: Plugin<Bytes, Bytes>> Session<S> {
    pub(super) fn new(
        plugin: S,
        stream: UnixStream,
        peer: PeerCredentials,
        known: ServedConnection,
        stop: StopSignal,
        options: Arc<UnixServerOptions>,
    ) -> Self {
        let patience = Patience::new(options.listen.write_timeout, stop.gentle.clone());
        let lines = LineBuffer::new(options.max_line);
        let beside = Beside {
            cut: Box::pin(Aside::new(stop.cut.cancelled_owned())),
            stopping: Box::pin(Aside::new(stop.gentle.cancelled_owned())),
            asked: Box::pin(Aside::new(known.leave().cancelled_owned())),
            idle: Box::pin(Aside::new(sleep(options.listen.idle_timeout))),
        };
        Self {
            plugin,
            stream,
            peer,
            lines,
            known,
            beside,
            patience,
            options,
            stopping: false,
            has_ended: false,
            faulty: 0,
        }
    }

    pub(super) async fn run(mut self) -> io::Result<()> {
        let mut blank = 0;
        loop {
            let line = match self.next_line().await? {
                Next::Line(line) if line.trim_ascii().is_empty() => {
                    blank += 1;
                    if blank > MAX_BLANK {
                        return Ok(());
                    }
                    continue;
                }
                Next::Line(line) => line,
                Next::Broken(answer) => return self.write(answer).await,
                Next::End => return Ok(()),
            };
            blank = 0;
            let busy = self.known.begin();
            let Some(answer) = self.answer(&line).await else { return Ok(()) };
            let is_last = answer.is_last || self.faulty >= MAX_FAULTY;
            self.write(answer).await?;
            drop(busy);
            if is_last {
                return Ok(());
            }
        }
    }

    /// The next line. A part of one that will not be more, since the other side has closed the direction in which it sends,
    /// is one too.
    async fn next_line(&mut self) -> io::Result<Next> {
        let mut has_begun = !self.lines.bytes().is_empty();
        // Of a request that has begun: most come whole, and need none.
        let mut limit = pin!(None);
        if has_begun {
            limit.set(Some(sleep(if self.stopping { REST_OF_LINE } else { self.options.line_timeout })));
        }
        loop {
            match self.lines.next_line() {
                Ok(Some(line)) => return Ok(Next::Line(line)),
                Err(TooLong) => {
                    let text = format!("the request is longer than {} bytes", self.options.max_line);
                    return Ok(Next::Broken(answer::broken(Code::PayloadTooLarge, &text)));
                }
                Ok(None) if self.has_ended => {
                    let rest = self.lines.rest();
                    return Ok(if rest.is_empty() { Next::End } else { Next::Line(rest) });
                }
                Ok(None) => {}
            }
            if !has_begun && !self.lines.bytes().is_empty() {
                has_begun = true;
                limit.set(Some(sleep(self.options.line_timeout)));
            }
            if !has_begun && self.stopping {
                return Ok(Next::End);
            }
            tokio::select! {
                biased;
                () = self.beside.cut.as_mut() => return Ok(Next::End),
                () = self.beside.stopping.as_mut(), if !self.stopping => {
                    self.stopping = true;
                    limit.set(Some(sleep(REST_OF_LINE)));
                }
                read = self.stream.read_buf(self.lines.room()) => self.has_ended = read? == 0,
                () = self.beside.asked.as_mut(), if !has_begun => return Ok(Next::End),
                () = self.beside.idle.as_mut(), if !has_begun => {
                    let idle = self.options.listen.idle_timeout;
                    let quiet = self.known.quiet_for().unwrap_or_default();
                    if quiet >= idle {
                        return Ok(Next::End);
                    }
                    self.beside.idle.set(Aside::new(sleep(idle - quiet)));
                }
                () = async {
                    match limit.as_mut().as_pin_mut() {
                        Some(limit) => limit.await,
                        None => pending().await,
                    }
                } => {
                    if self.stopping {
                        return Ok(Next::End);
                    }
                    let text = format!("the request did not arrive within {}", rounded(self.options.line_timeout));
                    return Ok(Next::Broken(answer::broken(Code::Timeout, &text)));
                }
            }
        }
    }

    /// The answer to a line; `None` when nobody waits for it any more.
    async fn answer(&mut self, line: &Bytes) -> Option<Line> {
        let request = match request::read(line, self.options.json) {
            Ok(request) => request,
            Err(fault) => {
                // To close the connection behind an answer would lose the next call of a host that keeps it.
                self.faulty = if fault.is_of_host { 0 } else { self.faulty + 1 };
                let problem = fault.problem.clone();
                self.options.faulty.happened(move |count| {
                    tracing::warn!(problem, count, "a line on a socket could not be taken");
                });
                return Some(answer::refused(fault));
            }
        };
        self.faulty = 0;
        let work = answer::answer(self.plugin.clone(), &self.options, self.peer, request, clock::now());
        tokio::select! {
            biased;
            answer = work => Some(answer),
            () = self.beside.cut.as_mut() => None,
            () = caller::gone(&mut self.stream, &mut self.lines, &mut self.has_ended) => None,
        }
    }

    /// Writes a line, as long as the other side takes something of it.
    async fn write(&mut self, line: Line) -> io::Result<()> {
        let mut rest = line.into_buf();
        let mut end = None;
        while rest.has_remaining() {
            let wrote = tokio::select! {
                biased;
                () = self.beside.cut.as_mut() => return Err(io::ErrorKind::ConnectionAborted.into()),
                wrote = self.stream.write_buf(&mut rest) => wrote?,
                // Begun only where it has to wait.
                waited = async { end.get_or_insert_with(|| self.patience.begin()).await } => {
                    let problem = format!("nothing of the answer was read for {}", rounded(waited));
                    return Err(io::Error::new(io::ErrorKind::TimedOut, problem));
                }
            };
            if wrote == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            end = None;
        }
        Ok(())
    }
}
