//! What a peer says of a connection itself before it says anything else on it.
//!
//! Under TLS 1.3 the handshake has ended for a client before the server has looked at its certificate, so that a refusal comes with
//! the first read, when a call is on its way. It is no lost connection: the server took no part in it, and has seen nothing of
//! the call. So it is where the first that it says is of another protocol than it was asked in: see [`Spoken`].

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use plugin_core::{PluginError, Sent};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::spoken::{ENOUGH, Heard, Spoken};

/// Why the peer of a connection takes no part in it, where it has said so: known to the connection and to all who use it.
#[derive(Clone, Debug)]
pub(crate) struct Refused(Arc<Refusal>);

#[derive(Debug)]
struct Refusal {
    origin: Arc<str>,
    why: OnceLock<(Why, Sent)>,
}

#[derive(Debug)]
enum Why {
    /// What a server of TLS said of its client.
    #[cfg(feature = "tls")]
    Tls(String),
    /// It speaks this, and was asked in that.
    Speaks(Spoken, Spoken),
    /// What was to be HTTP/2 is nothing that is known here. What it is nobody is shown: a peer may say what it was sent in
    /// confidence on another connection.
    Unknown,
}

impl Why {
    /// As a sentence about a peer: callers do not hear where it is.
    fn of(&self, peer: &str, is_socket: bool) -> String {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(said) => format!("no TLS connection to {peer}: {said}"),
            Self::Speaks(spoken, asked) => spoken.instead_of(*asked, peer, is_socket),
            Self::Unknown => format!("{peer} does not speak HTTP/2, nor anything else that is known here"),
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

    /// The error of a call, if it is so.
    pub(crate) fn error(&self) -> Option<PluginError> {
        let (why, sent) = self.0.why.get()?;
        let error = PluginError::connection(why.of(&self.0.origin, self.is_socket()), *sent)
            .with_retryable(!self.is_for_good());
        Some(error.with_message_for_callers(why.of("the plugin", self.is_socket())))
    }

    /// Why, if it is so, in words that follow what names the peer.
    pub(crate) fn why(&self) -> Option<String> {
        Some(match &self.0.why.get()?.0 {
            #[cfg(feature = "tls")]
            Why::Tls(said) => said.clone(),
            other => other.of("it", self.is_socket()),
        })
    }

    /// Whether the next connection would be refused likewise.
    pub(crate) fn is_for_good(&self) -> bool {
        self.is_of_tls() || matches!(self.0.why.get(), Some((Why::Speaks(spoken, _), _)) if spoken.is_for_good())
    }

    /// Whether it is TLS that the peer has refused.
    pub(crate) fn is_of_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return matches!(self.0.why.get(), Some((Why::Tls(_), _)));
        #[cfg(not(feature = "tls"))]
        false
    }

    fn is_socket(&self) -> bool {
        self.0.origin.starts_with("unix:")
    }

    fn set(&self, why: Why, sent: Sent) {
        self.0.why.get_or_init(|| (why, sent));
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
    asked: Spoken,
    refused: Refused,
    /// What came first, as much of it as says what it is.
    first: ([u8; ENOUGH], usize),
    /// What came is what was to come, or nothing that is known here.
    heard: bool,
}

impl<I> FirstWords<I> {
    /// Listens to what comes on a connection on which is asked in this version of HTTP.
    pub(crate) fn new(inner: I, carrier: Carrier, asked: Spoken, refused: Refused) -> Self {
        Self { inner, carrier, asked, refused, first: ([0; ENOUGH], 0), heard: false }
    }

    fn note_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (first, length) = &mut self.first;
        let room = &mut first[*length..];
        let taken = room.len().min(bytes.len());
        room[..taken].copy_from_slice(&bytes[..taken]);
        *length += taken;
        let first = &first[..*length];
        let why = match Spoken::of(first) {
            Heard::TooLittle => return Ok(()),
            Heard::Spoken(spoken)
                if spoken != self.asked && (spoken != Spoken::Tls || self.carrier == Carrier::Plain) =>
            {
                Why::Speaks(spoken, self.asked)
            }
            Heard::SomethingElse if self.asked == Spoken::Http2 => Why::Unknown,
            _ => {
                self.heard = true;
                return Ok(());
            }
        };
        // Whoever answers in JSON may have read what it answers; the others have not come so far, nor has a call over HTTP/2.
        let has_read = matches!(why, Why::Speaks(Spoken::Lines, asked) if asked != Spoken::Http2);
        self.refused.set(why, if has_read { Sent::Maybe } else { Sent::Nothing });
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the other side speaks another protocol"))
    }

    fn note(&mut self, came: io::Result<&[u8]>) -> io::Result<()> {
        if self.heard {
            return came.map(drop);
        }
        match came {
            Ok(bytes) => self.note_bytes(bytes),
            Err(error) => {
                #[cfg(feature = "tls")]
                if self.carrier == Carrier::Tls13 && crate::tls::HandshakeError::is_refusal_of_client(&error) {
                    let error = crate::tls::HandshakeError::new(error);
                    self.refused.set(Why::Tls(error.to_string()), Sent::Nothing);
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, error));
                }
                Err(error)
            }
        }
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
