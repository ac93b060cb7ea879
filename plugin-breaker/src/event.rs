//! The events of a breaker, and the stream that a listener reads.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use plugin_core::clock::Instant;
use tokio::sync::Notify;

use crate::CircuitState;

/// A transition, or what a breaker in [`CircuitState::MetricsOnly`] would have done.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Counts up by one per event of this breaker, from 1. A gap says that a slow listener missed some.
    pub sequence: u64,
    /// When.
    pub at: Instant,
    /// The state before.
    pub from: CircuitState,
    /// The state after. The same as before when the breaker only reports.
    pub to: CircuitState,
    /// Why.
    pub reason: Reason,
    /// How long the circuit stays open, when it opened.
    pub open_for: Option<Duration>,
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// So many failures in a row.
    Failures(u32),
    /// The share of failures in the window.
    FailureRate(f64),
    /// The share of slow calls in the window.
    SlowRate(f64),
    /// The open time is over.
    OpenTimeOver,
    /// A probe failed.
    ProbeFailed,
    /// A probe took as long as a slow call.
    ProbeSlow,
    /// Enough probes succeeded.
    ProbesSucceeded,
    /// An operator said so.
    Operator,
    /// What was judged is gone: the service was started anew.
    Restarted,
    /// The service can be reached again.
    Reachable,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures(count) => write!(f, "{count} failures in a row"),
            Self::FailureRate(share) => write!(f, "{:.1} % of the calls failed", share * 100.0),
            Self::SlowRate(share) => write!(f, "{:.1} % of the calls were slow", share * 100.0),
            Self::OpenTimeOver => f.write_str("the open time is over"),
            Self::ProbeFailed => f.write_str("a probe failed"),
            Self::ProbeSlow => f.write_str("a probe was slow"),
            Self::ProbesSucceeded => f.write_str("enough probes succeeded"),
            Self::Operator => f.write_str("an operator said so"),
            Self::Restarted => f.write_str("the service was started anew"),
            Self::Reachable => f.write_str("the service can be reached again"),
        }
    }
}

/// Events that are kept for listeners that lag behind.
const KEPT: usize = 64;

/// The last events, and who waits for the next. Made when somebody first listens, so that a breaker without listeners
/// has none.
///
/// An event is pushed under the breaker's lock, which keeps the order; listeners copy it from here, in their own task.
pub(crate) struct Journal {
    events: Mutex<BufferedEvents>,
    notify: Notify,
}

#[derive(Default)]
struct BufferedEvents {
    last: VecDeque<Event>,
    closed: bool,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { events: Mutex::default(), notify: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, BufferedEvents> {
        // No code of anybody else runs under this lock, so a panic cannot leave it half written.
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, event: Event) {
        let mut kept = self.lock();
        if kept.last.len() == KEPT {
            kept.last.pop_front();
        }
        kept.last.push_back(event);
    }

    /// Wakes listeners. Wakers are foreign code: not to be called under a lock.
    pub(crate) fn wake(&self) {
        self.notify.notify_waiters();
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.notify.notify_waiters();
    }
}

/// The events of a breaker, from the moment of [`CircuitBreakerHandle::events`](crate::CircuitBreakerHandle::events).
///
/// The last 64 are kept for a listener that lags behind; it then goes on with the oldest of these. Nothing that a
/// listener does reaches the calls: it reads in its own task, outside every lock of the breaker.
pub struct Events {
    journal: Arc<Journal>,
    seen: u64,
}

impl Events {
    pub(crate) fn new(journal: Arc<Journal>, seen: u64) -> Self {
        Self { journal, seen }
    }

    /// The next event; `None` when the breaker and all its handles are gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        let journal = Arc::clone(&self.journal);
        loop {
            let mut woken = std::pin::pin!(journal.notify.notified());
            // Before looking: an event that comes in between then wakes this.
            woken.as_mut().enable();
            if let Some(event) = self.try_next() {
                return Some(event);
            }
            if journal.lock().closed {
                return None;
            }
            woken.await;
        }
    }

    /// The next event that has happened already.
    pub fn try_next(&mut self) -> Option<Event> {
        let kept = self.journal.lock();
        // Numbers are dense, so the position follows from the first one that is kept.
        let first = kept.last.front()?.sequence;
        let skip = (self.seen + 1).saturating_sub(first);
        let event = kept.last.get(usize::try_from(skip).ok()?)?.clone();
        drop(kept);
        self.seen = event.sequence;
        Some(event)
    }

    /// Calls a listener for every event, until the breaker and all its handles are gone. Give it to a task of its own.
    pub async fn for_each(mut self, mut listener: impl FnMut(Event)) {
        while let Some(event) = self.next().await {
            listener(event);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("seen", &self.seen).finish_non_exhaustive()
    }
}
