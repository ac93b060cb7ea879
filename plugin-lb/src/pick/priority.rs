//! `priority`: the instance of the highest priority.

use super::pool::{Pool, View, turn_to_index};

/// The instances in order of their priority.
pub(crate) struct Levels {
    /// Highest priority first.
    order: Box<[u32]>,
    /// How many share the highest priority.
    highest: usize,
    /// How many share the lowest.
    lowest: usize,
}

impl Levels {
    #[expect(clippy::cast_possible_truncation, reason = "indices of instances fit 32 bits")]
    pub(super) fn build(priorities: impl Iterator<Item = i32>) -> Self {
        let priorities: Vec<i32> = priorities.collect();
        let mut order: Vec<u32> = (0..priorities.len() as u32).collect();
        let of = |index: u32| priorities[index as usize];
        order.sort_by_key(|index| std::cmp::Reverse(of(*index)));
        let run =
            |edge: Option<&u32>| edge.map_or(0, |edge| order.iter().filter(|index| of(**index) == of(*edge)).count());
        Self { highest: run(order.first()), lowest: run(order.last()), order: order.into() }
    }

    /// One of the highest priority among the best class, in turn. A request of a priority below 0 is given one of the
    /// lowest instead.
    pub(super) fn pick<V: View>(&self, pool: &Pool<'_, V>, turn: u64, request: i16) -> Option<usize> {
        let level =
            if request < 0 { &self.order[self.order.len() - self.lowest..] } else { &self.order[..self.highest] };
        let index = level[turn_to_index(turn, level.len())] as usize;
        if pool.is_first(index) {
            return Some(index);
        }
        let best = pool.best()?;
        let priority = |index: &usize| pool.view(*index).priority();
        let wanted = match request {
            ..0 => best.indices().map(|index| priority(&index)).min()?,
            0.. => best.indices().map(|index| priority(&index)).max()?,
        };
        let same = || best.indices().filter(|index| priority(index) == wanted);
        // As in round-robin: rounds choose the substitute, so that no neighbour takes it all.
        if same().any(|same| same == index) {
            return Some(index);
        }
        match same().count() {
            // All of them have become worse since they were counted.
            0 => None,
            count => same().nth(turn_to_index(turn / level.len() as u64, count)),
        }
    }
}
