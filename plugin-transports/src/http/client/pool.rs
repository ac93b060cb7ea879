//! The connections to one origin.
//!
//! A permit stands for a connection in use, and waiters are served in order. Connections that are idle hold none, and a new
//! one is opened only when none is idle, so that the two together never exceed the cap: at the moment of opening there are
//! at most as many as permits, and afterwards one more in use is one fewer idle.
//!
//! Over HTTP/2 calls share a connection, see [`sharing`].

mod sharing;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::client::conn::http1;
use plugin_core::{
    Code, PluginError, Rejected, Sent,
    clock::{self, Instant},
    deadline::cut::Line,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError},
    task::AbortHandle,
};

use super::{
    connect::{Connector, Opened},
    driven::Queue,
    http1_connection::Http1Connection,
    http2_connection::{Http2Connection, Stream},
    losses::Losses,
    progress::{CallProgress, HttpStage},
};
use crate::{connection::ConnectionConfig, http::body::Parts};

/// A plugin may answer before it has read the whole request. If the rest is not off by then, it never will be.
const READY_WITHIN: Duration = Duration::from_millis(100);

pub(super) struct Pool {
    connector: Arc<Connector>,
    permits: Arc<Semaphore>,
    /// Who waits for a permit or a stream, or for an answer, asks it whether others are answered.
    line: Arc<Line>,
    losses: Arc<Losses>,
    state: Mutex<PoolState>,
    /// Held by the first of those who wait for a stream of HTTP/2, be it of a connection that is still to be opened: who comes
    /// meanwhile shares it.
    turn: tokio::sync::Mutex<()>,
    /// Who has that turn, or waits for it.
    queue: Arc<Queue>,
    /// How often that came to nothing. Who waited for it does not wait again: connections are then opened side by side, and
    /// what is found out of an origin that is away is found out by all in the time of one.
    in_vain: AtomicU64,
    /// A server that chose HTTP/1.1 once will do so again, so connections are opened side by side.
    http1: AtomicBool,
    max_idle: usize,
    idle_timeout: Duration,
    keep_alive: bool,
}

#[derive(Default)]
struct PoolState {
    /// The longest idle first.
    idle: VecDeque<Idle>,
    /// Those that calls share. The first holds no place under the cap, see [`place_beside`](super::http2_connection::place_beside).
    shared: Vec<Http2Connection>,
    beside: Opening,
    /// When a call was last answered on a connection that was kept.
    answered: Instant,
    /// Closes what has been idle for too long; there while anything can become so.
    reaper: Option<AbortHandle>,
}

/// The connection that is being opened beside those that are full.
#[derive(Debug, Default)]
struct Opening {
    opening: Option<AbortHandle>,
    /// No other is opened before.
    not_before: Instant,
}

impl Opening {
    fn give_up(&mut self) {
        if let Some(opening) = self.opening.take() {
            opening.abort();
        }
    }
}

struct Idle {
    connection: Http1Connection,
    since: Instant,
}

impl Pool {
    pub(super) fn new(connector: Connector, config: &ConnectionConfig, max: usize) -> Arc<Self> {
        let line = Arc::default();
        Arc::new(Self {
            losses: Losses::new(&line),
            connector: Arc::new(connector),
            permits: Arc::new(Semaphore::new(max)),
            line,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            queue: Arc::default(),
            in_vain: AtomicU64::new(0),
            http1: AtomicBool::new(false),
            max_idle: config.max_idle_connections().min(max),
            idle_timeout: config.idle_timeout(),
            keep_alive: config.keep_alive(),
        })
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Closes what is idle and turns away who waits or comes.
    pub(super) fn close(&self) {
        self.permits.close();
        let mut state = self.state();
        state.idle.clear();
        state.shared.clear();
        state.beside.give_up();
        drop(state);
        self.queue.tell();
    }

    /// A connection to send on, in turn, for a call that began `now`. Dropping the future gives up the place in line.
    pub(super) async fn checkout(
        self: &Arc<Self>,
        now: Instant,
        progress: &CallProgress,
    ) -> Result<Lease, PluginError> {
        if self.connector.may_be_http2()
            && let Some(lease) = self.share(now, progress).await?
        {
            return Ok(lease);
        }
        let permit = self.permit(progress).await?;
        while let Some(mut connection) = self.pop_idle(now) {
            match tokio::time::timeout(READY_WITHIN, connection.sender.ready()).await {
                Ok(Ok(())) => return Ok(Lease::own(self, connection, permit)),
                Ok(Err(_)) => {}
                Err(_) => connection.driver.abort(),
            }
        }
        progress.set(HttpStage::Connecting);
        self.open(permit).await
    }

    fn speaks_http1(&self) -> bool {
        // Relaxed: not to see it costs one connection opened in turn.
        self.http1.load(Ordering::Relaxed)
    }

    /// The permit for a connection, in turn. Who waits for it waits for calls that are on the others, and not for the plugin.
    async fn permit(&self, progress: &CallProgress) -> Result<OwnedSemaphorePermit, PluginError> {
        progress.set(HttpStage::Waiting);
        match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(TryAcquireError::Closed) => Err(closed()),
            Err(TryAcquireError::NoPermits) => {
                let place = progress.in_line(&self.line);
                let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
                place.has_turn();
                Ok(permit)
            }
        }
    }

    /// What the plugin answers, of all its calls.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    async fn open(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Result<Lease, PluginError> {
        match self.connector.connect(&self.queue).await? {
            Opened::Http1(sender, driver) => {
                // Relaxed: see `checkout`.
                self.http1.store(true, Ordering::Relaxed);
                let mut connection = Http1Connection::drive(sender, driver);
                let ready = connection.sender.ready().await;
                ready.map_err(|error| {
                    PluginError::connection("the plugin closed a new connection", Sent::Nothing).with_source(error)
                })?;
                Ok(Lease::own(self, connection, permit))
            }
            Opened::Http2(sender, link, heard) => Ok(Lease::Shared(self.keep_shared(
                Http2Connection::new(sender, link, heard, &self.queue, &self.permits, &self.losses),
                permit,
            ))),
        }
    }

    /// The connection that was used last: it is the least likely to have been closed, and the rest can age.
    fn pop_idle(&self, now: Instant) -> Option<Http1Connection> {
        let mut state = self.state();
        while let Some(idle) = state.idle.pop_back() {
            if !idle.connection.sender.is_closed() && now.saturating_since(idle.since) < self.idle_timeout {
                return Some(idle.connection);
            }
        }
        None
    }

    fn give_back(self: &Arc<Self>, connection: Http1Connection) {
        let permit = connection.permit().take();
        if self.keep_alive && self.max_idle > 0 && !self.permits.is_closed() {
            let mut state = self.state();
            // Those that the plugin closed make room first.
            state.idle.retain(|idle| !idle.connection.sender.is_closed());
            if state.idle.len() >= self.max_idle {
                state.idle.pop_front();
            }
            state.answered = clock::end::read();
            let since = state.answered;
            state.idle.push_back(Idle { connection, since });
            self.reap_later(&mut state);
        }
        // Only now, so that who gets it finds the connection idle and opens no other.
        drop(permit);
    }

    fn reap_later(self: &Arc<Self>, state: &mut PoolState) {
        // One whose runtime ended is finished too.
        if state.reaper.as_ref().is_none_or(AbortHandle::is_finished) {
            let reaper = tokio::spawn(reap(Arc::downgrade(self), self.idle_timeout));
            state.reaper = Some(reaper.abort_handle());
        }
    }

    fn state(&self) -> MutexGuard<'_, PoolState> {
        // No code that can panic runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call was answered since then on a connection that was then kept, and may keep the plugin from another.
    pub(super) fn has_answered_since(&self, then: Instant) -> bool {
        self.state().answered > then
    }

    /// Whether the plugin seems to be away: the latest connection could not be made, or one ended with a call on it, and
    /// nothing was answered since.
    pub(super) fn is_lost(&self) -> bool {
        self.connector.is_lost() || self.losses.is_latest()
    }

    pub(super) fn free(&self) -> usize {
        self.permits.available_permits()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.state();
        state.beside.give_up();
        if let Some(reaper) = state.reaper.take() {
            reaper.abort();
        }
    }
}

fn closed() -> PluginError {
    PluginError::from(Rejected::new(Code::Draining))
}

/// Closes what has been idle for `timeout`, until there is nothing that could be.
async fn reap(pool: Weak<Pool>, timeout: Duration) {
    let mut wait = timeout;
    loop {
        tokio::time::sleep(wait).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = clock::now();
        let mut state = pool.state();
        wait = timeout;
        while let Some(first) = state.idle.front() {
            let age = now.saturating_since(first.since);
            if age < timeout {
                wait = timeout - age;
                break;
            }
            state.idle.pop_front();
        }
        let mut unused = |shared: &Http2Connection| {
            let age = shared.idle(now);
            let is_kept = age < timeout && shared.is_open();
            if is_kept {
                wait = wait.min(timeout - age);
            }
            is_kept
        };
        state.keep(&mut unused);
        if state.idle.is_empty() && state.shared.is_empty() {
            state.reaper = None;
            return;
        }
    }
}

/// A connection to send one request on.
pub(super) enum Lease {
    Own(Own),
    Shared(Stream),
}

/// A connection of HTTP/1.1 that nobody else uses. Dropped before it is finished, it is cut off: an answer that is still
/// to come must not reach another caller.
pub(super) struct Own {
    connection: Option<Http1Connection>,
    pool: Arc<Pool>,
}

impl Lease {
    fn own(pool: &Arc<Pool>, connection: Http1Connection, permit: OwnedSemaphorePermit) -> Self {
        *connection.permit() = Some(permit);
        Self::Own(Own { connection: Some(connection), pool: Arc::clone(pool) })
    }

    /// No other call is to come onto this connection.
    pub(super) fn leave(&self) {
        if let Self::Shared(stream) = self {
            stream.leave();
        }
    }

    /// An answer has begun, or the call has failed.
    pub(super) fn heard_of(&mut self) {
        if let Self::Shared(stream) = self {
            stream.heard_of();
        }
    }

    /// A call was lost to this. Whether another call has told already what is to be told of the plugin by that: that the
    /// connection has ended. The first to ask is the one that tells it.
    pub(super) fn is_told(&self, cause: &hyper::Error) -> bool {
        match self {
            Self::Own(own) => {
                own.pool.losses.add(cause);
                false
            }
            Self::Shared(stream) => stream.is_told(cause),
        }
    }

    /// The answer has been read to its end.
    pub(super) fn finish(self) {
        match self {
            Self::Own(mut own) => {
                if let Some(connection) = own.connection.take() {
                    own.pool.give_back(connection);
                }
            }
            Self::Shared(stream) => stream.finish(),
        }
    }
}

impl Own {
    pub(super) fn sender(&mut self) -> Option<&mut http1::SendRequest<Parts>> {
        self.connection.as_mut().map(|connection| &mut connection.sender)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.driver.abort();
        }
    }
}
