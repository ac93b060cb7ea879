//! The atomics and the lock, which a model under loom replaces by its own.

#[cfg(all(test, not(loom)))]
pub(crate) use counted::{Mutex, locks};
#[cfg(all(not(test), not(loom)))]
pub(crate) use std::sync::Mutex;
#[cfg(not(loom))]
pub(crate) use std::sync::{
    MutexGuard,
    atomic::{AtomicU64, Ordering},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

#[cfg(not(loom))]
pub(crate) use plugin_core::sync::stripe;

/// Stripes of one breaker. More than this many do not pay for the memory: a breaker exists once per plugin, or per key.
#[cfg(not(loom))]
pub(crate) fn stripe_count() -> usize {
    plugin_core::sync::stripe_count().min(16)
}

#[cfg(loom)]
pub(crate) fn stripe_count() -> usize {
    2
}

#[cfg(loom)]
loom::lazy_static! {
    static ref NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
}

#[cfg(loom)]
loom::thread_local! {
    static STRIPE: usize = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) & 1;
}

/// Threads of a model are coroutines on one real thread, and every run of it must begin alike; so they take the model's
/// own stripes in turn.
#[cfg(loom)]
pub(crate) fn stripe() -> usize {
    STRIPE.with(|stripe| *stripe)
}

/// A lock that knows how often this thread has taken one, for the tests of what takes none.
#[cfg(all(test, not(loom)))]
mod counted {
    use std::{
        cell::Cell,
        sync::{self, LockResult, MutexGuard},
    };

    thread_local!(static LOCKS: Cell<u64> = const { Cell::new(0) });

    pub(crate) struct Mutex<T>(sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
            LOCKS.set(LOCKS.get() + 1);
            self.0.lock()
        }
    }

    /// How often this thread takes a lock in here.
    pub(crate) fn locks(work: impl FnOnce()) -> u64 {
        let before = LOCKS.get();
        work();
        LOCKS.get() - before
    }
}
