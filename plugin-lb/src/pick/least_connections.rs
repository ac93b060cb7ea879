//! `least-connections`: the instance with the fewest calls in flight.

use super::{
    pool::{Pool, View},
    two,
};

/// The instance with the fewest calls in flight; equals take turns. Looks at every instance, and at two where there are
/// many.
pub(super) fn pick<V: View>(pool: &Pool<'_, V>, turn: u64, ticket: impl FnOnce() -> u64) -> Option<usize> {
    if pool.is_large() {
        two::by_turn(pool, turn, ticket(), View::in_flight)
    } else {
        pool.least(turn, View::in_flight)
    }
}
