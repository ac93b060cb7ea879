//! `p2c`: the one of two random instances that has fewer calls in flight.

use super::{
    pool::{Pool, View},
    two,
    weighted_random::Alias,
};

/// Of two random instances, drawn by weight, the one with fewer calls in flight for its weight; of equals the one that
/// was drawn first, so that where nothing is in flight the shares are the weights.
pub(super) fn pick<V: View>(alias: &Alias, pool: &Pool<'_, V>, ticket: u64) -> Option<usize> {
    two::by_weight(alias, pool, ticket, |view| {
        #[expect(clippy::cast_precision_loss, reason = "a cost is compared, not counted")]
        let in_flight = view.in_flight() as f64;
        in_flight / f64::from(view.weight())
    })
}
