//! The connections that are open, and which of them can go when there is no room for another.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_core::clock::{self, Instant};
use tokio_util::sync::CancellationToken;

use super::stalled::Stalled;

/// A connection that has not sent the head of its first request is left alone for so long: its client may be on its way.
const SILENT: Duration = Duration::from_secs(1);

/// Every connection of a server. Only opening and closing one takes the lock.
#[derive(Debug, Default)]
pub(crate) struct OpenConnection {
    all: Mutex<(u64, BTreeMap<u64, Arc<OpenConnections>>)>,
}

#[derive(Debug)]
struct OpenConnections {
    /// Requests that are being answered.
    busy: AtomicUsize,
    /// Of answers that were handed over whole, the pieces that wait for the peer's window.
    held: AtomicUsize,
    /// Requests that have come.
    seen: AtomicUsize,
    /// Since when nothing was to be answered, or when the last piece was written after that, in nanoseconds.
    since: AtomicU64,
    leave: CancellationToken,
}

/// A connection, until this is dropped.
#[derive(Debug)]
pub(crate) struct ServedConnection {
    open: Arc<OpenConnection>,
    id: u64,
    state: Arc<OpenConnections>,
    stalled: Stalled,
    /// A request came with a body, which may not have been read to its end when it was answered.
    had_a_body: AtomicBool,
}

/// A request that is being answered, until this is dropped: by then its answer has been handed over whole.
#[derive(Debug)]
pub(crate) struct Busy(Arc<OpenConnections>);

/// A piece of an answer that was handed over and may wait for the peer's window, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held(Arc<OpenConnections>);

impl OpenConnection {
    pub(crate) fn enter(self: &Arc<Self>) -> ServedConnection {
        let state = Arc::new(OpenConnections {
            busy: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            seen: AtomicUsize::new(0),
            since: AtomicU64::new(clock::now().as_nanos()),
            leave: CancellationToken::new(),
        });
        let mut all = self.all();
        all.0 += 1;
        let id = all.0;
        all.1.insert(id, Arc::clone(&state));
        drop(all);
        ServedConnection {
            open: Arc::clone(self),
            id,
            state,
            stalled: Stalled::default(),
            had_a_body: AtomicBool::new(false),
        }
    }

    /// Asks the connection to leave that has been idle for longest; of those that never sent anything only when no other is
    /// idle. `false` when none is.
    pub(crate) fn ask_one_to_leave(&self) -> bool {
        let now = clock::now();
        let all = self.all();
        let idle = all.1.values().filter_map(|state| Some((state.rank(now)?, state)));
        let Some((_, longest)) = idle.min_by_key(|(rank, _)| *rank) else { return false };
        longest.leave.cancel();
        true
    }

    // Nothing that runs under the lock can panic half way through a change, so a poisoned lock is still sound.
    fn all(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Arc<OpenConnections>>)> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenConnections {
    /// Where it stands among those that may leave, the least first; `None` when it may not.
    fn rank(&self, now: Instant) -> Option<(bool, u64)> {
        // Relaxed: a request that comes at this moment is answered before the connection closes, or meets a closed one, as
        // it would a moment later.
        let (busy, since) = (self.busy.load(Ordering::Relaxed), self.since.load(Ordering::Relaxed));
        let silent = self.seen.load(Ordering::Relaxed) == 0;
        let young = now.saturating_since(Instant::from_nanos(since)) < SILENT;
        (busy == 0 && !self.leave.is_cancelled() && !(silent && young)).then_some((silent, since))
    }
}

impl ServedConnection {
    /// A request begins.
    pub(crate) fn begin(&self) -> Busy {
        // Relaxed: only the tasks of this connection write them, and what a reader makes of them may be a moment late.
        self.state.busy.fetch_add(1, Ordering::Relaxed);
        self.state.seen.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.state))
    }

    /// A request comes with a body.
    pub(crate) fn has_a_body(&self) {
        // Relaxed: only the task of the connection writes and reads it.
        self.had_a_body.store(true, Ordering::Relaxed);
    }

    pub(crate) fn had_a_body(&self) -> bool {
        self.had_a_body.load(Ordering::Relaxed)
    }

    /// What says whether an answer waits for the peer.
    pub(crate) fn stalled(&self) -> Stalled {
        self.stalled.clone()
    }

    /// Whether a piece of an answer that was handed over waits for the peer's window.
    pub(crate) fn holds(&self) -> bool {
        // Relaxed: see `begin`.
        self.state.held.load(Ordering::Relaxed) > 0
    }

    /// For how long nothing was to be answered; `None` while something is, or waits to be read by the peer.
    pub(crate) fn quiet_for(&self) -> Option<Duration> {
        // Relaxed: see `begin`.
        let busy = self.state.busy.load(Ordering::Relaxed) > 0 || self.stalled.get();
        let since = Instant::from_nanos(self.state.since.load(Ordering::Relaxed));
        (!busy).then(|| clock::now().saturating_since(since))
    }

    /// Whether a request ever came.
    pub(crate) fn has_begun(&self) -> bool {
        // Relaxed: the timer that reads it may be one poll late.
        self.state.seen.load(Ordering::Relaxed) > 0
    }

    /// Cancelled when another one needs the room.
    #[cfg(feature = "unix")]
    pub(crate) fn leave(&self) -> CancellationToken {
        self.state.leave.clone()
    }

    /// Waits until another one needs the room.
    #[cfg(any(feature = "http", feature = "grpc"))]
    pub(crate) async fn asked_to_leave(&self) {
        self.state.leave.cancelled().await;
    }
}

impl Busy {
    /// A piece of the answer is handed over, which waits for nothing but the socket.
    pub(crate) fn another(&self) -> Self {
        // Relaxed: see `begin`.
        self.0.busy.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }

    /// A piece of the answer is handed over, which may wait for the peer's window.
    pub(crate) fn hold(&self) -> Held {
        // Relaxed: see `begin`.
        self.0.held.fetch_add(1, Ordering::Relaxed);
        Held(Arc::clone(&self.0))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Relaxed: see `begin`.
        self.0.since.store(clock::now().as_nanos(), Ordering::Relaxed);
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // Relaxed: see `begin`.
        self.0.since.store(clock::now().as_nanos(), Ordering::Relaxed);
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for ServedConnection {
    fn drop(&mut self) {
        self.open.all().1.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_one_that_was_idle_for_longest_leaves_and_one_that_answers_does_not() {
        let open = Arc::new(OpenConnection::default());
        let [early, late, busy, silent] = [(); 4].map(|()| open.enter());
        let _answering = busy.begin();
        drop(early.begin());
        tokio::time::advance(Duration::from_millis(10)).await;
        drop(late.begin());
        let left = || [&early, &late, &busy, &silent].map(|connection| connection.state.leave.is_cancelled());
        assert!(open.ask_one_to_leave());
        assert_eq!(left(), [true, false, false, false]);
        assert!(open.ask_one_to_leave());
        assert_eq!(left(), [true, true, false, false]);
        assert!(!open.ask_one_to_leave(), "one that has just come may be about to send");
        tokio::time::advance(SILENT).await;
        assert!(open.ask_one_to_leave());
        assert_eq!(left(), [true, true, false, true]);
        assert!(!open.ask_one_to_leave(), "the last one answers");
        drop(silent);
        assert_eq!(open.all().1.len(), 3);
    }
}
