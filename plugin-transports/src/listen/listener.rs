//! What connections come from.

use std::{fmt, future::Future, io, net::SocketAddr};

use http::Extensions;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

use super::HostGuard;

/// A listener. `TcpListener` is one, and so is a `UnixSocket` of this crate.
///
/// It is public to be named and not to be implemented: what it demands may grow.
pub trait Listen: Send + Sync + 'static {
    /// What it accepts.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Where it listens.
    type Addr: Clone + fmt::Debug + Send + Sync + 'static;
    /// What is known of the other side.
    type Peer: Peer;

    /// Where it listens. With port 0 asked for, this has the one that was given.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    fn local_addr(&self) -> io::Result<Self::Addr>;

    /// The next connection. Dropping the future loses none.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::Peer)>> + Send;

    /// What keeps pages of other sites out, where a browser can connect to it.
    ///
    /// # Errors
    ///
    /// When the system does not say where it listens.
    fn host_guard(&self) -> io::Result<Option<HostGuard>>;
}

/// What a listener knows of the other side of a connection.
pub trait Peer: Clone + fmt::Debug + Send + Sync + 'static {
    /// Puts it into the extensions of a request.
    fn tell(&self, extensions: &mut Extensions);
}

/// The address of the other side. [`serve_http`](super::serve_http) puts it into the extensions of every request that comes over TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);

impl Peer for PeerAddr {
    fn tell(&self, extensions: &mut Extensions) {
        extensions.insert(*self);
    }
}

impl Listen for TcpListener {
    type Stream = TcpStream;
    type Addr = SocketAddr;
    type Peer = PeerAddr;

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }

    async fn accept(&self) -> io::Result<(TcpStream, PeerAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((stream, PeerAddr(peer)))
    }

    fn host_guard(&self) -> io::Result<Option<HostGuard>> {
        Ok(Some(HostGuard::new(Self::local_addr(self)?.ip())))
    }
}
