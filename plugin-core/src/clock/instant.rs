//! A moment of this clock.

use std::{fmt, time::Duration};

/// A moment, in whole nanoseconds since a fixed moment before the process first asked.
///
/// It is one word wide, so shared state can keep it in an atomic. All arithmetic saturates: nothing here panics or
/// wraps at the clock's edges. Two values compare only within one process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The earliest moment. [`now`](super::now) never returns it, so it can stand for "never happened".
    pub const ZERO: Self = Self(0);
    /// The latest moment, about 584 years after the first. It can stand for "no limit".
    pub const MAX: Self = Self(u64::MAX);

    /// The moment `nanos` nanoseconds after [`Instant::ZERO`].
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since [`Instant::ZERO`].
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was at this moment; zero when it is later than this moment.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// How long ago `earlier` was at this moment, if it was.
    pub(super) const fn checked_since(self, earlier: Self) -> Option<Duration> {
        match self.0.checked_sub(earlier.0) {
            Some(nanos) => Some(Duration::from_nanos(nanos)),
            None => None,
        }
    }

    /// The moment `after` later, or [`Instant::MAX`].
    #[must_use]
    pub fn saturating_add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(nanos(after)))
    }

    /// The moment `before` earlier, or [`Instant::ZERO`].
    #[must_use]
    pub fn saturating_sub(self, before: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(before)))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instant({:?})", Duration::from_nanos(self.0))
    }
}

/// A duration in nanoseconds; `u64::MAX` when it is longer than 584 years.
#[must_use]
pub const fn nanos(duration: Duration) -> u64 {
    let nanos = duration.as_nanos();
    #[expect(clippy::cast_possible_truncation, reason = "it is no more than that")]
    if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 }
}

/// Nanoseconds that the first reading is set to, so that moments before it (a paused test clock that was started
/// earlier, a window that reaches back) still have a value.
pub(super) const HEAD_START: u64 = 3_600_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_edges() {
        assert_eq!(Instant::MAX.saturating_add(Duration::MAX), Instant::MAX);
        assert_eq!(Instant::ZERO.saturating_sub(Duration::MAX), Instant::ZERO);
        assert_eq!(Instant::ZERO.saturating_since(Instant::MAX), Duration::ZERO);
    }
}
