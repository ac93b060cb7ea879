//! Opens connections: name lookup, TCP, TLS, and the version of HTTP.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use plugin_core::{BoxFuture, Code, PluginError, Sent, deadline::within, rounded};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::{
    body::Parts,
    driven::{DrivenConnection, Driving, Queue, Telling, UNTOLD},
    endpoint::{Endpoint, Place},
    first_words::{Carrier, FirstWords, Refused},
    interim::BoundedInterim,
    liveness::{Ear, Heard},
    socket,
    socket_path::SocketPath,
    spoken::Spoken,
    unfit::Unfit,
    version::HttpVersion,
    yielding::Paced,
};
#[cfg(feature = "tls")]
use crate::tls::{ClientTls, HandshakeError};
use crate::{
    connection::ConnectionConfig,
    dial::{DialError, Dialer, Dialing, Resolver},
};

/// An idle peer is asked whether it is still there (TCP keep-alive).
const ASK_AFTER: Duration = Duration::from_secs(60);

/// The longest head of an answer, and the longest trailers.
const MAX_HEAD: usize = 64 << 10;

pub(crate) type ConnectionTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection.
pub(crate) enum Opened {
    /// With the future that must be polled for it to live.
    Http1(http1::SendRequest<Parts>, ConnectionTask, Refused),
    Http2(OpenedHttp2),
}

/// A connection that is being driven, and whose peer has said how many calls it takes. It closes when the last sender is dropped.
pub(crate) struct OpenedHttp2 {
    pub(crate) sender: http2::SendRequest<Parts>,
    pub(crate) link: Arc<DrivenConnection>,
    /// Counts what is read from it.
    pub(crate) heard: Heard,
    pub(crate) refused: Refused,
}

/// What is to be known of a peer besides where it is.
pub(crate) struct PeerConfig<'c> {
    pub(crate) connection: &'c ConnectionConfig,
    pub(crate) version: HttpVersion,
    pub(crate) resolver: &'c Resolver,
    /// Of an answer that cannot be read.
    pub(crate) code: Code,
    /// Over HTTP/2, a peer that says nothing while calls are in flight is asked so often whether it is still there.
    pub(crate) ping_every: Duration,
    /// Its certificate is checked by these.
    #[cfg(feature = "tls")]
    pub(crate) tls: &'c dyn Fn() -> Result<ClientTls, PluginError>,
}

pub(crate) struct Connector {
    target: Target,
    /// Where it is, as the operator wrote it.
    origin: Arc<str>,
    timeout: Duration,
    version: HttpVersion,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    greeting: Option<Greeting>,
    code: Code,
    ping_every: Duration,
    /// The latest try has failed.
    is_lost: AtomicBool,
}

/// What is said on a new connection of HTTP/2 before any call is sent on it.
pub(crate) type Greeting = Arc<dyn Fn(http2::SendRequest<Parts>) -> BoxFuture<Result<(), PluginError>> + Send + Sync>;

/// Where connections go.
enum Target {
    Name(Arc<Dialer>),
    Socket(SocketPath),
}

#[cfg(feature = "tls")]
struct Tls {
    client: ClientTls,
    name: rustls_pki_types::ServerName<'static>,
}

impl Connector {
    /// Reads the files of TLS, where the endpoint has it.
    pub(crate) fn new(peer: &PeerConfig<'_>, endpoint: &Endpoint) -> Result<Self, PluginError> {
        let target = match &endpoint.place {
            Place::Host { host, port } => Target::Name(Arc::new(
                Dialer::new(host, *port)
                    .with_resolver(peer.resolver.clone())
                    .with_keep_alive(peer.connection.keep_alive().then_some(ASK_AFTER)),
            )),
            Place::Socket(socket) => Target::Socket(socket.clone()),
        };
        Self::over(target, peer, endpoint)
    }

    /// Likewise, for another endpoint: where it has the same origin as that of this one, the two know the same of its addresses.
    /// The files of TLS are the same for both, and read once.
    pub(crate) fn beside(&self, peer: &PeerConfig<'_>, own: &Endpoint, other: &Endpoint) -> Result<Self, PluginError> {
        #[cfg(feature = "tls")]
        let tls = || self.tls.as_ref().map_or_else(|| (peer.tls)(), |own| Ok(own.client.clone()));
        #[cfg(feature = "tls")]
        let peer = &PeerConfig { tls: &tls, ..*peer };
        match &self.target {
            Target::Name(dialer) if own.same_origin(other) => Self::over(Target::Name(Arc::clone(dialer)), peer, other),
            _ => Self::new(peer, other),
        }
    }

    /// Its side of TLS, where it speaks that.
    #[cfg(feature = "tls")]
    pub(crate) fn tls(&self) -> Option<&ClientTls> {
        self.tls.as_ref().map(|tls| &tls.client)
    }

    fn over(target: Target, peer: &PeerConfig<'_>, endpoint: &Endpoint) -> Result<Self, PluginError> {
        Ok(Self {
            target,
            origin: endpoint.as_written().into(),
            timeout: peer.connection.connection_timeout(),
            version: peer.version,
            #[cfg(feature = "tls")]
            tls: endpoint.tls.then(|| Tls::new(peer, endpoint)).transpose()?,
            greeting: None,
            code: peer.code,
            ping_every: peer.ping_every,
            is_lost: AtomicBool::new(false),
        })
    }

    /// The code of an answer that cannot be read.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// Says this on each new connection of HTTP/2, before any call is sent on it: one on which it fails is given up.
    #[cfg(feature = "grpc")]
    pub(crate) fn with_greeting(mut self, greeting: Option<Greeting>) -> Self {
        self.greeting = greeting;
        self
    }

    /// Says what is to be said on a new connection, within a time of its own that is as long as that for connecting.
    async fn greet(&self, opened: &OpenedHttp2) -> Result<(), PluginError> {
        let Some(greeting) = &self.greeting else { return Ok(()) };
        let greeted = within(self.timeout, greeting(opened.sender.clone())).await.unwrap_or_else(|| {
            let (origin, timeout) = (&self.origin, rounded(self.timeout));
            let said = |place: &str| format!("{place} did not answer `init` within {timeout}");
            Err(PluginError::connection(said(origin), Sent::Nothing).with_message_for_callers(said("the plugin")))
        });
        greeted.map_err(|error| opened.refused.error().unwrap_or(error))
    }

    /// Whether a connection may turn out to speak HTTP/2.
    pub(crate) fn may_be_http2(&self) -> bool {
        match self.version {
            HttpVersion::Http1 => false,
            HttpVersion::Http2 => true,
            #[cfg(feature = "tls")]
            HttpVersion::Auto => self.tls.is_some(),
            #[cfg(not(feature = "tls"))]
            HttpVersion::Auto => false,
        }
    }

    /// Opens a connection, and says on it what is to be said before any call. Dropping the future gives it up.
    ///
    /// Where the name has further addresses, each has a share of the limit for TLS and the beginning of HTTP/2 too: one that takes a
    /// connection and then says nothing is as dead as one that takes none.
    ///
    /// A connection of HTTP/2 has come about when its peer's settings are there, which it sends at once: a call that went out
    /// before them could neither be counted against what they allow, nor be told from one that a dead peer may have seen.
    ///
    /// Those in the queue are told when there may be another stream on it.
    pub(crate) async fn connect(&self, queue: &Arc<Queue>) -> Result<Opened, PluginError> {
        let opened = match self.open(queue).await {
            Ok(Opened::Http2(opened)) => self.greet(&opened).await.map(|()| Opened::Http2(opened)),
            opened => opened,
        };
        // Relaxed: of two that end at once either is the latest. Who is told of a failure knows it from the error.
        if self.is_lost() != opened.is_err() {
            self.is_lost.store(opened.is_err(), Ordering::Relaxed);
        }
        opened
    }

    /// Whether the latest try of a connection has failed.
    pub(crate) fn is_lost(&self) -> bool {
        // Relaxed: see `connect`.
        self.is_lost.load(Ordering::Relaxed)
    }

    async fn open(&self, queue: &Arc<Queue>) -> Result<Opened, PluginError> {
        match &self.target {
            Target::Name(dialer) => self.dial(dialer, queue).await,
            Target::Socket(socket) => self.open_socket(socket, queue).await,
        }
    }

    async fn open_socket(&self, socket: &SocketPath, queue: &Arc<Queue>) -> Result<Opened, PluginError> {
        let queue = (self.version == HttpVersion::Http2).then_some(queue);
        socket::open(socket, self.timeout, async |stream| {
            self.shake_hands(stream, Carrier::Plain, Ear::of_socket(), queue).await
        })
        .await
    }

    async fn dial(&self, dialer: &Arc<Dialer>, queue: &Arc<Queue>) -> Result<Opened, PluginError> {
        let mut dialing = Dialing::begin(dialer, self.timeout);
        let mut of_tls = false;
        loop {
            let (stream, address) = dialing.next().await.map_err(|error| self.fault(error, of_tls))?;
            let share = dialing.share();
            let is_secured = AtomicBool::new(!self.has_tls());
            match within(share, self.set_up(stream, Ear::new(dialer, address), queue, &is_secured)).await {
                Some(Ok(opened)) => {
                    dialing.taken();
                    return Ok(opened);
                }
                Some(Err(unfit)) => {
                    of_tls |= unfit.of_tls;
                    dialing.unfit(address, unfit.error, unfit.permanent);
                }
                None => {
                    // Less by what the lookup took: rounded, so that it reads well.
                    let share = Duration::from_millis(u64::try_from(share.as_millis()).unwrap_or(u64::MAX).max(1));
                    let is_secured = is_secured.into_inner();
                    of_tls |= !is_secured;
                    let what = match is_secured {
                        true => format!("HTTP/2 was not begun within {share:?}; does it speak that?"),
                        false => format!("TLS was not finished within {share:?}; does it speak TLS?"),
                    };
                    dialing.unfit(address, what, false);
                }
            }
        }
    }

    fn has_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    #[cfg_attr(not(feature = "tls"), allow(unused_variables, reason = "there is nothing to secure"))]
    async fn set_up(
        &self,
        stream: TcpStream,
        ear: Ear,
        queue: &Arc<Queue>,
        is_secured: &AtomicBool,
    ) -> Result<Opened, Unfit> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let connector = tokio_rustls::TlsConnector::from(tls.client.renewed().await);
            let stream = connector.connect(tls.name.clone(), stream).await.map_err(unfit_tls)?;
            is_secured.store(true, Ordering::Relaxed);
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            if self.version == HttpVersion::Http2 && !http2 {
                return Err(Unfit::for_good("it does not speak HTTP/2 (ALPN)"));
            }
            let is_tls13 = stream.get_ref().1.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
            let carrier = if is_tls13 { Carrier::Tls13 } else { Carrier::Tls12 };
            return self.shake_hands(stream, carrier, ear, http2.then_some(queue)).await;
        }
        self.shake_hands(stream, Carrier::Plain, ear, (self.version == HttpVersion::Http2).then_some(queue)).await
    }

    /// Over HTTP/2 where there is a queue.
    async fn shake_hands<I>(
        &self,
        stream: I,
        carrier: Carrier,
        ear: Ear,
        queue: Option<&Arc<Queue>>,
    ) -> Result<Opened, Unfit>
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let heard = ear.heard();
        let refused = Refused::new(Arc::clone(&self.origin));
        let asked = if queue.is_some() { Spoken::Http2 } else { Spoken::Http1 };
        let stream = Paced::watched(FirstWords::new(stream, carrier, asked, refused.clone()), ear);
        // A connection's own error also reaches the call that is on it, which tells it better.
        if let Some(queue) = queue {
            let telling = Telling { queue: Arc::clone(queue), opener: Arc::default() };
            let mut builder = http2::Builder::new(telling.clone());
            builder.timer(TokioTimer::new()).keep_alive_interval(self.ping_every).initial_max_send_streams(UNTOLD);
            builder.max_header_list_size(MAX_HEAD as u32);
            let begun = builder.handshake(TokioIo::new(stream)).await;
            let (sender, connection) =
                begun.map_err(|error| refusal(&refused).unwrap_or_else(|| Unfit::passing(error)))?;
            let link = DrivenConnection::new(connection, Arc::clone(&telling.opener));
            tokio::spawn(Driving { link: Arc::clone(&link), telling });
            if !link.is_told().await {
                return Err(self.before_settings(&refused));
            }
            return Ok(Opened::Http2(OpenedHttp2 { sender, link, heard, refused }));
        }
        let mut builder = http1::Builder::new();
        builder.max_header_size(MAX_HEAD);
        let io = TokioIo::new(BoundedInterim::new(stream));
        let (sender, connection) = builder.handshake(io).await.map_err(Unfit::passing)?;
        Ok(Opened::Http1(sender, Box::pin(async { drop(connection.await) }), refused))
    }

    /// The connection of HTTP/2 has ended before its peer has said how many calls it takes.
    fn before_settings(&self, refused: &Refused) -> Unfit {
        let hint = match (self.has_tls(), self.origin.starts_with("unix:")) {
            // Some close it without an alert.
            (true, _) => "does it ask for a client certificate (`cert_file`, `key_file`)?",
            (false, true) => "does it speak that?",
            (false, false) => "does it speak that, and no TLS?",
        };
        let closed = || Unfit::passing(format!("it closed the connection before it began HTTP/2; {hint}"));
        refusal(refused).unwrap_or_else(closed)
    }

    /// `of_tls`: it was TLS that did not come about.
    fn fault(&self, error: DialError, of_tls: bool) -> PluginError {
        let limit = rounded(self.timeout);
        let what = |place: &str| match (of_tls, error.is_timeout()) {
            (true, true) => format!("no TLS connection to {place} within {limit}"),
            (true, false) => format!("no TLS connection to {place}"),
            (false, true) => format!("no connection to {place} within {limit}"),
            (false, false) => format!("{place} cannot be reached"),
        };
        // Why it is so names the addresses.
        PluginError::connection(format!("{}: {error}", what(&self.origin)), Sent::Nothing)
            .with_message_for_callers(what("the plugin"))
            .with_retryable(!error.is_permanent())
            .with_source(error)
    }
}

#[cfg(feature = "tls")]
impl Tls {
    fn new(peer: &PeerConfig<'_>, endpoint: &Endpoint) -> Result<Self, PluginError> {
        let protocols: &[&[u8]] = match peer.version {
            HttpVersion::Http1 => &[b"http/1.1"],
            HttpVersion::Http2 => &[b"h2"],
            // One call per connection is HTTP/1.1's way.
            HttpVersion::Auto if !peer.connection.keep_alive() => &[b"http/1.1"],
            HttpVersion::Auto => &[b"h2", b"http/1.1"],
        };
        let client = (peer.tls)()?.with_protocols(protocols);
        let name = rustls_pki_types::ServerName::try_from(endpoint.host().to_owned()).map_err(|error| {
            PluginError::connection("the host cannot be in a certificate", Sent::Nothing).with_source(error)
        })?;
        Ok(Self { client, name })
    }
}

/// What the peer said of the connection, where it takes no part in it.
fn refusal(refused: &Refused) -> Option<Unfit> {
    let why = refused.why()?;
    Some(Unfit { permanent: refused.is_for_good(), of_tls: refused.is_of_tls(), ..Unfit::passing(why) })
}

/// A certificate that is not trusted now is not trusted in a second either.
#[cfg(feature = "tls")]
fn unfit_tls(error: std::io::Error) -> Unfit {
    let error = HandshakeError::new(error);
    Unfit { permanent: error.is_permanent(), ..Unfit::of_tls(error) }
}
