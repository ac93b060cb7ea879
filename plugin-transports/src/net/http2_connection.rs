//! A connection of HTTP/2, which all calls share.
//!
//! What befalls the connection befalls every call on it. So it is one piece of evidence when it is lost, however many calls
//! were on it; and a call that is given up on a connection that says nothing at all takes it out of use, before each call
//! that comes later is sent into the same silence.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::client::conn::http2;
use plugin_core::{
    PluginError, Sent,
    clock::{self, Instant},
    rounded,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    connect::OpenedHttp2,
    driven::{DrivenConnection, Queue},
    first_words::Refused,
    liveness::Heard,
    losses::Losses,
};
use crate::net::body::Parts;

/// A connection on which nothing was read for so long, while calls waited on it, gets no other call once one of them was
/// given up. Shorter, and callers in a hurry would have a connection opened for each of them.
const SILENCE: Duration = Duration::from_secs(1);

/// How long calls wait for a peer that allows no stream at all: it may do so, for a moment (RFC 9113, 5.1.2).
pub(crate) const SHUT_FOR: Duration = Duration::from_secs(1);

/// The error of who has waited so long.
pub(crate) fn shut() -> PluginError {
    let message = format!("the plugin takes no calls: it has allowed no stream of HTTP/2 for {}", rounded(SHUT_FOR));
    PluginError::connection(message, Sent::Nothing)
}

/// The error of who has opened a connection for nothing.
pub(crate) fn shut_at_once() -> PluginError {
    PluginError::connection(
        "the plugin takes no calls: it allows no stream of HTTP/2 on a new connection",
        Sent::Nothing,
    )
}

/// The pool's end of it. It closes when the last sender is dropped.
pub(crate) struct Http2Connection {
    sender: http2::SendRequest<Parts>,
    heard: Heard,
    quiet: Quiet,
    /// Counts the calls on it, besides the pool.
    known: Arc<KnownPeer>,
}

/// What is known of it to all who use it.
struct KnownPeer {
    /// When the last call came or went.
    used: AtomicU64,
    /// When the last answer had been read.
    answered: AtomicU64,
    /// It ends with the calls that are on it: no other is to come.
    is_left: AtomicBool,
    /// A call has told that it was lost.
    is_lost: AtomicBool,
    refused: Refused,
    /// The connection itself, which knows how many calls its peer takes at once.
    link: Arc<DrivenConnection>,
    /// How many calls are on it. It grows under the lock of the pool alone.
    streams: AtomicUsize,
    /// Who waits until there are fewer.
    queue: Arc<Queue>,
    /// Of the pool's connections.
    losses: Arc<Losses>,
    permits: Arc<Semaphore>,
    /// What it counts against the pool's cap where there is another beside it. See [`place_beside`].
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

/// A place under the pool's cap for a connection beside the one that all share, which counts as one and holds none.
pub(crate) fn place_beside(permits: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    // Of two, so that one is left for that.
    let mut two = Arc::clone(permits).try_acquire_many_owned(2).ok()?;
    two.split(1)
}

/// Since when nothing was read while a call waited: the first call that was sent after what was read last.
#[derive(Clone, Copy, Default)]
struct Quiet {
    heard: u64,
    since: Instant,
}

impl Http2Connection {
    pub(crate) fn new(
        OpenedHttp2 { sender, link, heard, refused }: OpenedHttp2,
        queue: &Arc<Queue>,
        permits: &Arc<Semaphore>,
        losses: &Arc<Losses>,
    ) -> Self {
        let known = Arc::new(KnownPeer {
            used: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            is_left: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            refused,
            link,
            streams: AtomicUsize::new(0),
            queue: Arc::clone(queue),
            losses: Arc::clone(losses),
            permits: Arc::clone(permits),
            place: Mutex::default(),
        });
        Self { sender, heard, quiet: Quiet { heard: u64::MAX, since: Instant::ZERO }, known }
    }

    /// Whether its peer takes one more call.
    pub(crate) fn has_room(&self) -> bool {
        // SeqCst: see `Queue::join`.
        self.known.streams.load(Ordering::SeqCst) < self.known.link.max_streams()
    }

    /// Whether its peer says that it takes no call at all.
    pub(crate) fn is_shut(&self) -> bool {
        self.known.link.max_streams() == 0
    }

    /// For how long it has said that; `None` where it takes some.
    pub(crate) fn shut_for(&self, now: Instant) -> Option<Duration> {
        self.known.link.shut_for(now)
    }

    /// Leaves it to the calls that are on it, as far as the cap allows another beside it. Under the lock of the pool.
    pub(crate) fn leave(&self) {
        // SeqCst: see `Queue::join`.
        match self.known.streams.load(Ordering::SeqCst) {
            0 => self.known.leave(),
            _ => self.known.leave_beside(),
        }
    }

    /// Makes it count, for as long as it lives, or count no longer.
    pub(crate) fn set_place(&self, place: Option<OwnedSemaphorePermit>) {
        *self.known.place() = place;
    }

    /// The same connection, for a call that has it from `now` on.
    pub(crate) fn for_call(&mut self, now: Instant) -> Stream {
        self.known.streams.fetch_add(1, Ordering::SeqCst);
        let heard = self.heard.count();
        if heard != self.quiet.heard {
            self.quiet = Quiet { heard, since: now };
        }
        self.known.touch(now);
        let (sender, known) = (self.sender.clone(), Arc::clone(&self.known));
        Stream { sender, heard: self.heard.clone(), quiet: self.quiet, known, waits: true }
    }

    /// Whether another call may come onto it.
    pub(crate) fn is_open(&self) -> bool {
        // Relaxed: who misses it is told by the connection.
        !self.sender.is_closed() && !self.known.is_left.load(Ordering::Relaxed)
    }

    /// Whether a call on it was answered since then.
    pub(crate) fn has_answered_since(&self, then: Instant) -> bool {
        // Relaxed: as in `touch`.
        self.known.answered.load(Ordering::Relaxed) > then.as_nanos()
    }

    /// For how long nobody has used it. Under the lock of the pool, without which no call takes it.
    pub(crate) fn idle(&self, now: Instant) -> Duration {
        if Arc::strong_count(&self.known) > 1 {
            return Duration::ZERO;
        }
        // Relaxed: as in `touch`.
        now.saturating_since(Instant::from_nanos(self.known.used.load(Ordering::Relaxed)))
    }
}

impl KnownPeer {
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
        let mut place = self.place();
        if place.is_none() {
            *place = place_beside(&self.permits);
        }
        if place.is_some() {
            self.leave();
        }
    }

    fn place(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call's end of it.
pub(crate) struct Stream {
    pub(crate) sender: http2::SendRequest<Parts>,
    heard: Heard,
    quiet: Quiet,
    known: Arc<KnownPeer>,
    /// No answer has begun, nor has it failed.
    waits: bool,
}

impl Stream {
    /// An answer has begun, or it has failed.
    pub(crate) fn heard_of(&mut self) {
        self.waits = false;
    }

    /// The answer has been read to its end.
    pub(crate) fn finish(self) {
        let now = clock::end::read();
        self.known.touch(now);
        // Relaxed: as in `touch`.
        self.known.answered.fetch_max(now.as_nanos(), Ordering::Relaxed);
    }

    /// No other call is to come onto this connection.
    pub(crate) fn leave(&self) {
        self.known.leave();
    }

    /// See [`Lease::is_told`](super::pool::Lease::is_told).
    pub(crate) fn is_told(&self, cause: &hyper::Error) -> bool {
        // Relaxed: any of them may be the first.
        (self.known.losses.add(cause) || self.refused().is_so()) && self.known.is_lost.swap(true, Ordering::Relaxed)
    }

    /// What its peer said where it takes no part in the connection.
    pub(crate) fn refused(&self) -> &Refused {
        &self.known.refused
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
        // SeqCst: see `Queue::join`.
        self.known.streams.fetch_sub(1, Ordering::SeqCst);
        self.known.queue.tell();
    }
}
