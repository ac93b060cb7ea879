//! A connection of HTTP/2, which all calls share.
//!
//! What befalls the connection befalls every call on it. What is lost with it is counted once, see [`Losses`]; and a call
//! that is given up on a connection that says nothing at all takes it out of use, before each call that comes later is sent
//! into the same silence.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::client::conn::http2;
use plugin_core::clock::{self, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    heard::Heard,
    losses::{Before, Losses},
};
use crate::http::body::Parts;

/// A connection on which nothing was read for so long, while calls waited on it, gets no other call once one of them was
/// given up. Shorter, and callers in a hurry would have a connection opened for each of them.
const SILENCE: Duration = Duration::from_secs(1);

/// The pool's end of it. It closes when the last sender is dropped.
pub(super) struct Shared {
    sender: http2::SendRequest<Parts>,
    heard: Heard,
    quiet: Quiet,
    /// Counts the calls on it, besides the pool.
    known: Arc<Known>,
}

/// What is known of it to all who use it.
struct Known {
    /// When the last call came or went.
    used: AtomicU64,
    /// It ends with the calls that are on it: no other is to come.
    is_left: AtomicBool,
    /// Of the pool's connections.
    losses: Arc<Losses>,
    permits: Arc<Semaphore>,
    /// What it counts against the pool's cap once it is left for its silence and another is opened beside it.
    place: OnceLock<OwnedSemaphorePermit>,
}

/// Since when nothing was read while a call waited: the first call that was sent after what was read last.
#[derive(Clone, Copy, Default)]
struct Quiet {
    heard: u64,
    since: Instant,
}

impl Shared {
    pub(super) fn new(
        sender: http2::SendRequest<Parts>,
        heard: Heard,
        permits: &Arc<Semaphore>,
        losses: &Arc<Losses>,
    ) -> Self {
        let known = Arc::new(Known {
            used: AtomicU64::new(0),
            is_left: AtomicBool::new(false),
            losses: Arc::clone(losses),
            permits: Arc::clone(permits),
            place: OnceLock::new(),
        });
        Self { sender, heard, quiet: Quiet { heard: u64::MAX, since: Instant::ZERO }, known }
    }

    /// The same connection, for a call that began `now`.
    pub(super) fn for_call(&mut self, now: Instant) -> Stream {
        let heard = self.heard.count();
        if heard != self.quiet.heard {
            self.quiet = Quiet { heard, since: now };
        }
        self.known.touch(now);
        let (sender, known) = (self.sender.clone(), Arc::clone(&self.known));
        let before = Before::default();
        Stream { sender, heard: self.heard.clone(), quiet: self.quiet, known, before, waits: true }
    }

    /// Whether another call may come onto it.
    pub(super) fn is_open(&self) -> bool {
        // Relaxed: who misses it is told by the connection.
        !self.sender.is_closed() && !self.known.is_left.load(Ordering::Relaxed)
    }

    /// For how long nobody has used it. Under the lock of the pool, without which no call takes it.
    pub(super) fn idle(&self, now: Instant) -> Duration {
        if Arc::strong_count(&self.known) > 1 {
            return Duration::ZERO;
        }
        // Relaxed: as in `touch`.
        now.saturating_since(Instant::from_nanos(self.known.used.load(Ordering::Relaxed)))
    }
}

impl Known {
    fn touch(&self, now: Instant) {
        // Relaxed: the reaper that reads it tolerates the moment before. A call may have waited since it began.
        self.used.fetch_max(now.as_nanos(), Ordering::Relaxed);
    }

    fn leave(&self) {
        // Relaxed: see `is_open`.
        self.is_left.store(true, Ordering::Relaxed);
    }

    /// Leaves it to the calls that are on it. It counts as a connection beside the one that is opened in its place, and where
    /// there is no room for both, it stays: whether it lives is then found out by a ping.
    fn leave_beside(&self) {
        // Two at once may both take a place, and the second gives its own back.
        if self.permits.available_permits() > 1
            && let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned()
            && self.place.set(permit).is_ok()
        {
            self.leave();
        }
    }
}

/// One call's end of it.
pub(super) struct Stream {
    pub(super) sender: http2::SendRequest<Parts>,
    heard: Heard,
    quiet: Quiet,
    known: Arc<Known>,
    before: Before,
    /// No answer has begun, nor has it failed.
    waits: bool,
}

impl Stream {
    /// It is sent now.
    pub(super) fn is_sent(&mut self) {
        self.before = self.known.losses.before();
    }

    /// An answer has begun, or it has failed.
    pub(super) fn heard_of(&mut self) {
        self.waits = false;
    }

    /// The answer has been read to its end.
    pub(super) fn finish(self) {
        self.known.touch(clock::end::read());
    }

    /// No other call is to come onto this connection.
    pub(super) fn leave(&self) {
        self.known.leave();
    }

    /// See [`Losses::is_told`].
    pub(super) fn is_told(&self, cause: &hyper::Error) -> bool {
        self.known.losses.is_told(self.before, cause)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Given up while it waited, and the connection has said nothing since it was sent: not even to others.
        if self.waits
            && self.heard.count() == self.quiet.heard
            && clock::now().saturating_since(self.quiet.since) >= SILENCE
        {
            self.known.leave_beside();
        }
    }
}
