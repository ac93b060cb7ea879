//! The bodies of requests that are held at once, in bytes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A body up to this size is not counted: as much as is read of a connection in one piece is held anyway, and calls with small
/// payloads must not meet at one count.
const SMALL: u64 = 16 << 10;

/// What all bodies may come to.
#[derive(Debug)]
pub(super) struct Bodies {
    held: AtomicU64,
    max: u64,
}

/// What one body is counted with, until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    bodies: Arc<Bodies>,
    bytes: u64,
}

/// There is no room for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Bodies {
    pub(super) fn new(max: u64) -> Arc<Self> {
        Arc::new(Self { held: AtomicU64::new(0), max })
    }

    pub(super) fn enter(self: &Arc<Self>) -> Held {
        Held { bodies: Arc::clone(self), bytes: 0 }
    }
}

impl Held {
    /// Counts the body with so many bytes, if it was counted with less.
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), Full> {
        if bytes <= SMALL.max(self.bytes) {
            return Ok(());
        }
        let (more, max) = (bytes - self.bytes, self.bodies.max);
        // Relaxed: the number is all that is shared.
        let counted = self.bodies.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(more).filter(|sum| *sum <= max)
        });
        self.bytes = counted.map(|_| bytes).map_err(|_| Full)?;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes > 0 {
            // Relaxed: see `grow`.
            self.bodies.held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back_and_small_bodies_are_not_counted() {
        let bodies = Bodies::new(100 << 10);
        let (mut one, mut two) = (bodies.enter(), bodies.enter());
        assert_eq!((one.grow(60 << 10), two.grow(60 << 10)), (Ok(()), Err(Full)));
        assert_eq!(two.grow(SMALL), Ok(()));
        assert_eq!((one.grow(101 << 10), one.grow(10)), (Err(Full), Ok(())));
        assert_eq!(bodies.held.load(Ordering::Relaxed), 60 << 10);
        drop(one);
        assert_eq!((two.grow(60 << 10), two.grow(100 << 10), two.grow(u64::MAX)), (Ok(()), Ok(()), Err(Full)));
        drop(two);
        assert_eq!(bodies.held.load(Ordering::Relaxed), 0);
    }
}
