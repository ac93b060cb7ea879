//! `random`: any instance, with equal chances.

use super::{
    numbers::scale,
    pool::{Pool, View},
};

/// The instance that a random number falls on.
#[inline]
pub(super) fn pick<V: View>(pool: &Pool<'_, V>, ticket: u64) -> Option<usize> {
    let (index, rest) = scale(ticket, pool.len());
    if pool.is_first(index) {
        return Some(index);
    }
    let best = pool.best()?;
    if best.contains(index) {
        return Some(index);
    }
    best.indices().nth(scale(rest, best.count()).0)
}
