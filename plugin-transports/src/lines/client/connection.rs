//! The shared half of a connection: the table of calls and the writing end.

use std::{
    io,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use plugin_core::clock::{self, Instant};
use tokio::io::AsyncWrite;

use super::{
    super::codec::Frame,
    Counts, Failure, LineLimits, Loss, Place,
    backlog::{Caller, Look, Progress},
    table::{Came, Delivered, Outcome, Table, Treatment},
};

/// Bytes that are written at once. Requests beyond it stay in the table, where they can still be withdrawn.
const BATCH: usize = 64 * 1024;

/// What the callers and the [`Driver`](super::Driver) share.
#[derive(Debug)]
pub(crate) struct LineConnection<W> {
    state: Mutex<LineState>,
    /// Taken before `state` where both are held, and never across an await.
    writer: Mutex<Writer<W>>,
}

#[derive(Debug)]
struct LineState {
    table: Table,
    look: Look,
    /// Wakes the driver. `None` until it was polled, when it looks at everything by itself.
    driver: Option<Waker>,
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
    pub(super) fn new(writer: W, limits: LineLimits) -> Self {
        Self {
            state: Mutex::new(LineState { table: Table::new(limits), look: Look::default(), driver: None }),
            writer: Mutex::new(Writer { io: Some(writer), batch: Vec::new(), written: 0, before: 0, finish: false }),
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

    pub(super) fn fetch(&self, id: u64, waker: &Waker) -> Option<(Outcome, Treatment)> {
        self.state().table.fetch(id, waker)
    }

    /// Withdraws a request, and says how far it had come. One that was taken to be written the plugin may see.
    pub(super) fn forget(&self, id: u64) -> Came {
        let came = self.state().table.forget(id, clock::now);
        // The others were held back until it was its turn, which may be later than that of the next.
        if matches!(came, Came::Held | Came::Stuck) {
            self.wake_driver();
        }
        came
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
        let mut state = self.state();
        match &mut state.driver {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    fn wake_driver(&self) {
        let driver = self.state().driver.clone();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    // Nothing that runs under either lock can panic half way through a change, so a poisoned lock is still sound.
    fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer<W>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: AsyncWrite + Unpin> LineConnection<W> {
    /// Queues a request and sees to it that it is written.
    pub(super) fn submit(&self, frame: Frame, waker: &Waker, place: Place, caller: Caller) -> Result<u64, Failure> {
        let mut state = self.state();
        let id = state.table.insert(frame, waker.clone(), place, caller)?;
        let alone = state.table.requests() == 1;
        let driver = state.driver.clone();
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
