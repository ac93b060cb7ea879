//! `peak-ewma`: the one of two instances that is expected to answer first, by the worst of late.

use plugin_core::clock::Instant;

use super::{
    least_latency::cost,
    pool::{Pool, View},
    two,
};

/// The instance whose turn it is, or a random other one on which the call would be done sooner.
///
/// The cost is that of `least-latency`. What it is taken from, the estimate of an instance's latency, follows peaks
/// under this strategy.
pub(super) fn pick<V: View>(pool: &Pool<'_, V>, turn: u64, ticket: u64, now: Instant) -> Option<usize> {
    two::by_turn(pool, turn, ticket, |view| cost(view, now))
}
