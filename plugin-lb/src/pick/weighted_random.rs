//! `weighted-random`: any instance, with chances in proportion to the weights.

use super::{
    numbers::{mix, scale},
    pool::{Pool, View},
};

/// An alias table: one random number picks in constant time, however many instances there are.
///
/// Walker's method in the construction of M. D. Vose, "A Linear Algorithm for Generating Random Numbers with a Given
/// Distribution" (1991), in whole numbers.
pub(crate) struct Alias(Box<[Column]>);

#[derive(Clone, Copy)]
struct Column {
    /// Below this share of 2^32 the column's own instance is picked, from there on the other.
    own: u32,
    other: u32,
}

impl Alias {
    #[expect(clippy::cast_possible_truncation, reason = "indices fit, and shares are at most u32::MAX")]
    pub(super) fn build(weights: impl Iterator<Item = u32>) -> Self {
        let weights: Vec<u64> = weights.map(u64::from).collect();
        let len = weights.len() as u64;
        let total: u64 = weights.iter().sum();
        // Scaled so that the mean is `total`: a column holds exactly that much.
        let mut left: Vec<u64> = weights.iter().map(|weight| weight * len).collect();
        let mut columns: Vec<Column> = (0..len as u32).map(|own| Column { own: u32::MAX, other: own }).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..left.len()).partition(|index| left[*index] < total);
        while let (Some(less), Some(more)) = (small.pop(), large.pop()) {
            let share = (u128::from(left[less]) << 32) / u128::from(total.max(1));
            columns[less] = Column { own: share.min(u128::from(u32::MAX)) as u32, other: more as u32 };
            left[more] -= total - left[less];
            if left[more] < total { &mut small } else { &mut large }.push(more);
        }
        Self(columns.into())
    }

    /// The instance that a random number falls on, whether it may take a call or not.
    #[inline]
    pub(super) fn draw(&self, ticket: u64) -> usize {
        let (index, rest) = scale(ticket, self.0.len());
        let column = self.0[index];
        if rest >> 32 < u64::from(column.own) { index } else { column.other as usize }
    }

    #[inline]
    pub(super) fn pick<V: View>(&self, pool: &Pool<'_, V>, ticket: u64) -> Option<usize> {
        let index = self.draw(ticket);
        if pool.is_first(index) {
            return Some(index);
        }
        pool.best()?.this_or_weighted(index, mix(ticket))
    }
}
