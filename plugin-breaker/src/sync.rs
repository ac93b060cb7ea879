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

/// Threads of a model are coroutines on one real thread, so they are told apart by the model's own ids.
#[cfg(loom)]
pub(crate) fn stripe() -> usize {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    loom::thread::current().id().hash(&mut hasher);
    usize::try_from(hasher.finish() & 1).unwrap_or(0)
}
