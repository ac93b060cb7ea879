//! A connection whose other end may answer before it has read everything, and close.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Goes on reading where writing fails since the other end takes no more: its answer says why, and may have come already.
pub(super) struct Hearing {
    inner: TcpStream,
    /// Nobody takes what is written.
    unheard: bool,
}

impl Hearing {
    pub(super) fn new(inner: TcpStream) -> Self {
        Self { inner, unheard: false }
    }

    fn write<T>(
        &mut self,
        all: T,
        write: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.unheard {
            return Poll::Ready(Ok(all));
        }
        match write(Pin::new(&mut self.inner)) {
            Poll::Ready(Err(error)) if is_closed(&error) => {
                self.unheard = true;
                Poll::Ready(Ok(all))
            }
            other => other,
        }
    }
}

impl Connection for Hearing {
    fn connected(&self) -> Connected {
        self.inner.connected()
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::NotConnected)
}

impl AsyncRead for Hearing {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Hearing {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(bytes.len(), |inner| inner.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = parts.iter().map(|part| part.len()).sum();
        self.write(all, |inner| inner.poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write((), |inner| inner.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write((), |inner| inner.poll_shutdown(cx))
    }
}
