//! How calls are shared among tiers by what is up in each, and which are in panic: counted when the health of something changes, and
//! read with each pick.

use plugin_core::clock;

use super::View;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering};

/// What was counted last. One thread counts at a time, of the present moment; the others go by what was counted before meanwhile.
pub(super) struct Standing {
    /// The number of changes that it was counted for.
    counted: AtomicU64,
    /// When it may be different without any change, in nanoseconds of the clock: an ejection is over then. 0: never.
    again: AtomicU64,
    counting: Mutex<()>,
    tiers: Box<[TierStanding]>,
    panic_threshold: f64,
    overprovisioning: f64,
}

#[derive(Default)]
struct TierStanding {
    /// Its share of the calls and those of all tiers before it, in parts of 2^32.
    until: AtomicU32,
    /// The same where the last tier is the first to be asked.
    until_back: AtomicU32,
    in_panic: AtomicBool,
}

/// How many instances of a tier there are, and are up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) all: usize,
    pub(super) up: usize,
}

impl Level {
    /// An instance that is ejected can take nothing, whatever its checks say.
    pub(super) fn of<V: View>(views: &[V]) -> Self {
        let is_up = |view: &&V| view.health_and_up().1 && view.back_in().is_none();
        Self { all: views.len(), up: views.iter().filter(is_up).count() }
    }

    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than fifteen digits")]
    fn up_share(self) -> f64 {
        if self.all == 0 { 0.0 } else { self.up as f64 / self.all as f64 }
    }

    /// The part of all calls that it can take.
    fn capacity(self, overprovisioning: f64) -> f64 {
        (self.up_share() * overprovisioning).min(1.0)
    }
}

/// The share of the calls of each tier, the first one asked first.
///
/// After Envoy's priority levels: what is up of a tier can take `overprovisioning` times its own share of the load. What a tier cannot
/// take goes on to the next; where all together cannot take all, each takes more in the same measure.
pub(super) fn shares(levels: &[Level], overprovisioning: f64) -> Vec<f64> {
    let total = levels.iter().map(|level| level.capacity(overprovisioning)).sum::<f64>().min(1.0);
    if total == 0.0 {
        // None is better than another, so the order decides.
        return levels.iter().enumerate().map(|(index, _)| if index == 0 { 1.0 } else { 0.0 }).collect();
    }
    let mut left = 1.0_f64;
    let mut take = |level: &Level| {
        let share = (level.capacity(overprovisioning) / total).min(left);
        left -= share;
        share
    };
    levels.iter().map(&mut take).collect()
}

/// Which tiers are in panic: those of which a smaller share than `threshold` is up, while all tiers together cannot take the calls. One
/// that is alone has no other to help it, so there its share alone decides.
pub(super) fn panics(levels: &[Level], threshold: f64, overprovisioning: f64) -> Vec<bool> {
    let total: f64 = levels.iter().map(|level| level.capacity(overprovisioning)).sum();
    let is_too_much = levels.len() == 1 || total < 1.0 - ROUNDING;
    levels.iter().map(|level| is_too_much && level.up_share() < threshold).collect()
}

/// What sums of shares may be off by.
const ROUNDING: f64 = 1e-9;

impl Standing {
    pub(super) fn new(tiers: usize, panic_threshold: f64, overprovisioning: f64) -> Self {
        Self {
            counted: AtomicU64::new(u64::MAX),
            again: AtomicU64::new(0),
            counting: Mutex::new(()),
            tiers: (0..tiers).map(|_| TierStanding::default()).collect(),
            panic_threshold,
            overprovisioning,
        }
    }

    /// Whether anything depends on it where there is one tier.
    #[inline]
    pub(super) fn is_needed(&self) -> bool {
        self.panic_threshold > 0.0
    }

    #[inline]
    pub(super) fn is_of(&self, changes: u64) -> bool {
        // Acquire, with the Release of `count`: who sees the number sees what was counted.
        self.counted.load(Ordering::Acquire) == changes && !self.is_due()
    }

    /// Whether an ejection is over that was counted.
    #[inline]
    fn is_due(&self) -> bool {
        match self.again.load(Ordering::Relaxed) {
            0 => false,
            again => clock::now().as_nanos() >= again,
        }
    }

    #[inline]
    pub(super) fn panics(&self, tier: usize) -> bool {
        self.tiers.get(tier).is_some_and(|tier| tier.in_panic.load(Ordering::Relaxed))
    }

    /// The tier that a call goes to.
    #[inline]
    pub(super) fn choose(&self, is_back: bool, ticket: impl FnOnce() -> u64) -> usize {
        let last = self.tiers.len().saturating_sub(1);
        let until = |tier: &TierStanding| if is_back { &tier.until_back } else { &tier.until }.load(Ordering::Relaxed);
        // On a good day the first takes all, and no number is drawn.
        let first = if is_back { last } else { 0 };
        if self.tiers.get(first).is_none_or(|tier| until(tier) == u32::MAX) {
            return first;
        }
        let chosen = if is_back {
            by_share(ticket(), self.tiers.iter().rev().map(until)).map(|back| last - back)
        } else {
            by_share(ticket(), self.tiers.iter().map(until))
        };
        chosen.unwrap_or(first)
    }

    /// What the tiers come to with these: the share of each, the first one asked first, and whether it is in panic.
    pub(super) fn of(&self, levels: &[Level]) -> Vec<(f64, bool)> {
        let panics = panics(levels, self.panic_threshold, self.overprovisioning);
        shares(levels, self.overprovisioning).into_iter().zip(panics).collect()
    }

    /// Counts anew, unless another thread is at it. `changes` says how many there were; what changes while it counts makes the next pick
    /// count again.
    #[cold]
    pub(super) fn count<'v, V: View + 'v>(
        &self,
        changes: impl FnOnce() -> u64,
        tiers: impl Iterator<Item = &'v [V]> + Clone,
    ) {
        let Ok(_counting) = self.counting.try_lock() else { return };
        let changes = changes();
        let back = tiers.clone().flatten().filter_map(View::back_in).min();
        let again = back.map_or(0, |back| clock::now().saturating_add(back).as_nanos().max(1));
        let mut levels: Vec<Level> = tiers.map(Level::of).collect();
        let (forth, panics): (Vec<_>, Vec<_>) = self.of(&levels).into_iter().unzip();
        let forth = summed(&forth);
        levels.reverse();
        let back = summed(&shares(&levels, self.overprovisioning));
        // Relaxed: `counted` is what publishes them.
        for (tier, ((until, back), in_panic)) in
            self.tiers.iter().zip(forth.into_iter().zip(back.into_iter().rev()).zip(panics))
        {
            tier.until.store(until, Ordering::Relaxed);
            tier.until_back.store(back, Ordering::Relaxed);
            tier.in_panic.store(in_panic, Ordering::Relaxed);
        }
        self.again.store(again, Ordering::Relaxed);
        self.counted.store(changes, Ordering::Release);
    }
}

/// A tier by its share: `until` are the shares summed up, in parts of 2^32.
fn by_share(ticket: u64, mut until: impl Iterator<Item = u32>) -> Option<usize> {
    let ticket = u32::try_from(ticket >> 32).unwrap_or(u32::MAX);
    until.position(|until| ticket < until || until == u32::MAX)
}

/// Shares summed up, in parts of 2^32. From where all are summed up on it is the largest number, whatever rounding has left.
fn summed(shares: &[f64]) -> Vec<u32> {
    let mut sum = 0.0;
    let until = |share: &f64| {
        sum += share;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
        let until = (sum * 4_294_967_296.0) as u32;
        if sum > 1.0 - ROUNDING { u32::MAX } else { until }
    };
    shares.iter().map(until).collect()
}
