//! `weighted-round-robin`: in turn, in proportion to the weights, evenly spread.

use super::{
    numbers::mix,
    pool::{Pool, View, turn_to_index},
};

/// The longest table. Weights that would need a longer one are rounded to parts of this.
const LONGEST: u64 = 4096;

/// The order of a whole period, made once per snapshot.
///
/// The order is that of nginx's smooth weighted round-robin (5, 1, 1 gives `a a b a c a a`): at each step every
/// instance gains its weight, the one that has most is taken, and pays the total. Its period is the total divided by
/// the greatest common divisor, so a table replaces the running state and its lock.
pub(crate) struct Schedule(Box<[u32]>);

impl Schedule {
    #[expect(clippy::cast_possible_truncation, reason = "indices of instances fit 32 bits")]
    pub(super) fn build(weights: Vec<u32>) -> Self {
        let weights = shorten(weights);
        if weights.iter().all(|weight| *weight == 1) {
            return Self((0..weights.len() as u32).collect());
        }
        let total: i64 = weights.iter().sum();
        let mut credit = vec![0_i64; weights.len()];
        let order = (0..total).map(|_| {
            let mut most = 0;
            for index in 0..credit.len() {
                credit[index] += weights[index];
                if credit[index] > credit[most] {
                    most = index;
                }
            }
            credit[most] -= total;
            most as u32
        });
        Self(order.collect())
    }

    #[inline]
    pub(super) fn pick<V: View>(&self, pool: &Pool<'_, V>, turn: u64) -> Option<usize> {
        let index = self.0[turn_to_index(turn, self.0.len())] as usize;
        if pool.is_first(index) {
            return Some(index);
        }
        pool.best()?.this_or_weighted(index, mix(turn))
    }

    #[cfg(test)]
    pub(super) fn order(&self) -> &[u32] {
        &self.0
    }
}

/// Divides the weights by what they have in common, and rounds them if the table would still be too long.
fn shorten(weights: Vec<u32>) -> Vec<i64> {
    let common = u64::from(weights.iter().copied().fold(0, gcd).max(1));
    let total = weights.iter().map(|weight| u64::from(*weight)).sum::<u64>() / common;
    let longest = LONGEST.max(weights.len() as u64);
    let part = |weight: u32| {
        let weight = u64::from(weight) / common;
        let weight = if total <= longest { weight } else { (weight * longest + total / 2) / total };
        i64::try_from(weight.max(1)).unwrap_or(1)
    };
    weights.into_iter().map(part).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
