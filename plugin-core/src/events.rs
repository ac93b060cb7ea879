//! The last events of something, and the stream that a listener reads: for authors of layers whose state changes.
//!
//! A handle's `events()` gives out [`Events`]. What has the state keeps a [`Journal`], from when somebody first listens.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Events that are kept for listeners that lag behind.
const KEPT: usize = 64;

/// The last 64 events of something, by their numbers, and who waits for the next.
///
/// An event is pushed under the lock of what it happened to, which keeps the order; listeners copy it from here, in their own
/// task.
///
/// ```
/// use std::sync::Arc;
///
/// use plugin_core::events::{Events, Journal};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let journal = Arc::new(Journal::new());
/// let mut events = Events::new(Arc::clone(&journal), 0);
/// journal.push(1, "opened");
/// journal.wake();
/// assert_eq!(events.next().await, Some("opened"));
/// journal.close();
/// assert_eq!(events.next().await, None);
/// # }
/// ```
#[derive(Debug)]
pub struct Journal<E> {
    events: Mutex<BufferedEvents<E>>,
    notify: Notify,
}

#[derive(Debug)]
struct BufferedEvents<E> {
    last: VecDeque<(u64, E)>,
    closed: bool,
}

impl<E> Default for Journal<E> {
    fn default() -> Self {
        let events = BufferedEvents { last: VecDeque::new(), closed: false };
        Self { events: Mutex::new(events), notify: Notify::new() }
    }
}

impl<E> Journal<E> {
    /// A journal without events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BufferedEvents<E>> {
        // No code of anybody else runs under this lock, so a panic cannot leave it half written.
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an event down. Its number is that of the one before and one: to be called under the lock that gives out the numbers.
    pub fn push(&self, sequence: u64, event: E) {
        let mut kept = self.lock();
        if kept.last.len() == KEPT {
            kept.last.pop_front();
        }
        kept.last.push_back((sequence, event));
    }

    /// Wakes listeners. Wakers are foreign code: not to be called under a lock.
    pub fn wake(&self) {
        self.notify.notify_waiters();
    }

    /// There will be no more. Wakes listeners too.
    pub fn close(&self) {
        self.lock().closed = true;
        self.notify.notify_waiters();
    }
}

/// The events of something, from the moment of its handle's `events()`.
///
/// The last 64 are kept for a listener that lags behind; it then goes on with the oldest of these. Nothing that a
/// listener does reaches the calls: it reads in its own task, outside of every lock.
pub struct Events<E> {
    journal: Arc<Journal<E>>,
    seen: u64,
}

impl<E: Clone> Events<E> {
    /// The events after the one of this number.
    #[must_use]
    pub fn new(journal: Arc<Journal<E>>, seen: u64) -> Self {
        Self { journal, seen }
    }

    /// The next event; `None` when what it would happen to is gone, with all its handles. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<E> {
        let journal = Arc::clone(&self.journal);
        loop {
            let mut woken = std::pin::pin!(journal.notify.notified());
            // Before looking: an event that comes in between then wakes this.
            woken.as_mut().enable();
            // Both under one lock: the last event may be written down just before the end.
            let (event, closed) = self.look();
            if event.is_some() || closed {
                return event;
            }
            woken.await;
        }
    }

    /// The next event that has happened already.
    pub fn try_next(&mut self) -> Option<E> {
        self.look().0
    }

    /// The next event that has happened already, and whether there will be no more than are written down.
    fn look(&mut self) -> (Option<E>, bool) {
        let kept = self.journal.lock();
        // Numbers are dense, so the position follows from the first one that is kept.
        let skip = kept.last.front().map(|(first, _)| (self.seen + 1).saturating_sub(*first));
        let next = skip.and_then(|skip| kept.last.get(usize::try_from(skip).ok()?)).cloned();
        let closed = kept.closed;
        drop(kept);
        let event = next.map(|(sequence, event)| {
            self.seen = sequence;
            event
        });
        (event, closed)
    }

    /// Calls a listener for every event, until what they happen to is gone with all its handles. Give it to a task of its own.
    pub async fn for_each(mut self, mut listener: impl FnMut(E)) {
        while let Some(event) = self.next().await {
            listener(event);
        }
    }
}

impl<E> fmt::Debug for Events<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("seen", &self.seen).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_event_is_heard_though_the_end_comes_right_behind_it() {
        for _ in 0..2_000 {
            let journal = Arc::new(Journal::new());
            let mut events = Events::new(Arc::clone(&journal), 0);
            let writer = std::thread::spawn(move || {
                journal.push(1, ());
                journal.close();
            });
            assert_eq!(events.next().await, Some(()));
            writer.join().expect("no panic");
        }
    }

    #[tokio::test]
    async fn one_that_lags_goes_on_with_the_oldest_that_is_kept_and_one_that_comes_late_hears_what_comes() {
        let journal = Arc::new(Journal::new());
        let mut slow = Events::new(Arc::clone(&journal), 0);
        (1..=100).for_each(|number| journal.push(number, number));
        assert_eq!((slow.next().await, slow.next().await), (Some(37), Some(38)));
        let mut late = Events::new(Arc::clone(&journal), 100);
        assert_eq!(late.try_next(), None);
        let waits = tokio::spawn(async move { late.next().await });
        tokio::task::yield_now().await;
        journal.push(101, 101);
        journal.wake();
        assert_eq!(waits.await.expect("no panic"), Some(101));
        journal.close();
        assert_eq!(slow.next().await, Some(39), "what was written is read to the end");
    }
}
