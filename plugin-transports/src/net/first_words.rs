//! What a peer says of a connection itself before it says anything else on it.
//!
//! Under TLS 1.3 the handshake has ended for a client before the server has looked at its certificate, so that a refusal comes with
//! the first read, when a call is on its way. It is no lost connection: the server took no part in it, and has seen nothing of
//! the call. So is what a server of TLS says that was sent plain text.

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use plugin_core::{PluginError, Sent};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How every alert of TLS begins that is sent before there are keys: its kind, and the first half of its version.
const ALERT: &[u8] = &[0x15, 0x03];

/// Where the kind of a frame of HTTP/2 stands in it, and that of the frame with which a connection begins. RFC 9113 section 3.4: a
/// server's first frame is `SETTINGS`.
const KIND_OF_FRAME: usize = 3;
const SETTINGS: u8 = 4;

/// So much of other words is shown, at most.
const SHOWN: usize = 64;

/// Why the peer of a connection takes no part in it, where it has said so: known to the connection and to all who use it.
#[derive(Clone, Debug)]
pub(crate) struct Refused(Arc<Refusal>);

#[derive(Debug)]
struct Refusal {
    origin: Arc<str>,
    why: OnceLock<Why>,
}

#[derive(Debug)]
enum Why {
    /// What a server of TLS said of its client.
    #[cfg(feature = "tls")]
    Tls(String),
    /// What it speaks instead.
    Speaks(String),
}

impl Why {
    /// As a sentence about a peer: callers do not hear where it is.
    fn of(&self, peer: &str) -> String {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(said) => format!("no TLS connection to {peer}: {said}"),
            Self::Speaks(other) => format!("{peer} {other}"),
        }
    }
}

impl Refused {
    pub(crate) fn new(origin: Arc<str>) -> Self {
        Self(Arc::new(Refusal { origin, why: OnceLock::new() }))
    }

    pub(crate) fn is_so(&self) -> bool {
        self.0.why.get().is_some()
    }

    /// The error of a call, if it is so. Nothing of the call was seen, and the next one would be refused likewise.
    pub(crate) fn error(&self) -> Option<PluginError> {
        let why = self.0.why.get()?;
        let error = PluginError::connection(why.of(&self.0.origin), Sent::Nothing).with_retryable(false);
        Some(error.with_message_for_callers(why.of("the plugin")))
    }

    /// Why, if it is so, in words that follow what names the peer.
    pub(crate) fn why(&self) -> Option<String> {
        Some(match self.0.why.get()? {
            #[cfg(feature = "tls")]
            Why::Tls(said) => said.clone(),
            Why::Speaks(other) => format!("it {other}"),
        })
    }

    fn set(&self, why: Why) {
        self.0.why.get_or_init(|| why);
    }
}

/// What a connection goes over, as far as it says what the first words can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Plain,
    #[cfg(feature = "tls")]
    Tls13,
    /// A server of TLS 1.2 has accepted its client before the client's handshake ends; what it says later is of something else.
    #[cfg(feature = "tls")]
    Tls12,
}

/// A connection whose first words are listened to.
#[derive(Debug)]
pub(crate) struct FirstWords<I> {
    inner: I,
    carrier: Carrier,
    refused: Refused,
    /// What it began with, where it is to begin HTTP/2; until that is whole.
    http2: Option<Vec<u8>>,
    /// Something else has come, so that the peer takes part in it.
    heard: bool,
}

impl<I> FirstWords<I> {
    pub(crate) fn new(inner: I, carrier: Carrier, is_http2: bool, refused: Refused) -> Self {
        Self { inner, carrier, refused, http2: is_http2.then(Vec::new), heard: false }
    }

    fn note(&mut self, came: io::Result<&[u8]>) -> io::Result<()> {
        if self.heard {
            return came.map(drop);
        }
        match came {
            Ok(bytes) if self.carrier == Carrier::Plain && bytes.starts_with(ALERT) => {
                let other = "speaks TLS, and was sent plain text: does its scheme have to be `https`?";
                self.refused.set(Why::Speaks(other.to_owned()));
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the other side speaks TLS"))
            }
            Ok(bytes) => self.begun(bytes),
            Err(error) => {
                #[cfg(feature = "tls")]
                if self.carrier == Carrier::Tls13 && crate::tls::HandshakeError::is_refusal_of_client(&error) {
                    let error = crate::tls::HandshakeError::new(error);
                    self.refused.set(Why::Tls(error.to_string()));
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, error));
                }
                Err(error)
            }
        }
    }

    fn begun(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(begin) = &mut self.http2 else {
            self.heard = !bytes.is_empty();
            return Ok(());
        };
        begin.extend(bytes.iter().take(SHOWN.saturating_sub(begin.len())));
        let Some(kind) = begin.get(KIND_OF_FRAME) else { return Ok(()) };
        self.heard = true;
        if *kind == SETTINGS {
            self.http2 = None;
            return Ok(());
        }
        let shown = String::from_utf8_lossy(begin);
        let line = shown.lines().next().unwrap_or_default();
        self.refused.set(Why::Speaks(format!("does not speak HTTP/2: it began with {line:?}")));
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the other side does not speak HTTP/2"))
    }
}

impl<I: AsyncRead + Unpin> FirstWords<I> {
    /// A peer that refuses closes the connection, and so what is written may fail before what it said was read.
    fn wrote<T>(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if self.heard || !matches!(wrote, Poll::Ready(Err(_))) {
            return wrote;
        }
        let mut room = [0; 64];
        let mut buf = ReadBuf::new(&mut room);
        match Pin::new(&mut self.inner).poll_read(cx, &mut buf) {
            Poll::Ready(came) => match self.note(came.map(|()| buf.filled())) {
                Err(refusal) if self.refused.is_so() => Poll::Ready(Err(refusal)),
                _ => wrote,
            },
            Poll::Pending => wrote,
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for FirstWords<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let came = ready!(Pin::new(&mut self.inner).poll_read(cx, buf));
        Poll::Ready(self.note(came.map(|()| &buf.filled()[before..])))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for FirstWords<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(cx, parts);
        self.wrote(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wrote = Pin::new(&mut self.inner).poll_flush(cx);
        self.wrote(cx, wrote)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
