//! A fallback that counts its use.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A fallback, and how often it was used.
pub(super) struct CountedAnswer<I> {
    answer: I,
    used: Arc<AtomicU64>,
}

impl<I> CountedAnswer<I> {
    pub(super) fn new(answer: I, used: Arc<AtomicU64>) -> Self {
        Self { answer, used }
    }

    /// The fallback, which may not be used.
    pub(super) fn answer(&self) -> &I {
        &self.answer
    }

    /// The fallback, which is used now.
    pub(super) fn used(&self) -> &I {
        // Relaxed: a count by which nothing else is read.
        self.used.fetch_add(1, Ordering::Relaxed);
        &self.answer
    }
}
