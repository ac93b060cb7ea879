//! `consistent-hash`: the same instance for the same key.

use super::{
    numbers::{hash_name, mix},
    pool::{Pool, View},
};

/// Points on the ring per instance of ordinary weight. The load of an instance then varies by about a twelfth.
const POINTS: u64 = 160;

/// A ring of hashes: every instance owns points on it, and a key belongs to the first point at or after it.
///
/// After D. Karger et al., "Consistent Hashing and Random Trees" (1997). Points come from the instance's name alone, so
/// the order in which instances join does not matter, a restart changes nothing, and one that joins or leaves moves
/// only the keys of its own points, about one in n. The key of one that is down goes on to the next point that is not
/// its own.
pub(crate) struct Ring {
    points: Box<[Point]>,
    /// The first point at or after each of so many equal parts of the ring: where a search begins, and, with about two
    /// points in a part, soon ends.
    parts: Box<[u32]>,
    /// How far a hash is shifted to be the number of its part.
    shift: u32,
}

struct Point {
    hash: u64,
    instance: u32,
}

impl Ring {
    #[expect(clippy::cast_possible_truncation, reason = "indices of instances fit 32 bits")]
    pub(super) fn build<'n>(instances: impl Iterator<Item = (&'n str, u32)>) -> Self {
        let instances: Vec<_> = instances.collect();
        let total: u64 = instances.iter().map(|(_, weight)| u64::from(*weight)).sum();
        // An ordinary weight, as a power of two: it stays the same while the mean moves a little, so that a newcomer
        // does not change the number of points of all others.
        let mean = (total / (instances.len() as u64).max(1)).max(1);
        let ordinary = 1_u64 << mean.ilog2();
        let mut points = Vec::new();
        for (index, (name, weight)) in instances.iter().enumerate() {
            let count = (POINTS * u64::from(*weight) / ordinary).max(1);
            let own = hash_name(name);
            points.extend((0..count).map(|point| Point {
                hash: mix(own ^ mix(point.wrapping_add(0x9e37_79b9_7f4a_7c15))),
                instance: index as u32,
            }));
        }
        // Of two points with one hash the same one wins, whatever the order of the instances.
        points.sort_unstable_by_key(|point| (point.hash, instances[point.instance as usize].0));
        let parts = (points.len() / 2).next_power_of_two().max(2);
        let shift = u64::BITS - parts.trailing_zeros();
        let first = |part: usize| points.partition_point(|point| point.hash >> shift < part as u64) as u32;
        Self { parts: (0..parts).map(first).collect(), points: points.into(), shift }
    }

    #[inline]
    pub(super) fn pick<V: View>(&self, pool: &Pool<'_, V>, key: u64) -> Option<usize> {
        let mut order = self.order(key);
        let first = order.next()?;
        if pool.is_first(first) {
            return Some(first);
        }
        let best = pool.best()?;
        self.order(key).find(|index| best.contains(*index))
    }

    /// The instances of the points from that of a key on, going round.
    #[inline]
    pub(super) fn order(&self, key: u64) -> impl Iterator<Item = usize> + Clone {
        let key = mix(key);
        let mut start = self.parts[(key >> self.shift) as usize] as usize;
        while self.points.get(start).is_some_and(|point| point.hash < key) {
            start += 1;
        }
        // Past the last point the ring begins anew.
        let start = if start == self.points.len() { 0 } else { start };
        let (before, after) = self.points.split_at(start);
        after.iter().chain(before).map(|point| point.instance as usize)
    }

    #[cfg(test)]
    pub(super) fn owner_by_search(&self, hash: u64) -> Option<usize> {
        let point = self.points.iter().find(|point| point.hash >= hash).or(self.points.first());
        point.map(|point| point.instance as usize)
    }
}
