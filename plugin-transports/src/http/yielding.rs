//! Yields to other tasks after a number of reads, so that one peer cannot hold a worker thread.

use std::{
    future::Future,
    io,
    num::NonZero,
    pin::{Pin, pin},
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
pub(super) struct Paced<I, W = ()> {
    inner: I,
    watch: W,
}

/// Hears of what is read from a connection.
pub(super) trait ReadWatch: Unpin {
    /// So many bytes came; `None`: it has ended, or broken.
    fn read(&mut self, bytes: Option<NonZero<usize>>);
}

/// Nobody does.
impl ReadWatch for () {
    fn read(&mut self, _: Option<NonZero<usize>>) {}
}

impl<I> Paced<I> {
    pub(super) fn new(inner: I) -> Self {
        Self { inner, watch: () }
    }
}

impl<I, W> Paced<I, W> {
    /// Likewise, and somebody hears of what is read.
    pub(super) fn watched(inner: I, watch: W) -> Self {
        Self { inner, watch }
    }
}

fn charge(cx: &mut Context<'_>, bytes: usize) {
    for _ in 0..bytes / PER_UNIT {
        if pin!(coop::consume_budget()).poll(cx).is_pending() {
            return;
        }
    }
}

impl<I: AsyncRead + Unpin, W: ReadWatch> AsyncRead for Paced<I, W> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (before, room) = (buf.filled().len(), buf.remaining());
        let result = ready!(Pin::new(&mut self.inner).poll_read(cx, buf));
        let read = buf.filled().len() - before;
        if room > 0 {
            self.watch.read(NonZero::new(read).filter(|_| result.is_ok()));
        }
        result?;
        charge(cx, read);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin, W: ReadWatch> AsyncWrite for Paced<I, W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
