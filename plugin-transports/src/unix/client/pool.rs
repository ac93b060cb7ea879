//! The connections to one socket.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use plugin_core::{BoxFuture, PluginError, clock::Instant, deadline::cut::Line};
use tokio::net::UnixStream;

use super::connection::LineConnection;
use crate::{
    connection::ConnectionConfig,
    listen::SocketPath,
    net::{
        exclusive::Exclusive,
        losses::Losses,
        progress::{CallProgress, CallStage},
        reach::Reachable,
        socket,
    },
};

pub(super) struct UnixPool {
    own: Arc<Exclusive<LineConnection>>,
    losses: Arc<Losses>,
    socket: SocketPath,
    timeout: Duration,
    max_line: usize,
    /// The latest try of a connection has failed.
    is_lost: AtomicBool,
}

impl UnixPool {
    pub(super) fn new(socket: SocketPath, config: &ConnectionConfig, max: usize, max_line: usize) -> Arc<Self> {
        let own = Exclusive::new(config, max);
        let losses = Losses::new(own.line());
        let timeout = config.connection_timeout();
        Arc::new(Self { own, losses, socket, timeout, max_line, is_lost: AtomicBool::new(false) })
    }

    /// A connection to send this request on, in turn, for a call that began `now`. Dropping the future gives up the place in
    /// line.
    pub(super) async fn checkout(
        self: &Arc<Self>,
        request_id: &str,
        now: Instant,
        progress: &CallProgress,
    ) -> Result<Lease, PluginError> {
        let permit = self.own.permit(progress).await?;
        // Those that are closed here are none of the connections that the permits stand for.
        let usable = |idle: &LineConnection| idle.is_quiet() && idle.takes(request_id);
        let idle = std::iter::from_fn(|| self.own.pop_idle(now)).find(usable);
        let connection = match idle {
            Some(idle) => idle.again(permit),
            None => {
                progress.set(CallStage::Connecting);
                // In a box of its own: most calls find one that is there.
                LineConnection::new(Box::pin(self.open()).await?, self.max_line, permit)
            }
        };
        Ok(Lease { connection: Some(connection), pool: Arc::clone(self) })
    }

    async fn open(&self) -> Result<UnixStream, PluginError> {
        let opened = socket::open(&self.socket, self.timeout, async |stream| Ok(stream)).await;
        // Relaxed: who reads it a moment late is told so a moment later.
        self.is_lost.store(opened.is_err(), Ordering::Relaxed);
        opened
    }

    /// Closes what is idle and turns away who waits or comes.
    pub(super) fn close(&self) {
        self.own.close();
    }

    /// What the plugin answers, of all its calls.
    pub(super) fn line(&self) -> &Line {
        self.own.line()
    }

    pub(super) fn socket(&self) -> &SocketPath {
        &self.socket
    }

    pub(super) fn max_line(&self) -> usize {
        self.max_line
    }

    pub(super) fn free(&self) -> usize {
        self.own.free()
    }

    /// Whether a call was answered since then on a connection that was then kept.
    pub(super) fn has_answered_since(&self, then: Instant) -> bool {
        self.own.has_answered_since(then)
    }
}

impl Reachable for UnixPool {
    fn is_lost(&self) -> bool {
        // Relaxed: see `open`.
        self.is_lost.load(Ordering::Relaxed) || self.losses.is_latest()
    }

    fn connect(self: Arc<Self>) -> BoxFuture<Result<(), PluginError>> {
        Box::pin(async move { self.open().await.map(drop) })
    }
}

/// A connection that nobody else uses. Dropped before it is finished, it is cut off: an answer that is still to come must not
/// reach another caller.
pub(super) struct Lease {
    connection: Option<LineConnection>,
    pool: Arc<UnixPool>,
}

impl Lease {
    pub(super) fn connection(&mut self) -> Option<&mut LineConnection> {
        self.connection.as_mut()
    }

    /// It is not used again.
    pub(super) fn cut_off(mut self) -> Self {
        self.connection = None;
        self
    }

    /// Its connection ended with a call on it.
    pub(super) fn is_lost(&self) {
        self.pool.losses.ended();
    }

    /// The answer has been read, and the connection can be used again, unless something came behind it.
    pub(super) fn finish(mut self) {
        if let Some(connection) = self.connection.take().filter(LineConnection::has_read_all) {
            self.pool.own.give_back(connection);
        }
    }
}
