//! The connections of HTTP to one origin.
//!
//! Over HTTP/1.1 one call at a time has a connection, see [`Exclusive`]; over HTTP/2 calls share one, see [`sharing`].

mod sharing;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::client::conn::http1;
use plugin_core::{
    BoxFuture, Code, PluginError, Sent,
    clock::{self, Instant},
    deadline::cut::Line,
};
use tokio::{sync::OwnedSemaphorePermit, task::AbortHandle};

use super::{
    body::Parts,
    connect::{Connector, Opened, OpenedHttp2},
    driven::Queue,
    exclusive::Exclusive,
    first_words::Refused,
    http1_connection::Http1Connection,
    http2_connection::{Http2Connection, Stream, shut_at_once},
    losses::Losses,
    progress::{CallProgress, CallStage},
    reach::Reachable,
};
use crate::connection::ConnectionConfig;

/// A plugin may answer before it has read the whole request. If the rest is not off by then, it never will be.
const READY_WITHIN: Duration = Duration::from_millis(100);

pub(crate) struct Pool {
    connector: Arc<Connector>,
    own: Arc<Exclusive<Http1Connection>>,
    losses: Arc<Losses>,
    state: Mutex<PoolState>,
    /// Held by the first of those who wait for a stream of HTTP/2, be it of a connection that is still to be opened: who comes
    /// meanwhile shares it.
    turn: tokio::sync::Mutex<()>,
    /// Who has that turn, or waits for it.
    queue: Arc<Queue>,
    /// How often none came about. Who waited for it does not wait again: connections are then opened side by side, and
    /// what is found out of an origin that is away is found out by all in the time of one.
    in_vain: AtomicU64,
    /// How often those who waited were told that the plugin takes no calls.
    shut_out: AtomicU64,
    /// A server that chose HTTP/1.1 once will do so again, so connections are opened side by side.
    http1: AtomicBool,
}

#[derive(Default)]
struct PoolState {
    /// Those that calls share. The first holds no place under the cap, see [`place_beside`](super::http2_connection::place_beside).
    shared: Vec<Http2Connection>,
    /// The one that is opened where there is none. Who wanted it may be gone: another takes it then.
    first: Opening,
    /// The one that is opened beside those that are full.
    beside: Opening,
    /// No other is opened beside them before.
    not_before: Instant,
    /// Closes what nobody has used for too long; there while anything can become so.
    reaper: Option<AbortHandle>,
}

/// A connection that is being opened, by a task of its own.
#[derive(Debug, Default)]
struct Opening {
    is_under_way: bool,
    task: Option<AbortHandle>,
}

impl Opening {
    /// Its task says when it has ended.
    fn give_up(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Pool {
    pub(crate) fn new(connector: Connector, config: &ConnectionConfig, max: usize) -> Arc<Self> {
        let own = Exclusive::new(config, max);
        Arc::new(Self {
            losses: Losses::new(own.line()),
            connector: Arc::new(connector),
            own,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            queue: Arc::default(),
            in_vain: AtomicU64::new(0),
            shut_out: AtomicU64::new(0),
            http1: AtomicBool::new(false),
        })
    }

    /// Its side of TLS, where it speaks that.
    #[cfg(feature = "tls")]
    pub(crate) fn tls(&self) -> Option<&crate::tls::ClientTls> {
        self.connector.tls()
    }

    /// Closes what is idle and turns away who waits or comes.
    pub(crate) fn close(&self) {
        self.own.close();
        let mut state = self.state();
        state.shared.clear();
        state.first.give_up();
        state.beside.give_up();
        drop(state);
        self.queue.tell();
    }

    /// A connection to send on, in turn, for a call that began `now`. Dropping the future gives up the place in line.
    ///
    /// What takes long, and most calls do not need, is in boxes of its own: each call has the room that this future takes.
    pub(crate) async fn checkout(
        self: &Arc<Self>,
        now: Instant,
        progress: &CallProgress,
    ) -> Result<Lease, PluginError> {
        if self.connector.may_be_http2() {
            // Nobody overtakes those who wait.
            if self.queue.is_empty()
                && let Some(stream) = self.stream(now)
            {
                return Ok(Lease::Shared(stream));
            }
            if !self.speaks_http1()
                && let Some(lease) = Box::pin(self.share_in_turn(progress)).await?
            {
                return Ok(lease);
            }
        }
        let permit = self.own.permit(progress).await?;
        while let Some(mut connection) = self.own.pop_idle(now) {
            if connection.sender.is_ready() || Box::pin(is_ready_soon(&mut connection)).await {
                return Ok(Lease::own(self, connection, permit));
            }
        }
        progress.set(CallStage::Connecting);
        Box::pin(self.open(permit)).await
    }

    fn speaks_http1(&self) -> bool {
        // Relaxed: not to see it costs one connection opened in turn.
        self.http1.load(Ordering::Relaxed)
    }

    /// What the plugin answers, of all its calls.
    pub(crate) fn line(&self) -> &Line {
        self.own.line()
    }

    /// The code of an answer that cannot be read.
    pub(crate) fn code(&self) -> Code {
        self.connector.code()
    }

    /// A new connection.
    async fn open(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Result<Lease, PluginError> {
        let opened = self.connector.connect(&self.queue).await?;
        self.taken(opened, permit).await?.ok_or_else(shut_at_once)
    }

    /// A connection that has come about; `None` where its peer takes no call on it now, in which case it is kept for those who wait
    /// until it does.
    async fn taken(
        self: &Arc<Self>,
        opened: Opened,
        permit: OwnedSemaphorePermit,
    ) -> Result<Option<Lease>, PluginError> {
        match opened {
            Opened::Http1(sender, driver, refused) => {
                // Relaxed: see `checkout`.
                self.http1.store(true, Ordering::Relaxed);
                let mut connection = Http1Connection::drive(sender, driver, refused);
                let ready = connection.sender.ready().await;
                ready.map_err(|error| {
                    let closed = || PluginError::connection("the plugin closed a new connection", Sent::Nothing);
                    connection.refused.error().unwrap_or_else(closed).with_source(error)
                })?;
                Ok(Some(Lease::own(self, connection, permit)))
            }
            Opened::Http2(opened) => Ok(self.keep_shared(self.shared(opened), permit).map(Lease::Shared)),
        }
    }

    fn shared(&self, opened: OpenedHttp2) -> Http2Connection {
        Http2Connection::new(opened, &self.queue, self.own.permits(), &self.losses)
    }

    fn reap_later(self: &Arc<Self>, state: &mut PoolState) {
        // One whose runtime ended is finished too.
        if state.reaper.as_ref().is_none_or(AbortHandle::is_finished) {
            let reaper = tokio::spawn(reap(Arc::downgrade(self), self.own.idle_timeout()));
            state.reaper = Some(reaper.abort_handle());
        }
    }

    fn state(&self) -> MutexGuard<'_, PoolState> {
        // A panic under it, as of a task that is spawned outside of a runtime, leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call was answered since then on a connection that was then kept, and may keep the plugin from another.
    pub(crate) fn has_answered_since(&self, then: Instant) -> bool {
        self.own.has_answered_since(then) || self.state().shared.iter().any(|shared| shared.has_answered_since(then))
    }

    pub(crate) fn free(&self) -> usize {
        self.own.free()
    }
}

impl Reachable for Pool {
    fn is_lost(&self) -> bool {
        self.connector.is_lost() || self.losses.is_latest()
    }

    fn connect(self: Arc<Self>) -> BoxFuture<Result<(), PluginError>> {
        Box::pin(async move {
            // One on which the peer could not be told what it is to know is of no use.
            self.connector.connect(&Arc::default()).await.map(drop)
        })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.state();
        state.first.give_up();
        state.beside.give_up();
        if let Some(reaper) = state.reaper.take() {
            reaper.abort();
        }
    }
}

/// Closes what nobody has used for `timeout`, until there is nothing that could be.
async fn reap(pool: Weak<Pool>, timeout: Duration) {
    let mut wait = timeout;
    loop {
        tokio::time::sleep(wait).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = clock::now();
        let mut state = pool.state();
        wait = timeout;
        let mut unused = |shared: &Http2Connection| {
            let age = shared.idle(now);
            let is_kept = age < timeout && shared.is_open();
            if is_kept {
                wait = wait.min(timeout - age);
            }
            is_kept
        };
        state.keep(&mut unused);
        if state.shared.is_empty() {
            state.reaper = None;
            return;
        }
    }
}

/// Whether a connection that was idle can take a request after a moment. One that has not sent the last one by then is cut off.
async fn is_ready_soon(connection: &mut Http1Connection) -> bool {
    match tokio::time::timeout(READY_WITHIN, connection.sender.ready()).await {
        Ok(ready) => ready.is_ok(),
        Err(_) => {
            connection.driver.abort();
            false
        }
    }
}

/// A connection to send one request on.
pub(crate) enum Lease {
    Own(Own),
    Shared(Stream),
}

/// A connection of HTTP/1.1 that nobody else uses. Dropped before it is finished, it is cut off: an answer that is still
/// to come must not reach another caller.
pub(crate) struct Own {
    connection: Option<Http1Connection>,
    pool: Arc<Pool>,
}

impl Lease {
    fn own(pool: &Arc<Pool>, connection: Http1Connection, permit: OwnedSemaphorePermit) -> Self {
        *connection.permit() = Some(permit);
        Self::Own(Own { connection: Some(connection), pool: Arc::clone(pool) })
    }

    /// No other call is to come onto this connection.
    pub(crate) fn leave(&self) {
        if let Self::Shared(stream) = self {
            stream.leave();
        }
    }

    /// An answer has begun, or the call has failed.
    pub(crate) fn heard_of(&mut self) {
        if let Self::Shared(stream) = self {
            stream.heard_of();
        }
    }

    /// A call was lost to this. Whether another call has told already what is to be told of the plugin by that: that the
    /// connection has ended. The first to ask is the one that tells it.
    pub(crate) fn is_told(&self, cause: &hyper::Error) -> bool {
        match self {
            Self::Own(own) => {
                own.pool.losses.add(cause);
                false
            }
            Self::Shared(stream) => stream.is_told(cause),
        }
    }

    /// What the peer said of the connection where it takes no part in it.
    pub(crate) fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Own(own) => own.connection.as_ref().map(|connection| &connection.refused),
            Self::Shared(stream) => Some(stream.refused()),
        }
        .filter(|refused| refused.is_so())
    }

    /// The answer has been read to its end.
    pub(crate) fn finish(self) {
        match self {
            Self::Own(mut own) => {
                if let Some(connection) = own.connection.take() {
                    own.pool.own.give_back(connection);
                }
            }
            Self::Shared(stream) => stream.finish(),
        }
    }
}

impl Own {
    pub(crate) fn sender(&mut self) -> Option<&mut http1::SendRequest<Parts>> {
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
