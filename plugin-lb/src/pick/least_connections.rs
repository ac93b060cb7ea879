//! `least-connections`: the instance with the fewest calls in flight.

use super::pool::{Pool, View};

/// The instance with the fewest calls in flight; equals take turns. Looks at every instance.
pub(super) fn pick<V: View>(pool: &Pool<'_, V>, turn: u64) -> Option<usize> {
    pool.least(turn, View::in_flight)
}
