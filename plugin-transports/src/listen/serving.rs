//! A server that accepts connections and serves each of them, until it is told to stop.

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use plugin_core::{BoxError, Code, PluginError};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Listen,
    idle::{OpenConnection, ServedConnection},
    seldom::Seldom,
};

/// At the cap, how often an idle connection is asked to leave while another waits.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// How long to wait when no connection can be accepted, as when the process has no file handle left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server that is running, at an address such as `SocketAddr`. Dropping it stops it too, without
/// waiting: it accepts no more, and what is in flight ends in the background.
#[derive(Debug)]
#[must_use = "a server stops when this is dropped"]
pub struct Serving<A = SocketAddr> {
    address: A,
    stop: StopSignal,
    connections: TaskTracker,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct StopSignal {
    /// No new connection, and no new request on those there are.
    pub(crate) gentle: CancellationToken,
    /// Now.
    pub(crate) cut: CancellationToken,
}

/// Accepts connections and serves each with what `serve` makes for it, `cap` of them at once.
///
/// It must be called within a tokio runtime.
///
/// # Errors
///
/// When the listener does not know its own address.
pub(crate) fn start<L, F, Fut>(listener: L, cap: usize, serve: F) -> io::Result<Serving<L::Addr>>
where
    L: Listen,
    F: Fn(L::Stream, L::Peer, ServedConnection, StopSignal) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let address = listener.local_addr()?;
    let (stop, connections) = (StopSignal::default(), TaskTracker::new());
    connections.spawn(accept(listener, cap, serve, stop.clone(), connections.clone()));
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

async fn accept<L, F, Fut>(listener: L, cap: usize, serve: F, stop: StopSignal, tasks: TaskTracker)
where
    L: Listen,
    F: Fn(L::Stream, L::Peer, ServedConnection, StopSignal) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(cap));
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
    // It may go on for as long as the shortage.
    let shortage = Arc::new(Seldom::default());
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.gentle.cancelled() => return,
            accepted = next() => accepted,
        };
        match accepted {
            Ok((place, stream, peer)) => {
                let serving = serve(stream, peer.clone(), open.enter(), stop.clone());
                tasks.spawn(async move {
                    let _place = place;
                    if let Err(error) = serving.await {
                        tracing::debug!(?peer, %error, "a connection ended early");
                    }
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                shortage.happened(move |count| tracing::warn!(%error, count, "no connection can be accepted"));
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
