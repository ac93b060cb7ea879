//! The longest calls of a table of keys that is full, while a flood of new keys goes on.

use std::{
    fmt,
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use plugin_core::clock;
use plugin_ratelimit::{KeyedRateLimitConfig, KeyedTokenBucket};

use crate::harness::Histogram;

/// Calls that are timed on each thread.
const CALLS: u64 = 4_000_000;

/// What no call is to take longer than.
const BAR: Duration = Duration::from_micros(100);

/// A key of somebody who is known. Those of the flood are larger.
const KNOWN: u64 = 0;

/// What was found, as a sentence beneath the table.
pub(super) fn pauses() -> String {
    measured(CALLS).to_string()
}

struct Pauses {
    calls: u64,
    known: Times,
    new: Times,
    /// Between two readings of the clock on the first of the threads, with nothing between them.
    nothing: Times,
}

/// A thread brings a new key with each call, as fast as it can, and another calls with the one that is known.
fn measured(calls: u64) -> Pauses {
    let bucket = KeyedTokenBucket::<u64>::new(KeyedRateLimitConfig::default());
    let mut keys = KNOWN + 1..;
    // The table is at its cap before the first call that is timed.
    for key in keys.by_ref().take(4 * bucket.config().max_keys() as usize) {
        let _either = bucket.try_acquire(&key, 1);
    }
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let mut new = Times::new();
            loop {
                for key in keys.by_ref().take(1_000) {
                    new.time(|| bucket.try_acquire(&key, 1));
                }
                // Relaxed: it says when to stop, and nothing else. Not at once, however late this thread begins.
                if ended.load(Ordering::Relaxed) {
                    return new;
                }
            }
        });
        let (mut known, mut nothing) = (Times::new(), Times::new());
        for _ in 0..calls {
            known.time(|| bucket.try_acquire(&KNOWN, 1));
            // For as long, not as often: what the machine takes away comes with time.
            while nothing.total < known.total {
                nothing.time(|| ());
            }
        }
        ended.store(true, Ordering::Relaxed);
        Pauses { calls, known, new: flood.join().expect("it panics not"), nothing }
    })
}

/// How long calls took.
struct Times {
    histogram: Histogram,
    longest: Duration,
    total: Duration,
    beyond_bar: u64,
}

impl Times {
    fn new() -> Self {
        Self { histogram: Histogram::new(), longest: Duration::ZERO, total: Duration::ZERO, beyond_bar: 0 }
    }

    #[inline]
    fn time<T>(&mut self, call: impl FnOnce() -> T) {
        let begun = clock::now();
        black_box(call());
        let took = clock::now().saturating_since(begun);
        self.histogram.count(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        self.longest = self.longest.max(took);
        self.total += took;
        self.beyond_bar += u64::from(took > BAR);
    }

    fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(self.histogram.quantile(share).unwrap_or_default() as u64)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0?} (p99.9), {:.0?} at the longest, {} beyond {BAR:.0?} in {:.1?}",
            self.quantile(0.999),
            self.longest,
            self.beyond_bar,
            self.total
        )
    }
}

impl fmt::Display for Pauses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, known, new, nothing } = self;
        write!(
            f,
            "A full table of 100,000 keys while one thread brings a new key with each call, so that each looks for one to forget. Of {calls} \
             calls of another thread with a key that is known: {known}. Those with a new key: {new}. Two readings of the clock with nothing \
             between them, for as long as the calls with the known key: {nothing}. No call is to take longer than {BAR:.0?} but by what the \
             machine takes away."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_calls_are_timed_while_the_flood_goes_on() {
        let found = measured(2_000);
        assert!(found.known.quantile(0.999) <= 2 * found.known.longest);
        assert!(found.new.longest > Duration::ZERO);
        assert!(found.to_string().contains("Of 2000 calls"), "{found}");
    }
}
