//! The atomics and the lock, which a model under loom replaces by its own.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

#[cfg(not(loom))]
pub(crate) use plugin_core::striped::stripe;

/// Stripes of one breaker. More than this many do not pay for the memory: a breaker exists once per plugin, or per key.
#[cfg(not(loom))]
pub(crate) fn stripe_count() -> usize {
    plugin_core::striped::stripe_count().min(16)
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
