//! The phases of a gateway: starting, ready, leaving, cut off; and the signal of each.

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use plugin_core::sync::{Pad, stripe, stripe_count};
use tokio::sync::Notify;

const STARTING: u8 = 0;
const READY: u8 = 1;
const LEAVING: u8 = 2;

/// How far the gateway has come.
#[derive(Debug)]
pub(super) struct Lifecycle {
    phase: AtomicU8,
    /// No call can begin any more.
    pub(super) closed: Signal,
    /// Calls that are still running are not waited for any longer.
    pub(super) over: Signal,
    /// Nobody waits for what still runs, and it ends with the program.
    cut_off: AtomicBool,
}

impl Lifecycle {
    pub(super) fn new() -> Self {
        let phase = AtomicU8::new(STARTING);
        Self { phase, closed: Signal::new(), over: Signal::new(), cut_off: AtomicBool::new(false) }
    }

    /// Release: pairs with the acquire of [`is_ready`](Self::is_ready), so that what was registered before is seen then. One
    /// that leaves already stays so.
    pub(super) fn set_ready(&self) {
        let _ = self.phase.compare_exchange(STARTING, READY, Ordering::Release, Ordering::Relaxed);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.phase.load(Ordering::Acquire) == READY
    }

    /// Whether it was ready before.
    pub(super) fn leave(&self) -> bool {
        self.phase.swap(LEAVING, Ordering::AcqRel) == READY
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.phase.load(Ordering::Acquire) == LEAVING
    }

    /// Whether what ends without an answer does so because the gateway is not waited for.
    pub(super) fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Acquire)
    }
}

/// The gateway has it: when that is dropped, nobody waits for what still runs.
#[derive(Debug)]
pub(super) struct CutOff(pub(super) Arc<Lifecycle>);

impl Drop for CutOff {
    fn drop(&mut self) {
        // Release: a request that ends because of what follows sees it.
        self.0.cut_off.store(true, Ordering::Release);
    }
}

/// Something that happens once. Who waits for it does so on the stripe of its thread, since every call that takes time waits.
pub(super) struct Signal {
    raised: AtomicBool,
    waiting: Box<[Pad<Notify>]>,
}

impl Signal {
    fn new() -> Self {
        Self { raised: AtomicBool::new(false), waiting: (0..stripe_count()).map(|_| Pad(Notify::new())).collect() }
    }

    pub(super) fn raise(&self) {
        // SeqCst, here and below: whoever does not see it has enabled its wait before, and is woken.
        self.raised.store(true, Ordering::SeqCst);
        self.waiting.iter().for_each(|stripe| stripe.0.notify_waiters());
    }

    pub(super) fn is_raised(&self) -> bool {
        // SeqCst: as in `raise`.
        self.raised.load(Ordering::SeqCst)
    }

    /// Resolves when it is raised, at once when it was.
    pub(super) async fn raised(&self) {
        let mut wait = pin!(self.waiting[stripe() % self.waiting.len()].0.notified());
        wait.as_mut().enable();
        if !self.is_raised() {
            wait.await;
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signal").field(&self.raised).finish()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_waits_on_any_thread_hears_a_signal_and_who_comes_late_does_not_wait() {
        let signal = Arc::new(Signal::new());
        assert_eq!(signal.raised().now_or_never(), None);
        let waits: Vec<_> = (0..64)
            .map(|_| {
                let signal = Arc::clone(&signal);
                tokio::spawn(async move { signal.raised().await })
            })
            .collect();
        tokio::task::yield_now().await;
        signal.raise();
        for wait in waits {
            wait.await.expect("no panic");
        }
        assert_eq!(signal.raised().now_or_never(), Some(()));
    }

    #[test]
    fn one_that_leaves_does_not_become_ready() {
        let course = Lifecycle::new();
        assert!(!course.leave());
        course.set_ready();
        assert!(!course.is_ready() && course.is_leaving());
    }
}
