//! A peer that does not read must not hold an answer for ever.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use plugin_core::rounded;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::write_timeout::{Patience, WriteEnd};

/// Whether what is written to a connection waits for its peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stalled(Arc<AtomicBool>);

impl Stalled {
    fn set(&self, stalled: bool) {
        // Relaxed: only the task of the connection writes and reads it.
        self.0.store(stalled, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection whose writing ends with an error when the peer takes nothing for as long as the patience with it lasts.
pub(crate) struct Impatient<I> {
    inner: I,
    patience: Patience,
    /// There while something waits to be written.
    waiting: Option<WriteEnd>,
    /// Whether something waits, for whoever closes the connection.
    told: Stalled,
}

impl<I> Impatient<I> {
    pub(crate) fn new(inner: I, patience: Patience, told: Stalled) -> Self {
        Self { inner, patience, waiting: None, told }
    }

    /// What came of a try to write. Any progress begins the limit anew.
    fn judge<T>(&mut self, cx: &mut Context<'_>, tried: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if tried.is_ready() {
            if self.waiting.take().is_some() {
                self.told.set(false);
            }
            return tried;
        }
        let Self { patience, waiting, told, .. } = self;
        let waiting = waiting.get_or_insert_with(|| {
            told.set(true);
            patience.begin()
        });
        match waiting.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(limit) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("nothing was read for {}", rounded(limit)),
            ))),
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Impatient<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Impatient<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.judge(cx, tried)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.inner).poll_write_vectored(cx, parts);
        self.judge(cx, tried)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.inner).poll_flush(cx);
        self.judge(cx, tried)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.judge(cx, tried)
    }
}
