//! `least-request`: the one of two random instances that has the most weight left for another call.

use super::{
    pool::{Pool, View},
    two,
    weighted_random::Alias,
};

/// Of two random instances, drawn by weight, the one with the larger weight / (calls in flight + 1), which is what
/// Envoy makes of a weight with an `active_request_bias` of 1.
///
/// The one that is added is the call to be placed: an idle instance of weight 1 is no better than one of weight 4 with
/// three calls. So where little is in flight the heavy ones take more than their share, and the more there is the
/// closer are the shares to the weights.
pub(super) fn pick<V: View>(alias: &Alias, pool: &Pool<'_, V>, ticket: u64) -> Option<usize> {
    two::by_weight(alias, pool, ticket, |view| {
        #[expect(clippy::cast_precision_loss, reason = "a cost is compared, not counted")]
        let with_this_one = view.in_flight() as f64 + 1.0;
        with_this_one / f64::from(view.weight())
    })
}
