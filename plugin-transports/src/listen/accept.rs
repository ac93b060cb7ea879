//! Serves HTTP on the connections of a listener.

use std::{future::poll_fn, io, pin::pin, sync::Arc, time::Duration};

#[cfg(feature = "tls")]
use http::Extensions;
use http::{Request, Response, Version};
use http_body::Body;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use plugin_core::BoxError;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};
use tower_service::Service;

use super::{
    Listen, ListenOptions, Peer, Serving,
    aside::Aside,
    idle::ServedConnection,
    linger::{lend, linger},
    open_body::Followed,
    serving::{self, StopSignal},
    stalled::Impatient,
    streams::Streams,
    write_timeout::Patience,
};
use crate::net::yielding::Paced;
#[cfg(feature = "tls")]
use {
    super::seldom::Seldom,
    crate::tls::{HandshakeError, PeerCertificate},
};

/// Streams that one connection of HTTP/2 may have open.
const MAX_STREAMS: u32 = 256;

/// How long a connection that is to end may take for the rest of a head of which it has sent a part.
const REST_OF_HEAD: Duration = Duration::from_secs(1);

/// Serves any service for `http::Request`, such as a plugin's or an `axum::Router`, over HTTP/1.1 and HTTP/2. What the listener
/// knows of the other side, as a [`PeerAddr`](super::PeerAddr), is in the extensions of each request, and so is the certificate of a
/// client that has shown one (`tls::PeerCertificate`).
///
/// It must be called within a tokio runtime.
///
/// # Errors
///
/// When the listener does not know its own address.
pub fn serve_http<S, B, L>(service: S, listener: L, options: ListenOptions) -> io::Result<Serving<L::Addr>>
where
    L: Listen,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    serve_each(move |_| service.clone(), listener, options)
}

/// The same with a service that is made for each connection, of what tells when the server is to stop.
pub(crate) fn serve_each<S, B, L>(
    make: impl Fn(&StopSignal) -> S + Send + 'static,
    listener: L,
    options: ListenOptions,
) -> io::Result<Serving<L::Addr>>
where
    L: Listen,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let cap = options.max_connections;
    let listening = Arc::new(Listening {
        options,
        #[cfg(feature = "tls")]
        no_tls: Arc::default(),
    });
    serving::start(listener, cap, move |stream, peer: L::Peer, known, stop| {
        let (service, listening) = (make(&stop), Arc::clone(&listening));
        async move { connection(service, stream, &peer, known, &listening, &stop).await }
    })
}

/// What all connections of a listener share.
struct Listening {
    options: ListenOptions,
    /// Handshakes of TLS in which one side does not accept the other.
    #[cfg(feature = "tls")]
    no_tls: Arc<Seldom>,
}

async fn connection<S, B, I>(
    service: S,
    stream: I,
    peer: &impl Peer,
    known: ServedConnection,
    listening: &Listening,
    stop: &StopSignal,
) -> Result<(), BoxError>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let options = &listening.options;
    #[cfg(feature = "tls")]
    if let Some(tls) = &options.tls {
        let acceptor = tokio_rustls::TlsAcceptor::from(tls.renewed().await);
        let stream = tokio::select! {
            () = stop.gentle.cancelled() => return Ok(()),
            () = known.asked_to_leave() => return Ok(()),
            accepted = tokio::time::timeout(options.head_timeout, acceptor.accept(stream).into_fallible()) => accepted?,
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err((error, mut stream)) => {
                let error = HandshakeError::of_client(error);
                // Who connects and closes, as probes of a port do, is no trouble. Who it is, is for those to know who ask for more
                // than warnings: it may be a person's address.
                if error.is_permanent() {
                    let error = error.to_string();
                    listening.no_tls.happened(move |count| tracing::warn!(error, count, "no TLS with a client"));
                }
                // What was said of the handshake is lost where the connection is reset, see `linger`.
                tokio::io::AsyncWriteExt::shutdown(&mut stream).await?;
                tokio::select! {
                    () = linger(&mut stream, stop.gentle.is_cancelled()) => {}
                    () = stop.cut.cancelled() => {}
                    () = known.asked_to_leave() => {}
                }
                return Err(error.into());
            }
        };
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let peer = Certified { peer: peer.clone(), certificate: shown.map(|der| PeerCertificate::new(der)) };
        return drive(&peer, service, stream, known, options, stop).await;
    }
    drive(peer, service, stream, known, options, stop).await
}

/// The other side, and what it has shown.
#[cfg(feature = "tls")]
#[derive(Clone, Debug)]
struct Certified<P> {
    peer: P,
    certificate: Option<PeerCertificate>,
}

#[cfg(feature = "tls")]
impl<P: Peer> Peer for Certified<P> {
    fn tell(&self, extensions: &mut Extensions) {
        self.peer.tell(extensions);
        if let Some(certificate) = &self.certificate {
            extensions.insert(certificate.clone());
        }
    }
}

/// What happens beside the requests of a connection.
enum Beside {
    /// The server ends.
    Cut,
    /// The server is to end.
    Stopping,
    /// Another connection needs the room.
    Asked,
    /// It was idle for long, or that is to be looked at.
    Idle,
    /// A connection that is to end has had its time for that.
    Rest,
    /// The first head has had its time.
    Head,
}

async fn drive<S, B, I>(
    peer: &impl Peer,
    service: S,
    stream: I,
    known: ServedConnection,
    options: &ListenOptions,
    stop: &StopSignal,
) -> Result<(), BoxError>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let patience = Patience::new(options.write_timeout, stop.gentle.clone());
    let mut builder = auto::Builder::new(Streams::new(patience.clone()));
    // Whether the peer lives; whether it wants anything is asked below, for either version.
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(options.idle_timeout)
        .max_concurrent_streams(MAX_STREAMS);

    let known = Arc::new(known);
    let (stream, comes_back) = lend(Impatient::new(Paced::new(stream), patience.clone(), known.stalled()));
    let io = TokioIo::new(stream);
    let (of_requests, told) = (Arc::clone(&known), peer.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (busy, version) = (of_requests.begin(), request.version());
        // Over HTTP/2 a stream that is not read to its end is reset, and nothing else with it.
        if version < Version::HTTP_2 && !request.body().is_end_stream() {
            of_requests.has_a_body();
        }
        told.tell(request.extensions_mut());
        let mut service = service.clone();
        async move {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            let response = service.call(request).await?;
            Ok::<_, S::Error>(response.map(|body| Followed::new(body, busy, version)))
        }
    });
    let mut connection = Box::pin(builder.serve_connection_with_upgrades(io, service));
    let (mut head, mut idle) = (pin!(sleep(options.head_timeout)), pin!(sleep(options.idle_timeout)));
    // Begins anew when the connection is to end.
    let mut rest = pin!(sleep(REST_OF_HEAD));
    let mut asked = pin!(known.asked_to_leave());
    let (mut ending, mut stopping, mut waiting_for_head) = (false, false, true);
    loop {
        let happened = {
            let beside = pin!(Aside::new(async {
                tokio::select! {
                    biased;
                    () = stop.cut.cancelled() => Beside::Cut,
                    () = stop.gentle.cancelled(), if !stopping => Beside::Stopping,
                    () = asked.as_mut(), if !ending => Beside::Asked,
                    () = idle.as_mut(), if !ending => Beside::Idle,
                    () = rest.as_mut(), if ending => Beside::Rest,
                    () = head.as_mut(), if waiting_for_head => Beside::Head,
                }
            }));
            tokio::select! {
                biased;
                result = connection.as_mut() => Err(result),
                beside = beside => Ok(beside),
            }
        };
        let end = match happened {
            Err(result) => {
                // What is left of it goes, and with it the stream comes back.
                drop(connection);
                if let Some(mut stream) = comes_back.await.ok().filter(|_| known.had_a_body()) {
                    tokio::select! {
                        () = linger(&mut stream, stop.gentle.is_cancelled()) => {}
                        () = stop.cut.cancelled() => {}
                        () = known.asked_to_leave() => {}
                    }
                }
                return result;
            }
            Ok(Beside::Cut) => return Ok(()),
            Ok(Beside::Stopping) => {
                stopping = true;
                true
            }
            Ok(Beside::Asked) => {
                if !known.has_begun() {
                    return Ok(());
                }
                true
            }
            Ok(Beside::Idle) => {
                let quiet = known.quiet_for().filter(|_| known.has_begun()).unwrap_or_default();
                idle.set(sleep(options.idle_timeout.saturating_sub(quiet)));
                quiet >= options.idle_timeout
            }
            Ok(Beside::Rest) => {
                // What is answered keeps it open, and so does the last of an answer for as long as it may stand still.
                let patience = if known.holds() { patience.limit() } else { Duration::ZERO };
                if known.quiet_for().is_some_and(|quiet| quiet >= patience) {
                    return Ok(());
                }
                rest.set(sleep(REST_OF_HEAD));
                false
            }
            Ok(Beside::Head) => {
                if !known.has_begun() {
                    return Ok(());
                }
                waiting_for_head = false;
                false
            }
        };
        if end && !ending {
            ending = true;
            connection.as_mut().graceful_shutdown();
            rest.set(sleep(REST_OF_HEAD));
        }
    }
}
