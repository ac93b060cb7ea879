//! A count that belongs to one second, in one word.

use plugin_core::clock::Instant;

use crate::sync::{AtomicU64, Ordering};

/// The second that a moment lies in. Seconds are those of [`plugin_core::clock`]; 32 bits of them last 136 years.
pub(crate) fn second_of(now: Instant) -> u32 {
    u32::try_from(now.as_nanos() / 1_000_000_000).unwrap_or(u32::MAX)
}

/// A second and a count, packed so that one compare-and-swap changes both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dated {
    pub(crate) second: u32,
    pub(crate) count: u32,
}

impl Dated {
    pub(crate) const fn unpack(packed: u64) -> Self {
        Self { second: (packed >> 32) as u32, count: packed as u32 }
    }

    pub(crate) const fn pack(self) -> u64 {
        (self.second as u64) << 32 | self.count as u64
    }

    /// With one event of this second more. `None`: it is older than what is counted by now, and has left the window.
    #[inline]
    fn with_one_of(self, second: u32) -> Option<Self> {
        match self.second {
            same if same == second => Some(Self { second, count: self.count.saturating_add(1) }),
            older if older < second => Some(Self { second, count: 1 }),
            _ => None,
        }
    }
}

/// Counts events of one second; a ring of these is a window.
#[derive(Debug)]
pub(crate) struct Cell(AtomicU64);

impl Cell {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds one event of this second. An event that is older than what the cell holds by now has left the window.
    #[inline]
    pub(crate) fn add(&self, second: u32) {
        // Relaxed, here and below: the cell is its own whole story. A reader that misses the newest event refuses a retry that it
        // could have allowed a moment later, and never allows one too many.
        let mut packed = self.0.load(Ordering::Relaxed);
        while let Some(next) = Dated::unpack(packed).with_one_of(second) {
            match self.0.compare_exchange_weak(packed, next.pack(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(seen) => packed = seen,
            }
        }
    }

    /// The same in a cell that nobody but this thread writes.
    #[inline]
    pub(crate) fn add_alone(&self, second: u32) {
        if let Some(next) = Dated::unpack(self.0.load(Ordering::Relaxed)).with_one_of(second) {
            self.0.store(next.pack(), Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self, ordering: Ordering) -> Dated {
        Dated::unpack(self.0.load(ordering))
    }
}
