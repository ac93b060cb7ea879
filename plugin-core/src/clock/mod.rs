//! The clock that every crate of the family reads.
//!
//! In an optimised build [`now`] reads the processor's time-stamp counter (through [`quanta`]), which costs less than
//! half of [`std::time::Instant::now`]. In a build with debug assertions, and with the feature `test-util`, it reads
//! tokio's clock instead, so a test that pauses tokio's clock moves breakers, buckets and budgets with it.
//!
//! A counter may be set back, jump or stand still: when a machine resumes from suspend, or a virtual one is moved to
//! another host. So each thread holds it to the monotonic clock (that of [`std::time::Instant`]) from millisecond to
//! millisecond, and whenever two readings are not in order. Time then goes on from there, and buckets, breakers and
//! budgets with it. What the monotonic clock does not count has not passed: on Linux and macOS the time while the machine
//! is suspended, so a breaker that was to stay open for 30 s when the lid was closed does so after it is opened.

mod anchored;
pub mod end;
#[cfg(any(debug_assertions, feature = "test-util"))]
pub mod fake;

use std::{
    fmt,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

/// A moment, in whole nanoseconds since a fixed moment before the process first asked.
///
/// It is one word wide, so shared state can keep it in an atomic. All arithmetic saturates: nothing here panics or
/// wraps at the clock's edges. Two values compare only within one process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The earliest moment. [`now`] never returns it, so it can stand for "never happened".
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
    const fn checked_since(self, earlier: Self) -> Option<Duration> {
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

    /// Time since this moment, by [`now`].
    #[must_use]
    pub fn elapsed(self) -> Duration {
        now().saturating_since(self)
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

/// The present moment. Never goes backwards on one thread, and moves on with the monotonic clock whatever the
/// processor's counter does: no more than a millisecond apart while it is read.
#[must_use]
#[inline]
pub fn now() -> Instant {
    #[cfg(any(debug_assertions, feature = "test-util"))]
    READINGS.with(|readings| readings.set(readings.get() + 1));
    source::now()
}

#[cfg(any(debug_assertions, feature = "test-util"))]
thread_local!(static READINGS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) });

/// How often this thread has called [`now`] so far. For tests: it is there in builds with debug assertions and with the
/// feature `test-util`.
#[cfg(any(debug_assertions, feature = "test-util"))]
#[must_use]
pub fn readings() -> u64 {
    READINGS.with(std::cell::Cell::get)
}

/// The same moment on tokio's clock, for a timer that is armed for it. It reads no clock.
pub(crate) fn on_tokio(at: Instant) -> tokio::time::Instant {
    source::on_tokio(at)
}

/// A moment that lies as far from `zero` as `at` from the first reading.
fn beside(zero: tokio::time::Instant, at: Instant) -> tokio::time::Instant {
    let start = Instant::from_nanos(HEAD_START);
    let moved = match at.checked_since(start) {
        Some(after) => zero.checked_add(after),
        None => zero.checked_sub(start.saturating_since(at)),
    };
    // Only a platform whose clock cannot hold 584 years gets here.
    moved.unwrap_or(zero)
}

/// The wall clock: for dates in headers, logs and certificates, never for measuring.
#[must_use]
pub fn wall() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    SystemTime::now()
}

/// Nanoseconds that the first reading is set to, so that moments before it (a paused test clock that was started
/// earlier, a window that reaches back) still have a value.
const HEAD_START: u64 = 3_600_000_000_000;

#[cfg(any(debug_assertions, feature = "test-util"))]
mod source {
    use super::{HEAD_START, Instant, OnceLock, beside, fake, nanos};

    static ANCHOR: OnceLock<tokio::time::Instant> = OnceLock::new();

    pub(super) fn on_tokio(at: Instant) -> tokio::time::Instant {
        match fake::now() {
            // A machine of its own does not move tokio's clock.
            Some(now) => tokio::time::Instant::now() + at.saturating_since(now),
            None => beside(*ANCHOR.get_or_init(tokio::time::Instant::now), at),
        }
    }

    pub(super) fn now() -> Instant {
        if let Some(now) = fake::now() {
            return now;
        }
        let now = tokio::time::Instant::now();
        let anchor = *ANCHOR.get_or_init(|| now);
        // A runtime whose clock was paused before the anchor was set reads earlier than the anchor.
        let after = nanos(now.saturating_duration_since(anchor));
        let before = nanos(anchor.saturating_duration_since(now));
        Instant::from_nanos(HEAD_START.saturating_add(after).saturating_sub(before))
    }
}

#[cfg(not(any(debug_assertions, feature = "test-util")))]
mod source {
    use super::{HEAD_START, Instant, OnceLock, anchored::Anchored, anchored::Source, beside, nanos};

    struct Processor {
        counter: quanta::Clock,
        first: std::time::Instant,
    }

    impl Source for Processor {
        #[inline]
        fn counter(&self) -> u64 {
            self.counter.raw()
        }

        #[inline]
        fn between(&self, from: u64, to: u64) -> u64 {
            self.counter.delta_as_nanos(from, to)
        }

        fn monotonic(&self) -> u64 {
            HEAD_START.saturating_add(nanos(self.first.elapsed()))
        }
    }

    #[inline]
    pub(super) fn now() -> Instant {
        thread_local!(static ANCHORED: Anchored = const { Anchored::new() });
        let processor = processor();
        // Nothing is dropped with a thread's anchor, so it is there until the thread's very end.
        Instant::from_nanos(ANCHORED.with(|anchored| anchored.now(processor)))
    }

    #[inline]
    fn processor() -> &'static Processor {
        static PROCESSOR: OnceLock<Processor> = OnceLock::new();
        PROCESSOR.get_or_init(|| Processor {
            counter: quanta::Clock::new(),
            #[expect(clippy::disallowed_methods, reason = "this is the clock that the counter is held to")]
            first: std::time::Instant::now(),
        })
    }

    pub(super) fn on_tokio(at: Instant) -> tokio::time::Instant {
        beside(tokio::time::Instant::from_std(processor().first), at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_edges() {
        assert_eq!(Instant::MAX.saturating_add(Duration::MAX), Instant::MAX);
        assert_eq!(Instant::ZERO.saturating_sub(Duration::MAX), Instant::ZERO);
        assert_eq!(Instant::ZERO.saturating_since(Instant::MAX), Duration::ZERO);
    }

    #[test]
    fn the_clock_does_not_go_backwards() {
        let first = now();
        assert!(first > Instant::ZERO);
        assert!((0..1000).map(|_| now()).is_sorted());
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_follows_a_paused_tokio_clock() {
        let start = now();
        assert_eq!(now(), start, "a paused clock stands still");
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(90));
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_is_found_on_tokios_clock() {
        let (ours, tokios) = (now(), tokio::time::Instant::now());
        let readings = readings();
        for after in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(90), Duration::from_secs(1 << 33)] {
            assert_eq!(on_tokio(ours.saturating_add(after)), tokios + after);
        }
        let before = Duration::from_secs(7200);
        assert_eq!(on_tokio(ours.saturating_sub(before)).saturating_duration_since(tokios), Duration::ZERO);
        assert_eq!(super::readings(), readings, "without a look at the clock");
    }
}
