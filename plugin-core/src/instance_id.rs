//! Which instance of a plugin answered.

use std::{
    fmt,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
};

/// Names one instance (one endpoint) of a service, uniquely in this process and for ever.
///
/// It is `Copy`, so that tagging a response costs nothing; whoever made the instance knows its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(NonZeroU64);

impl InstanceId {
    /// A new id, never given out before.
    #[must_use]
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only the uniqueness of the number matters, it orders nothing.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MAX))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstanceId({})", self.0)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A response or an error that knows which instance it came from.
///
/// A balancer tags what comes back, and a retry reads the tag to tell the next attempt what was tried.
pub trait Attributed {
    /// The instance, when somebody tagged it.
    fn instance(&self) -> Option<InstanceId>;
    /// Tags it.
    fn attribute(&mut self, instance: InstanceId);
}
