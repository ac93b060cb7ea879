//! The end of a connection whose peer may still be sending.
//!
//! Closing a socket with bytes in it that nobody has read makes the kernel reset the connection, and a reset can take an answer
//! with it that the peer has not read yet: that its payload is too large, say, while it is still sending it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    sync::oneshot,
    time::timeout,
};

/// How long all of it may take.
const LONGEST: Duration = Duration::from_secs(5);
/// How long the peer may be silent before it is taken to have sent all.
const SILENCE: Duration = Duration::from_millis(500);
/// The same when the server stops.
const SHORT_SILENCE: Duration = Duration::from_millis(20);
/// So many bytes are thrown away at most.
const MOST: usize = 64 << 20;

/// A connection that goes back to its owner when whoever serves it drops it.
pub(super) struct Lent<I> {
    /// There until it is dropped.
    inner: Option<I>,
    back: Option<oneshot::Sender<I>>,
}

/// Lends a connection; where it comes back.
pub(super) fn lend<I>(inner: I) -> (Lent<I>, oneshot::Receiver<I>) {
    let (back, comes_back) = oneshot::channel();
    (Lent { inner: Some(inner), back: Some(back) }, comes_back)
}

/// Reads on, within bounds, until the peer has sent all and closes its end, and throws it away.
pub(super) async fn linger<I: AsyncRead + Unpin>(io: &mut I, stopping: bool) {
    let silence = if stopping { SHORT_SILENCE } else { SILENCE };
    let read = async {
        let mut buffer = vec![0; 16 << 10];
        let mut left = MOST;
        while let Ok(Ok(count @ 1..)) = timeout(silence, io.read(&mut buffer)).await {
            left = left.saturating_sub(count);
            if left == 0 {
                return;
            }
        }
    };
    // Its bounds are the reason why it ends; there is nothing to tell.
    let _ = timeout(LONGEST, read).await;
}

impl<I> Drop for Lent<I> {
    fn drop(&mut self) {
        if let (Some(inner), Some(back)) = (self.inner.take(), self.back.take()) {
            // Nobody waits for it where the connection was cut off, or belongs to an upgrade.
            let _ = back.send(inner);
        }
    }
}

impl<I: Unpin> Lent<I> {
    fn inner(&mut self) -> io::Result<Pin<&mut I>> {
        self.inner.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Lent<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Lent<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.as_ref().is_some_and(I::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::AsyncWriteExt,
        time::{Instant, sleep},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_still_sent_is_read_to_its_end_and_no_longer_than_the_bounds_allow() {
        let took = async |chunk: usize, every: Duration, stopping: bool| {
            let (mut ours, mut theirs) = tokio::io::duplex(1 << 20);
            let sends = tokio::spawn(async move {
                let mut sent = 0;
                while theirs.write_all(&vec![0; chunk]).await.is_ok() {
                    sent += chunk;
                    sleep(every).await;
                }
                sent
            });
            let begun = Instant::now();
            linger(&mut ours, stopping).await;
            let took = begun.elapsed();
            drop(ours);
            (took, sends.await.expect("no panic"))
        };
        assert_eq!(took(1, Duration::from_millis(100), false).await.0, LONGEST, "a peer that goes on and on");
        assert_eq!(took(1, Duration::from_secs(60), false).await.0, SILENCE, "one that has sent all");
        assert_eq!(took(1, Duration::from_secs(60), true).await.0, SHORT_SILENCE);
        let (_, sent) = took(1 << 20, Duration::ZERO, false).await;
        assert!((MOST..MOST + (4 << 20)).contains(&sent), "{sent}");
    }
}
