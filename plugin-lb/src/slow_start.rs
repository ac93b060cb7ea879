//! Slow start: one that joins while others are there, or comes back, gets its share little by little.

use std::time::Duration;

use plugin_core::{
    HealthCell, HealthState, InstanceId,
    clock::{self, Instant},
};

use crate::{
    BalanceConfig,
    pick::{Draw, View},
    sync::{AtomicBool, AtomicU64, Ordering},
};

/// The least part of its share that an instance has, from the beginning: one that gets nothing does not warm up.
const LEAST: f64 = 0.1;

/// So many instances are passed over in one pick, at most.
const PASSED_OVER: usize = 3;

/// Since when an instance is warming up.
#[derive(Debug, Default)]
pub(crate) struct Warmth {
    /// The moment, in nanoseconds of the clock; 0 where it has no need to.
    since: AtomicU64,
    /// Whether it was down when its health was looked at last.
    was_down: AtomicBool,
}

impl Warmth {
    /// It begins now.
    pub(crate) fn begin(&self) {
        // Relaxed, here and below: a pick that sees it a moment later behaves as one that came a moment earlier.
        self.since.store(clock::now().as_nanos().max(1), Ordering::Relaxed);
    }

    fn since(&self) -> Option<Instant> {
        Some(self.since.load(Ordering::Relaxed)).filter(|since| *since > 0).map(Instant::from_nanos)
    }

    /// Its health has changed, perhaps: where it is up again, it begins to warm up.
    fn look(&self, is_up: bool) {
        if self.was_down.swap(!is_up, Ordering::Relaxed) && is_up {
            self.begin();
        }
    }
}

/// The part of its share that an instance has: from a tenth, straight up to all of it.
///
/// As Envoy's slow start with an aggression of 1.
pub(crate) fn part(since: Instant, window: Duration, now: Instant) -> f64 {
    let passed = now.saturating_since(since);
    if passed >= window { 1.0 } else { (passed.as_secs_f64() / window.as_secs_f64()).max(LEAST) }
}

/// An instance that may be warming up.
pub(crate) trait Warming: View {
    fn warmth(&self) -> &Warmth;
}

/// Whether nothing is known against it.
fn is_well(entry: &impl Warming) -> bool {
    matches!(entry.health(), HealthState::Healthy | HealthState::Unknown)
}

/// Of one snapshot.
pub(crate) struct SlowStart {
    window: Duration,
    /// When the last one has warmed up, in nanoseconds of the clock; 0 where none is at it.
    until: AtomicU64,
    /// The number of changes of health that were looked at.
    seen: AtomicU64,
}

impl SlowStart {
    /// `None` where there is no slow start, or a key decides, whose calls are not to move from one instance to another and back.
    pub(crate) fn new<'w>(config: &BalanceConfig, all: impl Iterator<Item = &'w Warmth>) -> Option<Self> {
        let window = config.slow_start().filter(|_| !config.strategy().reads_key())?;
        let ends = all.filter_map(|warmth| Some(warmth.since()?.saturating_add(window).as_nanos()));
        Some(Self { window, until: AtomicU64::new(ends.max().unwrap_or(0)), seen: AtomicU64::new(u64::MAX) })
    }

    /// Picks; and picks again where one that is warming up was picked and has had its part.
    ///
    /// So whatever a strategy goes by, its share is so much of what it would be. Where all are warming up none is passed over for long,
    /// and their shares are as they would be.
    #[inline]
    pub(crate) fn pick<V: Warming>(
        &self,
        entries: &[V],
        tried: &[InstanceId],
        draw: &impl Draw,
        pick: impl Fn(&[InstanceId]) -> Option<usize>,
        tier_of: impl Fn(usize) -> usize,
    ) -> Option<usize> {
        let changes = HealthCell::generation();
        if self.seen.load(Ordering::Relaxed) != changes {
            self.look(entries, changes);
        }
        let picked = pick(tried)?;
        // A second attempt has enough to avoid.
        if self.until.load(Ordering::Relaxed) == 0 || !tried.is_empty() {
            return Some(picked);
        }
        self.pick_warm(entries, picked, draw, pick, tier_of)
    }

    #[cold]
    fn pick_warm<V: Warming>(
        &self,
        entries: &[V],
        mut picked: usize,
        draw: &impl Draw,
        pick: impl Fn(&[InstanceId]) -> Option<usize>,
        tier_of: impl Fn(usize) -> usize,
    ) -> Option<usize> {
        let now = clock::now();
        let until = self.until.load(Ordering::Relaxed);
        if now.as_nanos() >= until {
            // Another thread may have begun anew for one that came back: its end stays.
            let _ = self.until.compare_exchange(until, 0, Ordering::Relaxed, Ordering::Relaxed);
            return Some(picked);
        }
        let mut entry = entries.get(picked)?;
        let mut passed = [entry.id(); PASSED_OVER];
        for count in 0..PASSED_OVER {
            let part = entry.warmth().since().map_or(1.0, |since| part(since, self.window, now));
            #[expect(clippy::cast_precision_loss, reason = "a chance needs no more than fifteen digits")]
            let chance = (draw.ticket() >> 11) as f64 / (1_u64 << 53) as f64;
            if chance < part {
                break;
            }
            passed[count] = entry.id();
            let Some(other) = pick(&passed[..=count]) else { break };
            // Nobody is passed over for one that is worse or of another tier, or for one that was passed over itself.
            match entries.get(other) {
                Some(next) if (is_well(next) || !is_well(entry)) && tier_of(other) == tier_of(picked) => entry = next,
                _ => break,
            }
            let is_again = passed[..=count].contains(&entry.id());
            picked = other;
            if is_again {
                break;
            }
        }
        Some(picked)
    }

    /// Looks who is back, and until when any is warming up: another snapshot may have seen it first.
    #[cold]
    fn look<V: Warming>(&self, entries: &[V], changes: u64) {
        for entry in entries {
            entry.warmth().look(entry.health_and_up().1);
        }
        let ends =
            entries.iter().filter_map(|entry| Some(entry.warmth().since()?.saturating_add(self.window).as_nanos()));
        self.until.fetch_max(ends.max().unwrap_or(0), Ordering::Relaxed);
        self.seen.store(changes, Ordering::Relaxed);
    }
}
