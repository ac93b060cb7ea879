//! Calls that share a connection of HTTP/2.
//!
//! A peer says how many calls it takes at once on a connection, and often that is few. Who finds no room waits here and not in
//! the connection, where a call would seem to be sent: in the order in which they came, for whichever is first, a stream
//! that is given back or another connection, which is opened as far as the cap allows one.

use std::{
    future::Future,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use plugin_core::{
    PluginError,
    clock::{self, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::timeout,
};

use super::{
    super::{
        connect::Opened,
        driven::Queue,
        exclusive::closed,
        http2_connection::{Http2Connection, SHUT_FOR, Stream, place_beside, shut, shut_at_once},
        progress::{CallProgress, CallStage},
    },
    Lease, Opening, Pool, PoolState,
};

/// How long after a connection could not be opened beside others the next is tried.
const TRY_AGAIN: Duration = Duration::from_secs(1);

impl PoolState {
    fn first(&mut self) -> &mut Opening {
        &mut self.first
    }

    fn beside(&mut self) -> &mut Opening {
        &mut self.beside
    }

    /// Keeps the connections that are of use.
    pub(crate) fn keep(&mut self, is_of_use: &mut dyn FnMut(&Http2Connection) -> bool) {
        let before = self.shared.len();
        self.shared.retain(|shared| is_of_use(shared));
        if self.shared.len() < before
            && let Some(first) = self.shared.first()
        {
            first.set_place(None);
        }
    }
}

impl Pool {
    /// A stream of a connection that is there, or is opened for it, in turn. `None` where connections are to be opened side by
    /// side. Dropping the future gives up the place in line.
    pub(crate) async fn share_in_turn(self: &Arc<Self>, progress: &CallProgress) -> Result<Option<Lease>, PluginError> {
        // Relaxed: not to see that it has changed costs one more turn.
        let in_vain = self.in_vain.load(Ordering::Relaxed);
        let shut_out = self.shut_out.load(Ordering::Relaxed);
        let _waiter = self.queue.join();
        // A wait for calls that are on the connections is not the plugin's; a wait for a connection is, as long as it answers
        // nobody.
        let was_shared = self.is_shared();
        let mut place = Some(progress.in_line(self.line()));
        progress.set(if was_shared { CallStage::Waiting } else { CallStage::Connecting });
        let mut has_opened = false;
        let _turn = self.turn.lock().await;
        loop {
            // Looked at again: what the one before has found out is what this one waited for.
            let stream = self.stream(clock::now());
            if (stream.is_some() || !self.is_shared())
                && let Some(place) = place.take()
            {
                if was_shared { place.has_turn() } else { place.has_turn_at_last() }
            }
            if let Some(stream) = stream {
                return Ok(Some(Lease::Shared(stream)));
            }
            if self.own.is_closed() {
                return Err(closed());
            }
            if self.speaks_http1() || self.in_vain.load(Ordering::Relaxed) != in_vain {
                return Ok(None);
            }
            // The first who waited has found it out for all.
            if self.shut_out.load(Ordering::Relaxed) != shut_out {
                return Err(shut().as_no_evidence());
            }
            if !self.is_shared() {
                // One is on its way whose caller had no more time for it.
                if self.state().first.is_under_way {
                    progress.set(CallStage::Connecting);
                    self.queue.changed().await;
                    continue;
                }
                let permit = self.own.permit(progress).await?;
                progress.set(CallStage::Connecting);
                // It ends without a word where it is given up: the pool is closed, or its runtime has ended.
                let opened = self.open_first(permit).await.unwrap_or(Ok(None))?;
                if opened.is_some() {
                    return Ok(opened);
                }
                // Nobody opens a second one that is of no use: its peer may take connections for nothing without end.
                if std::mem::replace(&mut has_opened, true) {
                    return Err(shut_at_once());
                }
                continue;
            }
            progress.set(CallStage::Waiting);
            let is_shut = self.wait_while_shut()?;
            match is_shut.or_else(|| self.open_beside()) {
                // It is only looked at again.
                Some(again) => drop(timeout(again, self.queue.changed()).await),
                None => self.queue.changed().await,
            }
        }
    }

    /// Whether there is a connection that calls share, be it full.
    fn is_shared(&self) -> bool {
        self.state().shared.iter().any(Http2Connection::is_open)
    }

    /// For how long whoever waits is to go on waiting for a peer that allows no stream; `None` where it allows some. However long a
    /// call has waited for others before, the peer has its moment.
    ///
    /// When that is over all who wait are told, and the connection gets no further call: another one may be allowed some.
    fn wait_while_shut(&self) -> Result<Option<Duration>, PluginError> {
        let (state, now) = (self.state(), clock::now());
        if state.shared.is_empty() {
            // The last has gone meanwhile, which is to be looked at again.
            return Ok(Some(Duration::ZERO));
        }
        let shut_for = state.shared.iter().try_fold(SHUT_FOR, |least, shared| Some(least.min(shared.shut_for(now)?)));
        let Some(shut_for) = shut_for else { return Ok(None) };
        let left = SHUT_FOR - shut_for;
        if !left.is_zero() {
            return Ok(Some(left));
        }
        state.shared.iter().for_each(Http2Connection::leave);
        self.shut_out.fetch_add(1, Ordering::Relaxed);
        Err(shut())
    }

    /// A stream of the first connection that has room for it.
    pub(crate) fn stream(&self, now: Instant) -> Option<Stream> {
        let mut state = self.state();
        state.keep(&mut Http2Connection::is_open);
        state.shared.iter_mut().find(|shared| shared.has_room()).map(|shared| shared.for_call(now))
    }

    /// Opens a connection where there is none. It goes on when who wanted it goes away, as far as the limit of connecting allows: or
    /// callers in a hurry would begin one after the other, and none of them would ever have one.
    fn open_first(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> oneshot::Receiver<FirstOpened> {
        let (caller, receiver) = oneshot::channel();
        let (pool, connector, queue) = (Arc::downgrade(self), Arc::clone(&self.connector), Arc::clone(&self.queue));
        self.open_apart(PoolState::first, async move {
            let opened = connector.connect(&queue).await;
            let Some(pool) = pool.upgrade() else { return };
            let opened = match opened {
                Ok(opened) => pool.taken(opened, permit).await,
                Err(error) => Err(error),
            };
            if opened.is_err() {
                pool.in_vain.fetch_add(1, Ordering::Relaxed);
            }
            // Where the caller is gone, so is the call's end of the connection, but not the pool's.
            drop(caller.send(opened));
        });
        receiver
    }

    /// Has a connection opened by a task of its own.
    fn open_apart(self: &Arc<Self>, which: Which, opening: impl Future<Output = ()> + Send + 'static) {
        which(&mut self.state()).is_under_way = true;
        let end = OpeningEnd { which, pool: Arc::downgrade(self), queue: Arc::clone(&self.queue) };
        // No lock is held: a runtime that ends drops it at once.
        let task = tokio::spawn(async move {
            let _end = end;
            opening.await;
        });
        let mut state = self.state();
        let begun = which(&mut state);
        if begun.is_under_way {
            begun.task = Some(task.abort_handle());
        }
        // Who closes the pool either finds the task there or has closed it before.
        if self.own.is_closed() {
            task.abort();
        }
    }

    /// Opens another connection beside those that are there, and have no room, where the cap has room for it: one at a time. Gives the
    /// time after which that is to be tried again, if it is.
    fn open_beside(self: &Arc<Self>) -> Option<Duration> {
        let mut state = self.state();
        if state.beside.is_under_way {
            return None;
        }
        // It keeps its place from one that may take some, and the next is opened no sooner than if it had not come about.
        let shut = state.shared.iter().filter(|shared| shared.is_shut()).map(Http2Connection::leave).count();
        if shut > 0 {
            state.keep(&mut Http2Connection::is_open);
            state.not_before = clock::now().saturating_add(TRY_AGAIN);
        }
        let again = state.not_before.saturating_since(clock::now());
        if !again.is_zero() {
            return Some(again);
        }
        let place = place_beside(self.own.permits())?;
        drop(state);
        let (pool, connector, queue) = (Arc::downgrade(self), Arc::clone(&self.connector), Arc::clone(&self.queue));
        self.open_apart(PoolState::beside, async move {
            let opened = connector.connect(&queue).await;
            let Some(pool) = pool.upgrade() else { return };
            let opened = match opened {
                Ok(Opened::Http2(opened)) => Some(pool.shared(opened)),
                _ => None,
            };
            pool.opened_beside(opened, place);
        });
        None
    }

    /// One that could not be opened is nobody's failure: who waits has a connection, and is served when it has room.
    fn opened_beside(self: &Arc<Self>, opened: Option<Http2Connection>, place: OwnedSemaphorePermit) {
        let mut state = self.state();
        match opened {
            Some(shared) if !self.own.is_closed() => {
                if !state.shared.is_empty() {
                    shared.set_place(Some(place));
                }
                state.shared.push(shared);
                self.reap_later(&mut state);
            }
            _ => state.not_before = clock::now().saturating_add(TRY_AGAIN),
        }
        drop(state);
        self.queue.tell();
    }

    /// A stream of a new connection, if its peer allows one. It is kept for others where there is none yet. Otherwise it was opened
    /// side by side with one, and serves the one call.
    pub(crate) fn keep_shared(
        self: &Arc<Self>,
        mut shared: Http2Connection,
        permit: OwnedSemaphorePermit,
    ) -> Option<Stream> {
        let stream = shared.has_room().then(|| shared.for_call(clock::now()));
        let mut state = self.state();
        state.keep(&mut Http2Connection::is_open);
        // Looked at under the lock, which a close takes after it: what is opened meanwhile serves the one call.
        if state.shared.is_empty() && !self.own.is_closed() {
            state.shared.push(shared);
            self.reap_later(&mut state);
        } else {
            shared.set_place(Some(permit));
        }
        stream
    }
}

/// What becomes of the first connection; `None` where its peer takes no call now.
type FirstOpened = Result<Option<Lease>, PluginError>;

/// Which of the two it is.
type Which = fn(&mut PoolState) -> &mut Opening;

/// The end of an opening, whatever becomes of its task: those who wait are told of it.
struct OpeningEnd {
    which: Which,
    pool: Weak<Pool>,
    queue: Arc<Queue>,
}

impl Drop for OpeningEnd {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            *(self.which)(&mut pool.state()) = Opening::default();
        }
        self.queue.tell();
    }
}
