//! What the layer and its services share.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use plugin_core::{
    Code, Rejected,
    clock::{self, Instant},
    sync::{Pad, StripedCounter},
};

use super::{
    AdaptiveThrottleConfig, AdaptiveThrottleStats,
    history::{Counts, History},
};
use crate::sync::{AtomicU64, Mutex, Ordering, lock};

/// How old the share may be that requests are refused by: nobody counts anew for each request.
const FRESH: Duration = Duration::from_millis(10);

pub(super) struct ThrottleState {
    requests: StripedCounter,
    accepts: StripedCounter,
    refused: StripedCounter,
    share: Pad<Share>,
    rare: Mutex<Rare>,
}

/// What every request reads.
struct Share {
    /// The bits of the share that is refused, a number from 0 to 1. A throttle that is switched off has 0.
    refused: AtomicU64,
    /// When it is to be found anew.
    until: AtomicU64,
    /// Moves on with each request that the share is asked about. It begins anywhere: instances that start together are not to refuse
    /// and to send the same ones of their requests.
    random: AtomicU64,
}

struct Rare {
    config: AdaptiveThrottleConfig,
    enabled: bool,
    history: History,
    seen: Counts,
}

fn seed() -> u64 {
    RandomState::new().hash_one(0_u8)
}

impl ThrottleState {
    pub(super) fn new(config: AdaptiveThrottleConfig, enabled: bool) -> Self {
        Self {
            requests: StripedCounter::new(),
            accepts: StripedCounter::new(),
            refused: StripedCounter::new(),
            share: Pad(Share { refused: AtomicU64::new(0), until: AtomicU64::new(0), random: AtomicU64::new(seed()) }),
            rare: Mutex::new(Rare { config, enabled, history: History::default(), seen: Counts::default() }),
        }
    }

    /// A request asks to pass.
    #[inline]
    pub(super) fn admit(&self) -> Result<(), Rejected> {
        let now = clock::now();
        // Relaxed, here and below: a number and a moment, each of which is right by itself.
        if now.as_nanos() >= self.share.until.load(Ordering::Relaxed) {
            self.find(now);
        }
        let share = f64::from_bits(self.share.refused.load(Ordering::Relaxed));
        if share > 0.0 { self.draw(share) } else { Ok(()) }
    }

    /// A request that was passed on has ended. Only now it counts: while it was in flight nobody knew whether it was accepted,
    /// and to count it as one that was not would refuse the calls of a service that is slow.
    #[inline]
    pub(super) fn ended(&self, accepted: bool) {
        self.requests.add(1);
        if accepted {
            self.accepts.add(1);
        }
    }

    #[cold]
    fn draw(&self, share: f64) -> Result<(), Rejected> {
        if self.random() < share {
            self.requests.add(1);
            self.refused.add(1);
            return Err(Rejected::new(Code::Shed));
        }
        Ok(())
    }

    /// From 0 to below 1. SplitMix64 of Steele, Lea and Flood (2014), whose state is a sum, so that threads may share it.
    fn random(&self) -> f64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut mixed = self.share.random.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Finds the share anew.
    #[cold]
    fn find(&self, now: Instant) {
        // Before the lock is taken, so that those who come meanwhile do not wait for it.
        self.share.until.store(now.saturating_add(FRESH).as_nanos(), Ordering::Relaxed);
        self.update(&mut lock(&self.rare), now);
    }

    fn update(&self, rare: &mut Rare, now: Instant) {
        let totals = Counts { requests: self.requests.sum(), accepts: self.accepts.sum() };
        rare.seen = rare.history.look(totals, rare.config.window(), now);
        let share = if rare.enabled { rare.seen.refused_share(rare.config.multiplier()) } else { 0.0 };
        self.share.refused.store(share.to_bits(), Ordering::Relaxed);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Rare) -> T) -> T {
        let mut rare = lock(&self.rare);
        let changed = change(&mut rare);
        self.update(&mut rare, clock::now());
        changed
    }

    pub(super) fn stats(&self) -> AdaptiveThrottleStats {
        let mut rare = lock(&self.rare);
        self.update(&mut rare, clock::now());
        AdaptiveThrottleStats {
            requests: rare.seen.requests,
            accepts: rare.seen.accepts,
            refused_share: f64::from_bits(self.share.refused.load(Ordering::Relaxed)),
            refused: self.refused.sum(),
        }
    }

    pub(super) fn config(&self) -> AdaptiveThrottleConfig {
        lock(&self.rare).config
    }

    pub(super) fn reconfigure(&self, config: AdaptiveThrottleConfig) {
        self.change(|rare| rare.config = config);
    }

    pub(super) fn set_enabled(&self, enabled: bool) {
        self.change(|rare| rare.enabled = enabled);
    }

    pub(super) fn is_enabled(&self) -> bool {
        lock(&self.rare).enabled
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn two_throttles_draw_different_numbers() {
        let drawn = || {
            let state = ThrottleState::new(AdaptiveThrottleConfig::default(), true);
            [(); 8].map(|()| state.random())
        };
        let (one, other) = (drawn(), drawn());
        assert_ne!(one, other);
        assert!(one.iter().chain(&other).all(|drawn| (0.0..1.0).contains(drawn)));
    }
}
