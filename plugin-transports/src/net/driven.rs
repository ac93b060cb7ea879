//! What drives a connection of HTTP/2, and knows how many streams its peer allows.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    client::conn::http2,
    rt::{Executor, Read, Write},
};
use plugin_core::clock::{self, Instant};
use tokio::sync::Notify;

use crate::net::body::Parts;

/// What stands for the number of streams until the peer has told one. A number is 32 bits on the wire, and none is
/// `usize::MAX`.
pub(crate) const UNTOLD: usize = usize::MAX - 1;

/// Those who wait for a stream, and what wakes the first of them to look again.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: AtomicUsize,
    changed: Notify,
}

/// A call that waits, for as long as this lives.
pub(crate) struct Waiter<'q>(&'q Queue);

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn join(&self) -> Waiter<'_> {
        // SeqCst: who waits looks for a stream after this, and who gives one back looks for who waits. One of them sees the
        // other.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Waiter(self)
    }

    /// There may be a stream now. While nobody waits, that costs a look at a word that nobody writes.
    pub(crate) fn tell(&self) {
        if !self.is_empty() {
            self.changed.notify_one();
        }
    }

    /// Resolves when something was told since this did so last. For one at a time.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A connection as hyper has it, whatever carries it.
pub(crate) trait Driven: Future<Output = hyper::Result<()>> + Send {
    /// How many streams its peer allows, as it said last.
    fn max_streams(&self) -> usize;
}

impl<T> Driven for http2::Connection<T, Parts, Telling>
where
    T: Read + Write + Unpin + Send + 'static,
{
    fn max_streams(&self) -> usize {
        self.current_max_send_streams()
    }
}

/// A connection that is being driven, and can be asked.
pub(crate) struct DrivenConnection {
    /// Gone when it has ended.
    driven: Mutex<Option<Pin<Box<dyn Driven>>>>,
    max_streams: AtomicUsize,
    /// Since when that is none. Of use while it is none.
    shut: AtomicU64,
    /// Who opens it waits in here until it is known what its peer allows.
    opener: Arc<Queue>,
}

impl DrivenConnection {
    pub(crate) fn new(connection: impl Driven + 'static, opener: Arc<Queue>) -> Arc<Self> {
        let driven = Mutex::new(Some(Box::pin(connection) as _));
        Arc::new(Self { driven, max_streams: AtomicUsize::new(UNTOLD), shut: AtomicU64::new(0), opener })
    }

    /// Resolves when the peer has told how many streams it allows; to `false` when the connection ends before. For one at a
    /// time.
    pub(crate) async fn is_told(&self) -> bool {
        let _waiter = self.opener.join();
        loop {
            let has_ended = self.lock().is_none();
            if self.told().is_some() {
                return true;
            }
            if has_ended {
                return false;
            }
            self.opener.changed().await;
        }
    }

    /// How many streams its peer allows at once: none until it has told that.
    pub(crate) fn max_streams(&self) -> usize {
        self.told().unwrap_or(0)
    }

    fn told(&self) -> Option<usize> {
        let driven = match self.driven.try_lock() {
            Ok(driven) => Some(driven),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            // It is being driven at this moment, and what is found then is told afterwards.
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(connection) = driven.as_ref().and_then(|driven| driven.as_ref()) {
            self.publish(&**connection);
        }
        // Acquire: who sees that there are none sees since when.
        Some(self.max_streams.load(Ordering::Acquire)).filter(|max| *max != UNTOLD)
    }

    /// For how long its peer has allowed none; `None` where it allows some.
    pub(crate) fn shut_for(&self, now: Instant) -> Option<Duration> {
        let is_shut = self.max_streams() == 0;
        // Relaxed: it was read behind the number.
        is_shut.then(|| now.saturating_since(Instant::from_nanos(self.shut.load(Ordering::Relaxed))))
    }

    /// Under the lock.
    fn publish(&self, connection: &dyn Driven) {
        let max = connection.max_streams();
        // Relaxed: nobody else writes either meanwhile.
        if max == 0 && self.max_streams.load(Ordering::Relaxed) != 0 {
            self.shut.store(clock::now().as_nanos(), Ordering::Relaxed);
        }
        self.max_streams.store(max, Ordering::Release);
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut driven = self.lock();
        let Some(connection) = driven.as_mut() else { return Poll::Ready(()) };
        // An error of its own also reaches the calls that are on it, which tell it better.
        let polled = connection.as_mut().poll(cx).map(drop);
        self.publish(&**connection);
        polled
    }

    fn end(&self) {
        let ended = self.lock().take();
        // What it drops is not to run under the lock.
        drop(ended);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Pin<Box<dyn Driven>>>> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drives a connection to its end.
pub(crate) struct Driving {
    pub(crate) link: Arc<DrivenConnection>,
    pub(crate) telling: Telling,
}

impl Future for Driving {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.link.poll(cx);
        self.telling.tell();
        polled
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        self.link.end();
        self.telling.tell();
    }
}

/// Runs what belongs to a connection. It is in there that the peer's settings are read, and no driver hears of that: so who
/// waits for a stream is told after each step, and so is who opens the connection.
#[derive(Clone)]
pub(crate) struct Telling {
    pub(crate) queue: Arc<Queue>,
    pub(crate) opener: Arc<Queue>,
}

impl Telling {
    fn tell(&self) {
        self.queue.tell();
        self.opener.tell();
    }
}

impl<F> Executor<F> for Telling
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, work: F) {
        tokio::spawn(TellingTask { work, telling: self.clone() });
    }
}

pin_project_lite::pin_project! {
    struct TellingTask<F> {
        #[pin]
        work: F,
        telling: Telling,
    }
}

impl<F: Future<Output = ()>> Future for TellingTask<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let polled = this.work.poll(cx);
        this.telling.tell();
        polled
    }
}
