//! The shared half of a connection: the table of calls and the writing end.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use plugin_core::clock::{self, Instant};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::coop,
};

use super::{
    super::{
        codec::{Answer, Frame, Reply, decode},
        split::Line,
    },
    Counts, Failure, LineLimits, Loss, Place,
    backlog::{Caller, Look, Progress},
    end::ConnectionEnd,
    inbox::Inbox,
    table::{Came, Delivered, Outcome, Table, Treatment},
    turn::ReadTurn,
};

/// Bytes that are written at once. Requests beyond it stay in the table, where they can still be withdrawn.
const BATCH: usize = 64 * 1024;

/// What the callers and the [`Driver`](super::Driver) share.
#[derive(Debug)]
pub(crate) struct LineConnection<W> {
    state: Mutex<LineState>,
    /// Taken before `state` where both are held, and never across an await.
    writer: Mutex<Writer<W>>,
    /// Likewise. `None` once nobody reads any more. Callers only try to take it.
    inbox: Mutex<Option<Inbox>>,
    /// Taken last.
    turn: Arc<ReadTurn>,
    /// That of `turn`, with which the reading end is registered.
    reading: Waker,
    json: crate::json::Limits,
}

#[derive(Debug)]
struct LineState {
    table: Table,
    look: Look,
}

#[derive(Debug)]
struct Writer<W> {
    /// `None` once the plugin's stdin was closed.
    io: Option<W>,
    batch: Vec<u8>,
    /// So many bytes of it.
    written: usize,
    /// Bytes that were written before it.
    before: u64,
    /// Close the stdin when everything is written.
    finish: bool,
}

impl<W> LineConnection<W> {
    pub(super) fn new(reader: impl AsyncRead + Send + Unpin + 'static, writer: W, limits: LineLimits) -> Self {
        let turn = Arc::<ReadTurn>::default();
        Self {
            state: Mutex::new(LineState { table: Table::new(limits), look: Look::default() }),
            writer: Mutex::new(Writer { io: Some(writer), batch: Vec::new(), written: 0, before: 0, finish: false }),
            inbox: Mutex::new(Some(Inbox::new(reader, limits.line))),
            reading: Arc::clone(&turn).into(),
            turn,
            json: limits.json,
        }
    }

    /// Refuses new calls; those in flight go on.
    pub(crate) fn refuse_new(&self) {
        self.state().table.refuse_new();
    }

    /// The same, and calls that were not written yet end with [`Failure::Closing`], for another process.
    pub(crate) fn hand_over(&self) {
        let mut wake = Vec::new();
        self.state().table.hand_over(&mut wake);
        // Outside the lock: a waker is somebody else's code.
        wake.into_iter().for_each(Waker::wake);
    }

    /// Nobody reads any more, and of what was written nobody has read so many bytes at the end: what lies there as a whole was
    /// never sent. `unread` looks at the writing end, and does not know where it is not sure. Whether it was.
    pub(crate) fn recall(&self, unread: impl FnOnce(&W) -> Option<u64>) -> bool {
        let writer = self.writer();
        let Some(unread) = writer.io.as_ref().and_then(unread) else { return writer.io.is_none() };
        let end = writer.before + writer.written as u64;
        self.state().table.unsent_from(end.saturating_sub(unread));
        true
    }

    /// Fails every call in flight, and every call to come.
    pub(crate) fn close(&self, loss: &Loss) {
        let mut wake = Vec::new();
        self.state().table.close(loss, &mut wake);
        // Outside the lock: a waker is somebody else's code.
        wake.into_iter().for_each(Waker::wake);
    }

    /// Closes the plugin's stdin as soon as everything that is queued has been written.
    pub(crate) fn finish(&self) {
        self.writer().finish = true;
        self.wake_driver();
    }

    /// Looks how far the plugin has come.
    pub(crate) fn look(&self) -> Look {
        let mut state = self.state();
        let at = state.table.progress();
        state.look = state.look.next(at);
        state.look
    }

    pub(crate) fn progress(&self) -> Progress {
        self.state().table.progress()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state().table.counts()
    }

    /// Calls that somebody waits for, and that the plugin may have seen and has not answered.
    pub(crate) fn sent(&self) -> usize {
        self.state().table.sent()
    }

    /// Fetches the outcome, which a caller that is alone reads itself; or sees to it that this waker is woken.
    pub(super) fn fetch(&self, id: u64, waker: &Waker) -> Option<(Outcome, Treatment)> {
        let fetched = self.state().table.fetch(id, waker);
        if fetched.is_some() {
            self.leave(id);
            return fetched;
        }
        if self.turn.is_of(id, waker) && self.read_own(id) { self.state().table.fetch(id, waker) } else { None }
    }

    /// Withdraws a request, and says how far it had come. One that was taken to be written the plugin may see.
    pub(super) fn forget(&self, id: u64) -> Came {
        let came = self.state().table.forget(id, clock::now);
        self.leave(id);
        // The others were held back until it was its turn, which may be later than that of the next.
        if matches!(came, Came::Held | Came::Stuck) {
            self.wake_driver();
        }
        came
    }

    /// It is not the turn of this request any more.
    fn leave(&self, id: u64) {
        if self.turn.leave(id) {
            self.wake_driver();
        }
    }

    /// Reads the answer to a request that is alone, and nothing else: all else is for whose turn it is then. Whether the answer has
    /// come.
    fn read_own(&self, id: u64) -> bool {
        // Who has it reads until nothing is left, or wakes whose turn it is.
        let Ok(mut inbox) = self.inbox.try_lock() else { return false };
        let Some(open) = &mut *inbox else { return false };
        let mut cx = Context::from_waker(&self.reading);
        let Poll::Ready(read) = open.poll_line(&mut cx) else { return false };
        let own = read.as_ref().ok().and_then(|line| self.answer_to(id, line));
        // Its waker is that of whoever reads here.
        let delivered = own.map(|answer| self.state().table.complete(id, Ok(answer), clock::now));
        // An answer to what was not asked yet is none.
        let has_come = matches!(delivered, Some(Delivered::ToItsCall(_)));
        if !has_come {
            open.leave(read);
        }
        // First, so that whatever comes from here on wakes another.
        self.turn.leave(id);
        let is_quiet = has_come && is_quiet(open, &mut cx);
        drop(inbox);
        if !is_quiet {
            // Only now: who came in between was kept from it.
            self.reading.wake_by_ref();
        }
        has_come
    }

    fn answer_to(&self, id: u64, line: &Line) -> Option<Answer> {
        let Line::Whole(text) = line else { return None };
        match decode(text, self.json) {
            Reply::Answer(answer) if answer.id == id => Some(answer),
            _ => None,
        }
    }

    /// The next line, for the driver.
    pub(super) fn poll_line(&self) -> Poll<Result<Line, ConnectionEnd>> {
        match &mut *self.inbox() {
            Some(inbox) => inbox.poll_line(&mut Context::from_waker(&self.reading)),
            None => Poll::Ready(Err(ConnectionEnd::Eof)),
        }
    }

    /// Nobody reads any more: the plugin sees its stdout closed.
    pub(super) fn stop_reading(&self) {
        self.inbox().take();
    }

    /// Delivers a reply, and wakes who waits for it.
    pub(super) fn complete(&self, id: u64, outcome: Outcome) -> Delivered {
        let mut delivered = self.state().table.complete(id, outcome, clock::now);
        // Outside of the lock: a waker is somebody else's code.
        if let Delivered::ToItsCall(waker) = &mut delivered {
            waker.take().into_iter().for_each(Waker::wake);
        }
        delivered
    }

    pub(super) fn count_noise(&self) {
        self.state().table.count_noise();
    }

    /// The driver says how it is woken. Called before it looks at anything, so that no request is missed.
    pub(super) fn set_driver(&self, waker: &Waker) {
        self.turn.set_driver(waker);
    }

    fn wake_driver(&self) {
        self.turn.driver().into_iter().for_each(Waker::wake);
    }

    // Nothing that runs under either lock can panic half way through a change, so a poisoned lock is still sound.
    fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer<W>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inbox(&self) -> MutexGuard<'_, Option<Inbox>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nothing more can be read, and what comes wakes whose turn it is.
fn is_quiet(inbox: &mut Inbox, cx: &mut Context<'_>) -> bool {
    // Without a budget the reader says that there is nothing, and does not look.
    if !coop::has_budget_remaining() {
        return false;
    }
    match inbox.poll_line(cx) {
        Poll::Pending => true,
        Poll::Ready(read) => {
            inbox.leave(read);
            false
        }
    }
}

impl<W: AsyncWrite + Unpin> LineConnection<W> {
    /// Queues a request and sees to it that it is written.
    pub(super) fn submit(&self, frame: Frame, waker: &Waker, place: Place, caller: Caller) -> Result<u64, Failure> {
        let mut state = self.state();
        let id = state.table.insert(frame, waker.clone(), place, caller)?;
        let alone = state.table.requests() == 1;
        let driver = self.turn.driver();
        // With `state` held: of two that come at once the second is not alone, and says so last.
        match &driver {
            Some(_) if alone => self.turn.take(id, waker),
            _ => self.turn.give_to_driver(),
        }
        drop(state);
        let Some(driver) = driver else { return Ok(id) };
        // A single call is written here and now, which saves a task switch. Several leave it to the driver, which
        // runs after all of them and writes them at once.
        let written = alone
            && self.writer.try_lock().is_ok_and(|mut writer| {
                // With the driver's waker: it goes on when the pipe has room again, it meets the error, if any, and it waits
                // where the call is held back.
                matches!(self.flush_locked(&mut writer, &mut Context::from_waker(&driver)), Poll::Ready(Ok(None)))
            });
        if !written {
            self.turn.leave(id);
            driver.wake();
        }
        Ok(id)
    }

    /// Writes what is queued, as far as the pipe takes it. Where calls are held back it says until when at the latest.
    pub(super) fn flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Instant>>> {
        self.flush_locked(&mut self.writer(), cx)
    }

    fn flush_locked(&self, writer: &mut Writer<W>, cx: &mut Context<'_>) -> Poll<io::Result<Option<Instant>>> {
        let Writer { io, batch, written, before, finish } = writer;
        loop {
            let Some(pipe) = io else { return Poll::Ready(Ok(None)) };
            while *written < batch.len() {
                let error = match ready!(Pin::new(&mut *pipe).poll_write(cx, &batch[*written..])) {
                    Ok(0) => io::ErrorKind::WriteZero.into(),
                    Ok(count) => {
                        *written += count;
                        continue;
                    }
                    Err(error) => error,
                };
                self.state().table.unsent_from(*before + *written as u64);
                return Poll::Ready(Err(error));
            }
            batch.clear();
            *written = 0;
            let mut state = self.state();
            *before = state.table.taken();
            let held = state.table.take_queued(batch, BATCH, clock::now);
            drop(state);
            if batch.is_empty() {
                if *finish {
                    *io = None;
                }
                return Poll::Ready(Ok(held));
            }
        }
    }
}
