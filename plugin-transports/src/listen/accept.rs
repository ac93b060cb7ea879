//! Accepts connections and serves them, until it is told to stop.

use std::{future::poll_fn, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use http::{Request, Response, Version};
use http_body::Body;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use plugin_core::{
    BoxError, Code, PluginError,
    clock::{self, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_service::Service;

use super::{
    Listen, ListenOptions, Peer,
    idle::{OpenConnection, ServedConnection},
    linger::{lend, linger},
    open_body::Followed,
    stalled::Impatient,
    streams::Streams,
    write_timeout::Patience,
};
use crate::net::yielding::Paced;

/// Streams that one connection of HTTP/2 may have open.
const MAX_STREAMS: u32 = 256;

/// At the cap, how often an idle connection is asked to leave while another waits.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// How long a connection that is to end may take for the rest of a head of which it has sent a part.
const REST_OF_HEAD: Duration = Duration::from_secs(1);

/// How long to wait when no connection can be accepted, as when the process has no file handle left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// At most so often the log says that no connection can be accepted, which may go on for as long as the shortage.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// A server that is running, at an address such as `SocketAddr`. Dropping it stops it too, without waiting: it accepts no more, and what is in flight ends in
/// the background.
#[derive(Debug)]
#[must_use = "a server stops when this is dropped"]
pub struct Serving<A = SocketAddr> {
    address: A,
    stop: StopSignal,
    connections: TaskTracker,
}

#[derive(Clone, Debug, Default)]
struct StopSignal {
    /// No new connection, and no new request on those there are.
    gentle: CancellationToken,
    /// Now.
    cut: CancellationToken,
}

/// Serves any service for `http::Request`, such as a plugin's or an `axum::Router`, over HTTP/1.1 and HTTP/2. What the listener
/// knows of the other side, as a [`PeerAddr`](super::PeerAddr), is in the extensions of each request.
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
    let address = listener.local_addr()?;
    let (stop, connections) = (StopSignal::default(), TaskTracker::new());
    connections.spawn(accept(service, listener, options, stop.clone(), connections.clone()));
    Ok(Serving { address, stop, connections })
}

impl<A> Serving<A> {
    /// Where it listens. With port 0 asked for, this has the one that was given.
    #[must_use]
    pub fn local_addr(&self) -> A
    where
        A: Clone,
    {
        self.address.clone()
    }

    /// Stops: accepts no more, lets what is in flight end, and cuts it off when `grace` has passed. A connection that has sent
    /// a part of a head and nothing else is given a second for the rest.
    ///
    /// # Errors
    ///
    /// `LIFECYCLE_2101` when something had to be cut off.
    pub async fn shutdown(self, grace: Duration) -> Result<(), PluginError> {
        self.stop.gentle.cancel();
        self.connections.close();
        if tokio::time::timeout(grace, self.connections.wait()).await.is_ok() {
            return Ok(());
        }
        let left = self.connections.len();
        self.stop.cut.cancel();
        self.connections.wait().await;
        let message = format!("{left} connections were still busy after {grace:?}, and were cut off");
        Err(PluginError::new(Code::Draining, message))
    }
}

impl<A> Drop for Serving<A> {
    fn drop(&mut self) {
        self.stop.gentle.cancel();
    }
}

async fn accept<S, B, L>(service: S, listener: L, options: ListenOptions, stop: StopSignal, tasks: TaskTracker)
where
    L: Listen,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(options.max_connections));
    let options = Arc::new(options);
    let open = Arc::new(OpenConnection::default());
    let next = async || {
        let (stream, peer) = listener.accept().await?;
        // One more than the cap, which is not served until there is room: an idle one makes it.
        let mut room = pin!(Arc::clone(&places).acquire_owned());
        let mut wait = Duration::ZERO;
        loop {
            if let Ok(place) = tokio::time::timeout(wait, room.as_mut()).await {
                // It is never closed.
                return Ok((place.map_err(io::Error::other)?, stream, peer));
            }
            open.ask_one_to_leave();
            wait = ASK_EVERY;
        }
    };
    let mut told: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.gentle.cancelled() => return,
            accepted = next() => accepted,
        };
        match accepted {
            Ok((place, stream, peer)) => {
                let (service, options, stop, known) =
                    (service.clone(), Arc::clone(&options), stop.clone(), open.enter());
                tasks.spawn(async move {
                    let _place = place;
                    if let Err(error) = connection(service, stream, &peer, known, &options, &stop).await {
                        tracing::debug!(?peer, %error, "a connection ended early");
                    }
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                let now = clock::now();
                if told.is_none_or(|at| now.saturating_since(at) >= TELL_EVERY) {
                    tracing::warn!(%error, "no connection can be accepted");
                    told = Some(now);
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The other side went away before it was accepted: the next one may be fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn connection<S, B, I>(
    service: S,
    stream: I,
    peer: &impl Peer,
    known: ServedConnection,
    options: &ListenOptions,
    stop: &StopSignal,
) -> Result<(), BoxError>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    #[cfg(feature = "tls")]
    if let Some(tls) = &options.tls {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(tls.get_ref()));
        let stream = tokio::select! {
            () = stop.gentle.cancelled() => return Ok(()),
            () = known.asked_to_leave() => return Ok(()),
            accepted = tokio::time::timeout(options.head_timeout, acceptor.accept(stream)) => accepted??,
        };
        return drive(service, stream, peer, known, options, stop).await;
    }
    drive(service, stream, peer, known, options, stop).await
}

async fn drive<S, B, I>(
    service: S,
    stream: I,
    peer: &impl Peer,
    known: ServedConnection,
    options: &ListenOptions,
    stop: &StopSignal,
) -> Result<(), BoxError>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
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
        let end = tokio::select! {
            result = connection.as_mut() => {
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
            () = stop.cut.cancelled() => return Ok(()),
            () = stop.gentle.cancelled(), if !stopping => {
                stopping = true;
                true
            }
            () = asked.as_mut(), if !ending => {
                if !known.has_begun() {
                    return Ok(());
                }
                true
            }
            () = idle.as_mut(), if !ending => {
                let quiet = known.quiet_for().filter(|_| known.has_begun()).unwrap_or_default();
                idle.set(sleep(options.idle_timeout.saturating_sub(quiet)));
                quiet >= options.idle_timeout
            }
            () = rest.as_mut(), if ending => {
                // What is answered keeps it open, and so does the last of an answer for as long as it may stand still.
                let patience = if known.holds() { patience.limit() } else { Duration::ZERO };
                if known.quiet_for().is_some_and(|quiet| quiet >= patience) {
                    return Ok(());
                }
                rest.set(sleep(REST_OF_HEAD));
                false
            }
            () = head.as_mut(), if waiting_for_head => {
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
