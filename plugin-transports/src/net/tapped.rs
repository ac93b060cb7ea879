//! A connection, and somebody who hears of what moves on it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that tells its tap of each read and each write.
#[derive(Debug)]
pub(crate) struct Tapped<I, T> {
    pub(crate) inner: I,
    pub(crate) tap: T,
}

/// Hears of what moves on a connection, and may break it.
pub(crate) trait Tap: Unpin {
    /// It was read into so much room: what came, or why nothing did.
    fn read(&mut self, cx: &mut Context<'_>, room: usize, came: io::Result<&[u8]>) -> io::Result<()>;

    /// Something is about to be written.
    fn write(&mut self) {}
}

impl<I: AsyncRead + Unpin, T: Tap> AsyncRead for Tapped<I, T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (before, room) = (buf.filled().len(), buf.remaining());
        let came = ready!(Pin::new(&mut self.inner).poll_read(cx, buf));
        Poll::Ready(self.tap.read(cx, room, came.map(|()| &buf.filled()[before..])))
    }
}

impl<I: AsyncWrite + Unpin, T: Tap> AsyncWrite for Tapped<I, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.tap.write();
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.tap.write();
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
