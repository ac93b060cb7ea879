//! What the counts of this crate are made of: the standard library's atomics and a stripe for each processor, or loom's atomics
//! and one stripe when a model checks them.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use plugin_core::sync::stripe_count;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
pub(crate) fn stripe_count() -> usize {
    1
}
