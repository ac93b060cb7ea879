//! Connections that one call at a time has: HTTP/1.1, and lines over a Unix socket.
//!
//! A permit stands for a connection in use, and waiters are served in order. Connections that are idle hold none, and a new
//! one is opened only when none is idle, so that the two together never exceed the cap: at the moment of opening there are
//! at most as many as permits, and afterwards one more in use is one fewer idle.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use plugin_core::{
    Code, PluginError, Rejected,
    clock::{self, Instant},
    deadline::cut::Line,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError},
    task::AbortHandle,
};

use super::progress::{CallProgress, CallStage};
use crate::connection::ConnectionConfig;

/// A connection that can be kept between calls.
pub(crate) trait Kept: Send + 'static {
    /// Whether it has been seen to end, so that no call is to come onto it.
    fn is_closed(&self) -> bool;

    /// Gives up the permit that it held while it was in use.
    fn release(&mut self) -> Option<OwnedSemaphorePermit>;
}

/// The connections of one pool, and who waits for one.
pub(crate) struct Exclusive<C> {
    permits: Arc<Semaphore>,
    /// Who waits for a permit, or for an answer, asks it whether others are answered.
    line: Arc<Line>,
    state: Mutex<ExclusiveState<C>>,
    max_idle: usize,
    idle_timeout: Duration,
    keep_alive: bool,
}

struct ExclusiveState<C> {
    /// The longest idle first.
    idle: VecDeque<Idle<C>>,
    /// When a call was last answered on a connection that was kept.
    answered: Instant,
    /// Closes what has been idle for too long; there while anything can become so.
    reaper: Option<AbortHandle>,
}

struct Idle<C> {
    connection: C,
    since: Instant,
}

impl<C: Kept> Exclusive<C> {
    pub(crate) fn new(config: &ConnectionConfig, max: usize) -> Arc<Self> {
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(max)),
            line: Arc::default(),
            state: Mutex::new(ExclusiveState { idle: VecDeque::new(), answered: Instant::ZERO, reaper: None }),
            max_idle: config.max_idle_connections().min(max),
            idle_timeout: config.idle_timeout(),
            keep_alive: config.keep_alive(),
        })
    }

    /// Closes what is idle and turns away who waits or comes.
    pub(crate) fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut self.state().idle);
        drop(idle);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "of connections that calls share"))]
    pub(crate) fn permits(&self) -> &Arc<Semaphore> {
        &self.permits
    }

    /// What the plugin answers, of all its calls.
    pub(crate) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "of connections that calls share"))]
    pub(crate) fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    pub(crate) fn free(&self) -> usize {
        self.permits.available_permits()
    }

    /// The permit for a connection, in turn. Who waits for it waits for calls that are on the others, and not for the plugin.
    /// Dropping the future gives up the place in line.
    pub(crate) async fn permit(&self, progress: &CallProgress) -> Result<OwnedSemaphorePermit, PluginError> {
        progress.set(CallStage::Waiting);
        match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(TryAcquireError::Closed) => Err(closed()),
            // In a box of its own: most calls need not wait.
            Err(TryAcquireError::NoPermits) => Box::pin(self.permit_in_turn(progress)).await,
        }
    }

    async fn permit_in_turn(&self, progress: &CallProgress) -> Result<OwnedSemaphorePermit, PluginError> {
        let place = progress.in_line(&self.line);
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        place.has_turn();
        Ok(permit)
    }

    /// The connection that was used last: it is the least likely to have been closed, and the rest can age.
    pub(crate) fn pop_idle(&self, now: Instant) -> Option<C> {
        let mut state = self.state();
        while let Some(idle) = state.idle.pop_back() {
            if !idle.connection.is_closed() && now.saturating_since(idle.since) < self.idle_timeout {
                return Some(idle.connection);
            }
        }
        None
    }

    /// Keeps a connection whose call was answered, where there is room for it.
    pub(crate) fn give_back(self: &Arc<Self>, mut connection: C) {
        let permit = connection.release();
        let mut state = self.state();
        // Looked at under the lock, which a close takes after it.
        if self.keep_alive && self.max_idle > 0 && !self.is_closed() {
            // Those that the plugin closed make room first.
            state.idle.retain(|idle| !idle.connection.is_closed());
            if state.idle.len() >= self.max_idle {
                state.idle.pop_front();
            }
            state.answered = clock::end::read();
            let since = state.answered;
            state.idle.push_back(Idle { connection, since });
            // One whose runtime ended is finished too.
            if state.reaper.as_ref().is_none_or(AbortHandle::is_finished) {
                state.reaper = Some(tokio::spawn(reap(Arc::downgrade(self))).abort_handle());
            }
        }
        drop(state);
        // Only now, so that who gets it finds the connection idle and opens no other.
        drop(permit);
    }

    /// Whether a call was answered since then on a connection that was then kept, and may keep the plugin from another.
    pub(crate) fn has_answered_since(&self, then: Instant) -> bool {
        self.state().answered > then
    }

    /// Closes what has been idle for too long. Gives the time after which that is to be looked at again, if it is.
    fn close_idle(&self, now: Instant) -> Option<Duration> {
        let mut state = self.state();
        while let Some(first) = state.idle.front() {
            let age = now.saturating_since(first.since);
            if age < self.idle_timeout {
                return Some(self.idle_timeout - age);
            }
            state.idle.pop_front();
        }
        state.reaper = None;
        None
    }
}

impl<C> Exclusive<C> {
    fn state(&self) -> MutexGuard<'_, ExclusiveState<C>> {
        // A panic under it, as of a task that is spawned outside of a runtime, leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Drop for Exclusive<C> {
    fn drop(&mut self) {
        if let Some(reaper) = self.state().reaper.take() {
            reaper.abort();
        }
    }
}

/// What a closed pool answers.
pub(crate) fn closed() -> PluginError {
    PluginError::from(Rejected::new(Code::Draining))
}

/// Closes what has been idle for too long, until there is nothing that could be.
async fn reap<C: Kept>(pool: Weak<Exclusive<C>>) {
    let Some(mut wait) = pool.upgrade().map(|pool| pool.idle_timeout) else { return };
    loop {
        tokio::time::sleep(wait).await;
        let Some(again) = pool.upgrade().and_then(|pool| pool.close_idle(clock::now())) else { return };
        wait = again;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionConfigBuilder;

    struct Numbered {
        number: u32,
        is_closed: bool,
    }

    impl Kept for Numbered {
        fn is_closed(&self) -> bool {
            self.is_closed
        }

        fn release(&mut self) -> Option<OwnedSemaphorePermit> {
            None
        }
    }

    fn pool(build: impl FnOnce(ConnectionConfigBuilder) -> ConnectionConfigBuilder) -> Arc<Exclusive<Numbered>> {
        Exclusive::new(&build(ConnectionConfig::builder()).build().expect("valid"), 4)
    }

    fn open(number: u32) -> Numbered {
        Numbered { number, is_closed: false }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_used_last_is_taken_first_and_what_was_idle_longest_makes_room() {
        let pool = pool(|config| config.with_max_idle_connections(2));
        (1..=3).for_each(|number| pool.give_back(open(number)));
        let taken = [(); 3].map(|()| pool.pop_idle(clock::now()).map(|idle| idle.number));
        assert_eq!(taken, [Some(3), Some(2), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_ended_was_idle_for_too_long_or_comes_after_the_close_is_not_taken() {
        const LONG: Duration = Duration::from_secs(10);
        let pool = pool(|config| config.with_idle_timeout(LONG));
        let taken = |at: Instant| pool.pop_idle(at).map(|idle| idle.number);
        pool.give_back(open(1));
        pool.give_back(Numbered { number: 2, is_closed: true });
        assert_eq!(taken(clock::now()), Some(1));

        pool.give_back(open(3));
        let end = clock::now().saturating_add(LONG);
        assert_eq!(taken(end), None);
        pool.give_back(open(4));
        let before = clock::now().saturating_add(LONG - Duration::from_nanos(1));
        assert_eq!(taken(before), Some(4));

        pool.close();
        pool.give_back(open(5));
        assert_eq!(taken(clock::now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_closed_when_it_was_idle_for_too_long_and_not_with_the_next() {
        let second = Duration::from_secs(1);
        let pool = pool(|config| config.with_idle_timeout(10 * second));
        let begin = clock::now();
        pool.give_back(open(1));
        tokio::time::advance(4 * second).await;
        pool.give_back(open(2));
        let idle = || pool.state().idle.len();
        assert_eq!((pool.close_idle(begin.saturating_add(9 * second)), idle()), (Some(second), 2));
        assert_eq!((pool.close_idle(begin.saturating_add(10 * second)), idle()), (Some(4 * second), 1));
        assert_eq!((pool.close_idle(begin.saturating_add(14 * second)), idle()), (None, 0));
    }
}
