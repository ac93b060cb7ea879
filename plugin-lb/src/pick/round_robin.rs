//! `round-robin`: one instance after the other.

use super::pool::{Pool, View, turn_to_index};

/// The instance whose turn it is.
#[inline]
pub(super) fn pick<V: View>(pool: &Pool<'_, V>, turn: u64) -> Option<usize> {
    let index = turn_to_index(turn, pool.len());
    if pool.is_first(index) {
        return Some(index);
    }
    // Rounds, not turns, choose the substitute: each round gives one turn away, and the rounds take all in turn.
    pool.best()?.this_or_nth(index, turn / pool.len() as u64)
}
