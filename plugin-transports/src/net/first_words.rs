//! What a peer says of a connection itself before it says anything else on it.
//!
//! Under TLS 1.3 the handshake has ended for a client before the server has looked at its certificate, so that a refusal comes with
//! the first read, when a call is on its way. It is no lost connection: the server took no part in it, and has seen nothing of
//! the call. Who speaks another protocol than it was asked in ([`Spoken`]) takes no part in it either, but may have read a request
//! that was written before it spoke.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use plugin_core::{PluginError, Sent};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

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
    /// What was to be this is nothing that is known here. What it is nobody is shown: a peer may say what it was sent in confidence on
    /// another connection.
    Unknown(Spoken),
}

impl Why {
    /// What callers hear, who can change nothing of it.
    fn for_callers(&self) -> &'static str {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(_) => "no TLS connection to the plugin",
            Self::Speaks(..) | Self::Unknown(_) => "the plugin cannot be reached",
        }
    }

    /// As a sentence about a peer.
    fn of(&self, peer: &str, is_socket: bool) -> String {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(said) => format!("no TLS connection to {peer}: {said}"),
            Self::Speaks(spoken, asked) => spoken.instead_of(*asked, peer, is_socket),
            Self::Unknown(asked) => {
                format!("{peer} does not speak {}, nor anything else that is known here", asked.named())
            }
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
        Some(error.with_message_for_callers(why.for_callers()))
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

/// A peer that refuses closes the connection, so that what is written fails before what it said was read. So long that is waited for.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A connection whose first words are listened to. They are handed on when it is known what they are, so that nobody takes a part of
/// them for something else.
#[derive(Debug)]
pub(crate) struct FirstWords<I> {
    inner: I,
    carrier: Carrier,
    asked: Spoken,
    refused: Refused,
    /// What came first, as much of it as says what it is, and how much of that was handed on.
    first: ([u8; ENOUGH], usize),
    handed_on: usize,
    /// What came is what was to come, or nothing that is known here.
    heard: bool,
    has_written: bool,
    /// There since something could not be written.
    last_words: Option<Pin<Box<Sleep>>>,
}

impl<I> FirstWords<I> {
    /// Listens to what comes on a connection on which is asked in this version of HTTP.
    pub(crate) fn new(inner: I, carrier: Carrier, asked: Spoken, refused: Refused) -> Self {
        let first = ([0; ENOUGH], 0);
        Self { inner, carrier, asked, refused, first, handed_on: 0, heard: false, has_written: false, last_words: None }
    }

    /// More of it has come, or its end.
    fn note_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (first, length) = &mut self.first;
        first[*length..][..bytes.len()].copy_from_slice(bytes);
        *length += bytes.len();
        let why = match Spoken::of(&first[..*length]) {
            Heard::TooLittle if !bytes.is_empty() => return Ok(()),
            Heard::Spoken(spoken)
                if spoken != self.asked && (spoken != Spoken::Tls || self.carrier == Carrier::Plain) =>
            {
                Why::Speaks(spoken, self.asked)
            }
            // A server of HTTP/1.1 says nothing before it is asked.
            Heard::SomethingElse if self.asked == Spoken::Http2 || !self.has_written => Why::Unknown(self.asked),
            _ => {
                self.heard = true;
                return Ok(());
            }
        };
        // Over HTTP/2 nothing is sent before the peer has begun it too. Otherwise who speaks when a request was written may have
        // read it, whatever it says.
        let may_have_read = self.has_written && self.asked != Spoken::Http2;
        self.refused.set(why, if may_have_read { Sent::Maybe } else { Sent::Nothing });
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the other side speaks another protocol"))
    }

    /// Nothing more can be read.
    fn note_error(&mut self, error: io::Error) -> io::Error {
        #[cfg(feature = "tls")]
        if self.carrier == Carrier::Tls13 && crate::tls::HandshakeError::is_refusal_of_client(&error) {
            let error = crate::tls::HandshakeError::new(error);
            self.refused.set(Why::Tls(error.to_string()), Sent::Nothing);
            return io::Error::new(io::ErrorKind::ConnectionAborted, error);
        }
        error
    }
}

impl<I: AsyncRead + Unpin> FirstWords<I> {
    /// Resolves when it is known what the peer says.
    fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.heard {
            let mut room = [0; ENOUGH];
            let mut buf = ReadBuf::new(&mut room[self.first.1..]);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf)) {
                Ok(()) => self.note_bytes(buf.filled())?,
                Err(error) => return Poll::Ready(Err(self.note_error(error))),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn wrote<T>(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if self.heard || !matches!(wrote, Poll::Ready(Err(_))) {
            return wrote;
        }
        match self.poll_heard(cx) {
            Poll::Ready(Err(refusal)) if self.refused.is_so() => Poll::Ready(Err(refusal)),
            Poll::Ready(_) => wrote,
            Poll::Pending => {
                let last_words = self.last_words.get_or_insert_with(|| Box::pin(tokio::time::sleep(LAST_WORDS)));
                ready!(last_words.as_mut().poll(cx));
                wrote
            }
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for FirstWords<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.heard {
            ready!(self.poll_heard(cx))?;
        }
        let (first, length) = self.first;
        if self.handed_on < length {
            let some = (length - self.handed_on).min(buf.remaining());
            buf.put_slice(&first[self.handed_on..][..some]);
            self.handed_on += some;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for FirstWords<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.has_written = true;
        let wrote = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.has_written = true;
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

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, io::IoSlice};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    const HTTP1: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";

    /// What a peer says, read by read, and whether it takes what it is sent.
    struct Peer {
        says: VecDeque<io::Result<&'static [u8]>>,
        takes: bool,
        is_shut: bool,
    }

    impl AsyncRead for Peer {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let said = self.says.pop_front().unwrap_or(Ok(&[]))?;
            let (some, rest) = said.split_at(said.len().min(buf.remaining()));
            buf.put_slice(some);
            if !rest.is_empty() {
                self.says.push_front(Ok(rest));
            }
            Poll::Ready(Ok(()))
        }
    }

    impl Peer {
        fn took<T>(&self, took: T) -> Poll<io::Result<T>> {
            Poll::Ready(if self.takes { Ok(took) } else { Err(io::ErrorKind::BrokenPipe.into()) })
        }
    }

    impl AsyncWrite for Peer {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.took(bytes.len())
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            parts: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.took(parts.iter().map(|part| part.len()).sum())
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.took(())
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.is_shut = true;
            Poll::Ready(Ok(()))
        }
    }

    fn listening(
        carrier: Carrier,
        asked: Spoken,
        says: impl IntoIterator<Item = io::Result<&'static [u8]>>,
    ) -> FirstWords<Peer> {
        let peer = Peer { says: says.into_iter().collect(), takes: true, is_shut: false };
        FirstWords::new(peer, carrier, asked, Refused::new("http://p.example".into()))
    }

    #[tokio::test]
    async fn words_that_come_in_parts_are_one_and_callers_do_not_hear_where_the_peer_is() {
        let mut words = listening(Carrier::Plain, Spoken::Http2, HTTP1.chunks(3).map(Ok));
        // The room that it reads into is never empty after the first part.
        let error = words.read_exact(&mut [0; 28]).await.expect_err("another protocol");
        assert_eq!((error.kind(), words.inner.says.len()), (io::ErrorKind::ConnectionAborted, 7));
        let error = words.refused.error().expect("it is refused");
        let says = " speaks HTTP/1.1, and was asked in HTTP/2: ";
        assert!(error.message().starts_with(&format!("http://p.example{says}")), "{error:?}");
        assert_eq!(error.message_for_callers(), "the plugin cannot be reached");

        let mut words = listening(Carrier::Plain, Spoken::Http1, HTTP1.chunks(3).map(Ok));
        words.read_exact(&mut [0; 28]).await.expect("what was asked for");
        assert!(!words.refused.is_so());
    }

    #[tokio::test]
    async fn what_a_peer_says_is_judged_by_what_it_was_asked_in_and_over() {
        let lines = b"{\"type\":\"result\"}\n";
        for (asked, said, has_written, sent) in [
            (Spoken::Http1, SETTINGS, false, Sent::Nothing),
            // Whoever speaks when a request was written may have read it, whatever it says.
            (Spoken::Http1, SETTINGS, true, Sent::Maybe),
            (Spoken::Http1, lines, false, Sent::Nothing),
            (Spoken::Http1, lines, true, Sent::Maybe),
            // The preface of HTTP/2 is no request.
            (Spoken::Http2, b"SSH-2.0-x", true, Sent::Nothing),
            (Spoken::Http2, lines, true, Sent::Nothing),
        ] {
            let mut words = listening(Carrier::Plain, asked, [Ok(said)]);
            if has_written {
                words.write_all(b"PRI * HTTP/2.0\r\n").await.expect("it takes it");
            }
            words.read(&mut [0; 64]).await.expect_err("another protocol");
            assert_eq!(words.refused.error().map(|error| error.sent()), Some(sent), "{asked:?} {said:?}");
        }
    }

    #[tokio::test]
    async fn what_a_peer_of_http1_says_before_it_is_asked_is_another_protocol() {
        let mut words = listening(Carrier::Plain, Spoken::Http1, [Ok(&b"SSH-2.0-x"[..])]);
        words.read(&mut [0; 64]).await.expect_err("another protocol");
        let error = words.refused.error().expect("it is refused");
        assert_eq!((error.sent(), error.is_retryable()), (Sent::Nothing, true));
        assert!(error.message().contains("does not speak HTTP/1.1, nor anything else that is known"), "{error}");

        // Who reads an answer knows better what is wrong with it.
        let mut words = listening(Carrier::Plain, Spoken::Http1, [Ok(&b"SSH-2.0-x"[..])]);
        words.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("it takes it");
        assert_eq!(words.read(&mut [0; 64]).await.expect("an answer"), 9);
        assert!(!words.refused.is_so());
    }

    /// It says nothing for a while, and then what it has against it; or never.
    #[tokio::test(start_paused = true)]
    async fn the_last_words_of_a_peer_that_takes_nothing_are_waited_for_and_not_for_long() {
        for (after, is_named) in [(LAST_WORDS / 2, true), (LAST_WORDS * 2, false)] {
            let (near, mut far) = tokio::io::duplex(64);
            let peer = Closed(near);
            let mut words =
                FirstWords::new(peer, Carrier::Plain, Spoken::Http2, Refused::new("http://p.example".into()));
            let (wrote, ()) = tokio::join!(words.write(b"1"), async {
                tokio::time::sleep(after).await;
                let _ = far.write_all(HTTP1).await;
            });
            wrote.expect_err("it takes nothing");
            assert_eq!(words.refused.is_so(), is_named, "after {after:?}");
        }
    }

    /// Takes nothing.
    struct Closed(tokio::io::DuplexStream);

    impl AsyncRead for Closed {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Closed {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_write_that_fails_asks_what_was_said_and_no_other_does() {
        for how in 0..3 {
            let write = async |words: &mut FirstWords<Peer>| match how {
                0 => words.write(b"1").await.map(drop),
                1 => words.write_vectored(&[IoSlice::new(b"1")]).await.map(drop),
                _ => words.flush().await,
            };
            let mut words = listening(Carrier::Plain, Spoken::Http2, [Ok(HTTP1)]);
            write(&mut words).await.expect("it takes it");
            assert_eq!(words.inner.says.len(), 1, "it is for who reads");
            words.inner.takes = false;
            let error = write(&mut words).await.expect_err("it has gone");
            assert_eq!((error.kind(), words.refused.is_so()), (io::ErrorKind::ConnectionAborted, true));

            for says in [Ok(&SETTINGS[..3]), Err(io::ErrorKind::ConnectionReset.into())] {
                let mut words = listening(Carrier::Plain, Spoken::Http2, [says]);
                words.inner.takes = false;
                let error = write(&mut words).await.expect_err("it has gone");
                assert_eq!((error.kind(), words.refused.is_so()), (io::ErrorKind::BrokenPipe, false));
            }

            let mut words = listening(Carrier::Plain, Spoken::Http2, [Ok(SETTINGS), Ok(b"an answer")]);
            assert_eq!(words.read(&mut [0; 64]).await.expect("the right words"), SETTINGS.len());
            words.inner.takes = false;
            write(&mut words).await.expect_err("it has gone");
            assert_eq!(words.inner.says.len(), 1, "what comes behind the first words is for who reads");
        }
        let mut words = listening(Carrier::Plain, Spoken::Http2, []);
        assert!(words.is_write_vectored());
        words.shutdown().await.expect("it takes it");
        assert!(words.inner.is_shut);
    }

    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn a_server_of_tls_13_refuses_its_client_by_its_first_words_alone() {
        use rustls::AlertDescription as Alert;

        let alert = |alert| Err(io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert)));
        let refuses = || alert(Alert::CertificateRequired);
        for (carrier, says, is_refused) in [
            (Carrier::Tls13, vec![refuses()], true),
            (Carrier::Tls12, vec![refuses()], false),
            (Carrier::Tls13, vec![alert(Alert::InternalError)], false),
            (Carrier::Tls13, vec![Err(io::ErrorKind::ConnectionReset.into())], false),
            (Carrier::Tls13, vec![Ok(SETTINGS), refuses()], false),
        ] {
            let mut words = listening(carrier, Spoken::Http2, says);
            words.read_to_end(&mut Vec::new()).await.expect_err("it is an end with an error");
            let refused = &words.refused;
            assert_eq!([refused.is_so(), refused.is_of_tls(), refused.is_for_good()], [is_refused; 3], "{carrier:?}");
            if is_refused {
                let why = refused.why().expect("it is refused");
                assert!(why.starts_with("it refused the handshake: certificate required"), "{why}");
                let error = refused.error().expect("it is refused");
                assert_eq!(error.message(), format!("no TLS connection to http://p.example: {why}"));
            }
        }
    }

    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn under_tls_another_http_is_heard_and_another_tls_is_none() {
        for carrier in [Carrier::Tls12, Carrier::Tls13] {
            let mut words = listening(carrier, Spoken::Http2, [Ok(HTTP1)]);
            words.read(&mut [0; 64]).await.expect_err("another protocol");
            assert!(words.refused.is_so() && !words.refused.is_of_tls());
            let mut words = listening(carrier, Spoken::Http1, [Ok(&[0x15, 3, 1, 0, 2, 2, 10][..])]);
            assert_eq!(words.read(&mut [0; 64]).await.expect("it is for who reads"), 7);
            assert!(!words.refused.is_so());
        }
    }
}
