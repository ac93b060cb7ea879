//! `reported-weights`: in turn, in proportion to what backends say of their load.

use plugin_core::clock::Instant;

use super::{
    numbers::mix,
    pool::{Best, Pool, View, turn_to_index},
};
use crate::{
    ReportedWeightsConfig,
    sync::{AtomicU32, AtomicU64, Ordering},
};

/// The weights that hold at present, which the first pick after each period reads anew.
///
/// After gRPC's [A58](https://github.com/grpc/proposal/blob/master/A58-client-side-weighted-round-robin-lb-policy.md),
/// with its static stride scheduler: each instance is looked at in turn, and takes its turn in as many of [`FULL`]
/// rounds as its weight is of the largest. The rounds that it takes are evenly spread, and begin elsewhere for each
/// instance, so that those of the same weight do not come all at once. In any number of rounds an instance is off its
/// share by less than one call.
///
/// An instance without a weight has the mean of those that have one; with fewer than two of those all are equal. None
/// counts for more than ten times the mean or less than a tenth of it, so that a backend which says what cannot be
/// neither takes all nor has nothing. Of weights from 1 to 40 two turns are looked at for a pick; a hundred where one
/// says that it is without bounds.
///
/// The table is written in place, without a lock and an allocation: each weight is a word by itself, and a pick that
/// finds some of before and some of after is in proportion to both.
pub(crate) struct ReportedWeights {
    config: ReportedWeightsConfig,
    /// From 1 to [`FULL`].
    weights: Box<[AtomicU32]>,
    /// When they are read anew.
    next: AtomicU64,
}

/// The largest weight.
const FULL: u32 = 1 << 16;

/// How many times the mean a weight may be, and its inverse.
const MOST: f64 = 10.0;

impl ReportedWeights {
    pub(super) fn new(config: ReportedWeightsConfig, len: usize) -> Self {
        Self { config, weights: (0..len).map(|_| AtomicU32::new(FULL)).collect(), next: AtomicU64::new(0) }
    }

    /// The next instance that takes its turn. `turn` is asked for each that is looked at.
    #[inline]
    pub(super) fn pick<V: View>(&self, pool: &Pool<'_, V>, now: Instant, turn: impl Fn() -> u64) -> Option<usize> {
        self.refresh(pool, now);
        let (index, turn) = self.next(pool.len(), turn);
        if pool.is_first(index) {
            return Some(index);
        }
        let best = pool.best()?;
        if best.contains(index) { Some(index) } else { self.draw(&best, mix(turn)) }
    }

    #[inline]
    fn next(&self, len: usize, next: impl Fn() -> u64) -> (usize, u64) {
        // In each round the one with the largest weight takes its turn, so that two rounds are more than enough. No
        // table is of one moment while it is written, though.
        let mut turn = next();
        for _ in 0..2 * len {
            let index = turn_to_index(turn, len);
            if is_taken(self.weight(index), index, turn / len as u64) {
                break;
            }
            turn = next();
        }
        (turn_to_index(turn, len), turn)
    }

    #[inline]
    fn weight(&self, index: usize) -> u32 {
        // Relaxed: see the type.
        self.weights.get(index).map_or(FULL, |weight| weight.load(Ordering::Relaxed))
    }

    /// One of the best class, with chances in proportion to the weights.
    fn draw<V: View>(&self, best: &Best<'_, '_, V>, random: u64) -> Option<usize> {
        let weight = |index: usize| u64::from(self.weight(index));
        let total: u64 = best.indices().map(weight).sum();
        let mut ticket = random % total.max(1);
        let drawn = best.indices().find(|index| match ticket.checked_sub(weight(*index)) {
            Some(rest) => {
                ticket = rest;
                false
            }
            None => true,
        });
        // The table has changed in between.
        drawn.or(Some(best.first()))
    }

    /// Reads the weights anew when it is time. One thread does it, and no other waits for that.
    #[inline]
    fn refresh<V: View>(&self, pool: &Pool<'_, V>, now: Instant) {
        let due = self.next.load(Ordering::Relaxed);
        if now.as_nanos() >= due {
            self.read(pool, now, due);
        }
    }

    #[cold]
    fn read<V: View>(&self, pool: &Pool<'_, V>, now: Instant, due: u64) {
        let next = now.saturating_add(self.config.weight_update_period()).as_nanos();
        if self.next.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let reported = |index| pool.view(index).reported_weight(&self.config, now).map(f64::from);
        let (mut count, mut sum, mut largest) = (0_u32, 0.0_f64, 0.0_f64);
        for weight in (0..pool.len()).filter_map(reported) {
            (count, sum, largest) = (count + 1, sum + weight, largest.max(weight));
        }
        let mean = sum / f64::from(count.max(1));
        let largest = largest.min(MOST * mean);
        for (index, weight) in self.weights.iter().enumerate() {
            let scaled = match count {
                ..2 => FULL,
                // Who has reported in between is as good as one that has not.
                _ => scaled(reported(index).unwrap_or(mean).clamp(mean / MOST, largest), largest),
            };
            weight.store(scaled, Ordering::Relaxed);
        }
    }
}

/// A weight as a part of [`FULL`].
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 1 to 2^16")]
fn scaled(weight: f64, largest: f64) -> u32 {
    (weight / largest * f64::from(FULL)).round().clamp(1.0, f64::from(FULL)) as u32
}

/// Whether an instance of this weight takes its turn in this round: where the sum of its weight over the rounds comes
/// past a multiple of [`FULL`].
#[inline]
fn is_taken(weight: u32, index: usize, round: u64) -> bool {
    // The golden ratio as a part of 2^64 spreads what the sums begin with.
    let begin = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    let sum = round.wrapping_mul(u64::from(weight)).wrapping_add(begin) % u64::from(FULL);
    sum + u64::from(weight) >= u64::from(FULL)
}
