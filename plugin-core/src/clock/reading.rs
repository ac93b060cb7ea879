//! What the clock reads.

use std::time::{Duration, SystemTime};

use super::instant::{HEAD_START, Instant};

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

impl Instant {
    /// Time since this moment, by [`now`](super::now).
    #[must_use]
    pub fn elapsed(self) -> Duration {
        now().saturating_since(self)
    }
}

/// The wall clock: for dates in headers, logs and certificates, never for measuring.
#[must_use]
pub fn wall() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    SystemTime::now()
}

#[cfg(any(debug_assertions, feature = "test-util"))]
mod source {
    use std::sync::OnceLock;

    use super::{
        super::{
            fake,
            instant::{HEAD_START, Instant, nanos},
        },
        beside,
    };

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
    use std::sync::OnceLock;

    use super::{
        super::{
            anchored::{Anchored, Source},
            instant::{HEAD_START, Instant, nanos},
        },
        beside,
    };

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
