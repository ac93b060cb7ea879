//! Picking: one pure file per strategy, over a [`Pool`] of candidates.
//!
//! A strategy is given what it draws from as a number: a turn that counts up, a random ticket, the hash of a key, the
//! present moment. It touches no clock, no lock and no allocator.

mod bounded;
mod consistent_hash;
mod least_connections;
mod least_latency;
mod least_request;
mod maglev;
mod numbers;
mod p2c;
mod peak_ewma;
mod pool;
mod random;
mod reported_weights;
mod round_robin;
mod standing;
mod tiers;
mod two;
mod weighted_random;
mod weighted_round_robin;

#[cfg(test)]
mod tests;

use plugin_core::clock::Instant;

pub(crate) use numbers::mix;
pub(crate) use pool::{Pool, View, is_up};
pub(crate) use tiers::{Tiers, places};

use crate::{BalanceConfig, Strategy};

/// A strategy with the tables that it needs for one snapshot of the instances.
pub(crate) enum Picker {
    RoundRobin,
    Random,
    LeastConnections,
    LeastLatency,
    WeightedRandom(weighted_random::Alias),
    ConsistentHash(consistent_hash::Ring, Option<bounded::BoundedLoad>),
    WeightedRoundRobin(weighted_round_robin::Schedule),
    P2c(weighted_random::Alias),
    PeakEwma,
    LeastRequest(weighted_random::Alias),
    Maglev(maglev::Table, Option<bounded::BoundedLoad>),
    ReportedWeights(reported_weights::ReportedWeights),
}

/// Where a strategy draws its numbers from. Each is asked for only where it is needed; a turn once per pick, and once more as often as
/// one is passed over.
pub(crate) trait Draw {
    /// A number that counts up.
    fn turn(&self) -> u64;
    /// A random number.
    fn ticket(&self) -> u64;
    /// The present moment.
    fn now(&self) -> Instant;
    /// The hash of the affinity key.
    fn affinity(&self) -> Option<u64>;
    /// The priority of the request.
    fn priority(&self) -> i16;
    /// Calls in flight on all instances, where the load is bounded.
    fn in_flight(&self) -> usize;
    /// A number that is another one when an instance is ejected, or is back.
    fn ejections(&self) -> u64;
}

impl Picker {
    /// The strategy for these instances.
    pub(crate) fn build<V: View>(config: &BalanceConfig, views: &[V]) -> Self {
        let weights = || views.iter().map(View::weight);
        let named = || views.iter().map(|view| (view.name(), view.weight()));
        let bounded = || config.max_load().map(|most| bounded::BoundedLoad::new(most, weights()));
        match config.strategy() {
            // What is of one priority takes turns; which priority it is, its tier decides.
            Strategy::RoundRobin | Strategy::Priority => Self::RoundRobin,
            Strategy::Random => Self::Random,
            Strategy::LeastConnections => Self::LeastConnections,
            Strategy::LeastLatency => Self::LeastLatency,
            Strategy::WeightedRandom => Self::WeightedRandom(weighted_random::Alias::build(weights())),
            Strategy::ConsistentHash => Self::ConsistentHash(consistent_hash::Ring::build(named()), bounded()),
            Strategy::WeightedRoundRobin => {
                Self::WeightedRoundRobin(weighted_round_robin::Schedule::build(weights().collect()))
            }
            Strategy::P2c => Self::P2c(weighted_random::Alias::build(weights())),
            Strategy::PeakEwma => Self::PeakEwma,
            Strategy::Maglev => Self::Maglev(maglev::Table::build(named()), bounded()),
            Strategy::LeastRequest => Self::LeastRequest(weighted_random::Alias::build(weights())),
            Strategy::ReportedWeights => {
                Self::ReportedWeights(reported_weights::ReportedWeights::new(config.reported_weights(), views.len()))
            }
        }
    }

    /// The index of the instance of the pool that takes the call, or `None` as in [`Tiers::pick`].
    #[inline]
    pub(crate) fn pick<V: View>(&self, pool: &Pool<'_, V>, draw: &impl Draw) -> Option<usize> {
        let picked = match self {
            Self::RoundRobin => round_robin::pick(pool, draw.turn()),
            Self::Random => random::pick(pool, draw.ticket()),
            Self::LeastConnections => least_connections::pick(pool, draw.turn(), || draw.ticket()),
            Self::LeastLatency => least_latency::pick(pool, draw.turn(), || draw.ticket(), draw.now()),
            Self::WeightedRandom(alias) => alias.pick(pool, draw.ticket()),
            Self::ConsistentHash(ring, None) => ring.pick(pool, key(draw)),
            Self::ConsistentHash(ring, Some(bound)) => bound.pick(pool, draw.in_flight(), ring.order(key(draw))),
            Self::WeightedRoundRobin(schedule) => schedule.pick(pool, draw.turn()),
            Self::P2c(alias) => p2c::pick(alias, pool, draw.ticket()),
            Self::PeakEwma => peak_ewma::pick(pool, draw.turn(), draw.ticket(), draw.now()),
            Self::Maglev(table, None) => table.pick(pool, key(draw)),
            Self::Maglev(table, Some(bound)) => bound.pick(pool, draw.in_flight(), table.order(key(draw))),
            Self::LeastRequest(alias) => least_request::pick(alias, pool, draw.ticket()),
            Self::ReportedWeights(weights) => weights.pick(pool, draw.now(), || draw.turn()),
        };
        // One that was to be picked has become worse in between, and a strategy that looks twice has found nobody.
        picked.or_else(|| pool.best().map(|best| best.first()))
    }
}

/// What keeps a call on an instance; without it any key will do.
#[inline]
fn key(draw: &impl Draw) -> u64 {
    draw.affinity().unwrap_or_else(|| draw.ticket())
}
