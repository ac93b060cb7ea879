//! A peer that sends without end must not keep a worker thread to itself.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::coop,
};

/// What one unit of tokio's budget of a task pays for, in bytes.
///
/// tokio charges one unit for a read of any length, and a task has 128 of them. One read can fill a buffer of hundreds of
/// KiB with frames or heads of a few bytes, each of which has to be looked at: the task would go on for seconds before it
/// yields.
const PER_UNIT: usize = 1024;

/// A connection whose reading costs its task by the byte. When the task's budget is spent, its next read makes it yield.
#[derive(Debug)]
pub(super) struct Paced<I>(I, Option<Heard>);

/// Counts how often something was read from a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<AtomicU64>);

impl<I> Paced<I> {
    pub(super) fn new(inner: I) -> Self {
        Self(inner, None)
    }

    /// Likewise, and counts its reads.
    pub(super) fn counting(inner: I, heard: Heard) -> Self {
        Self(inner, Some(heard))
    }
}

impl Heard {
    pub(super) fn count(&self) -> u64 {
        // Relaxed: who reads it compares it with what it was.
        self.0.load(Ordering::Relaxed)
    }
}

fn charge(cx: &mut Context<'_>, bytes: usize) {
    for _ in 0..bytes / PER_UNIT {
        if pin!(coop::consume_budget()).poll(cx).is_pending() {
            return;
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Paced<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        if let Some(Heard(heard)) = self.1.as_ref().filter(|_| read > 0) {
            heard.fetch_add(1, Ordering::Relaxed);
        }
        charge(cx, read);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Paced<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
