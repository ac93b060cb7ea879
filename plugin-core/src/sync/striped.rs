//! Sharing without meeting: one copy of a reference count, or of a counter, per stripe of threads.

use std::{fmt, ops::Deref, sync::Arc};

use super::lane::{LaneCount, lane, stripe, stripe_count};

/// Keeps a value on cache lines of its own. 128 bytes, because recent x86 processors fetch lines in pairs.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(128))]
pub struct Pad<T>(pub T);

impl<T> Deref for Pad<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A shared value that many threads borrow at once without writing to the same cache line.
///
/// Cloning one [`Arc`] from two threads makes both slower than one of them alone, since each clone writes the count.
/// Here every stripe has a count of its own. Cloning a `Striped` itself is an ordinary `Arc` clone: do it when a
/// service is made, and take a [`Lease`] per call.
pub struct Striped<T>(Arc<[Arc<Pad<Arc<T>>>]>);

impl<T> Striped<T> {
    /// Shares this value.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self::from_arc(Arc::new(value))
    }

    /// Shares a value that is shared already.
    #[must_use]
    pub fn from_arc(value: Arc<T>) -> Self {
        Self((0..stripe_count()).map(|_| Arc::new(Pad(Arc::clone(&value)))).collect())
    }

    /// Borrows the value, owned and `'static`, through the current thread's stripe.
    #[must_use]
    #[inline]
    pub fn lease(&self) -> Lease<T> {
        Lease(Arc::clone(&self.0[stripe()]))
    }

    /// The value's own `Arc`, for what is made once and lives long.
    #[must_use]
    pub fn to_arc(&self) -> Arc<T> {
        Arc::clone(&self.0[0].0)
    }

    /// Leases that are held now. Exact when nobody takes or drops one meanwhile.
    #[must_use]
    pub fn leases(&self) -> usize {
        self.0.iter().map(|stripe| Arc::strong_count(stripe) - 1).sum()
    }
}

impl<T> Deref for Striped<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0[0].0
    }
}

impl<T> Clone for Striped<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Striped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Striped").field(&**self).finish()
    }
}

/// A value borrowed from a [`Striped`]. It keeps the value alive.
pub struct Lease<T>(Arc<Pad<Arc<T>>>);

impl<T> Deref for Lease<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.0
    }
}

impl<T> Clone for Lease<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&**self).finish()
    }
}

/// A counter that threads add to without meeting. Reading it walks all stripes.
pub struct StripedCounter(Box<[Pad<LaneCount>]>);

impl StripedCounter {
    /// A counter at zero.
    #[must_use]
    pub fn new() -> Self {
        Self((0..stripe_count()).map(|_| Pad::default()).collect())
    }

    /// Adds to the current thread's lane of its stripe.
    #[inline]
    pub fn add(&self, n: u64) {
        let lane = lane();
        self.0[lane.stripe()].add(lane, n);
    }

    /// The sum, wrapping at 64 bits. Additions that run meanwhile may or may not be in it.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().fold(0, |sum, stripe| sum.wrapping_add(stripe.sum()))
    }
}

impl Default for StripedCounter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StripedCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StripedCounter").field(&self.sum()).finish()
    }
}

/// Runs this on a thread whose stripe is not the first one. `None` on a machine that has one stripe alone.
#[cfg(test)]
pub(crate) fn on_another_stripe<T: Send>(run: impl FnOnce() -> T + Send) -> Option<T> {
    let mut run = Some(run);
    // Threads take stripes in turn, and other tests may take some in between.
    (0..64 * stripe_count()).find_map(|_| {
        let run = &mut run;
        let there = move || (stripe() != 0).then(|| run.take().expect("runs once")());
        std::thread::scope(|scope| scope.spawn(there).join().expect("no panic"))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_lease_and_a_count_write_to_the_stripe_of_their_thread_and_to_no_other() {
        let (striped, counter) = (Striped::new(()), StripedCounter::new());
        on_another_stripe(|| {
            let lease = striped.lease();
            counter.add(5);
            for (index, own) in striped.0.iter().enumerate() {
                let here = usize::from(index == stripe());
                assert_eq!(Arc::strong_count(own), 1 + here, "stripe {index}");
                assert_eq!(counter.0[index].sum(), 5 * here as u64, "stripe {index}");
            }
            assert!(Arc::ptr_eq(&lease.0, &striped.0[stripe()]));
            // One count for all stripes would be written by every lease.
            assert_eq!(Arc::strong_count(&striped.0[stripe()].0), stripe_count());
        });
    }

    #[test]
    fn a_lease_outlives_what_it_was_taken_from() {
        let striped = Striped::new(String::from("state"));
        let lease = striped.lease();
        assert_eq!(striped.leases(), 1);
        drop(striped);
        assert_eq!(*lease, "state");
    }

    #[test]
    fn every_clone_and_every_thread_sees_the_same_value() {
        let striped = Striped::new(AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let striped = striped.clone();
                scope.spawn(move || striped.lease().fetch_add(1, Ordering::Relaxed));
            }
        });
        assert_eq!(striped.load(Ordering::Relaxed), 8);
        assert_eq!(striped.leases(), 0);
    }

    #[test]
    fn a_striped_counter_loses_no_addition() {
        let counter = StripedCounter::new();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1000).for_each(|_| counter.add(3)));
            }
        });
        assert_eq!(counter.sum(), 24_000);
    }

    #[test]
    fn stripes_lie_on_cache_lines_of_their_own() {
        assert_eq!(align_of::<Pad<u8>>(), 128);
        assert!(stripe() < stripe_count());
    }
}
