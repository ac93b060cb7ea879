//! A limit that is read in every call and changed while calls are made.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::clock::nanos;

/// Nanoseconds; `u64::MAX` is no limit.
#[derive(Debug)]
pub(super) struct Limit(AtomicU64);

impl Limit {
    pub(super) const fn new(nanos: u64) -> Self {
        Self(AtomicU64::new(nanos))
    }

    pub(super) fn get(&self) -> u64 {
        // Relaxed: a call that reads the limit of a moment ago behaves as if it had come a moment earlier.
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, limit: Option<Duration>) {
        self.0.store(limit.map_or(u64::MAX, nanos), Ordering::Relaxed);
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        duration(self.get())
    }
}

/// A limit as a duration; `u64::MAX` is none.
pub(super) fn duration(nanos: u64) -> Option<Duration> {
    (nanos != u64::MAX).then(|| Duration::from_nanos(nanos))
}
