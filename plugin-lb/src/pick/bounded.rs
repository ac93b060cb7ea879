//! No instance has much more than its share of the calls in flight, whatever the keys are.

use super::pool::{Pool, View};

/// What keeps a key that is asked for all the time from taking its instance down.
///
/// After V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016): an instance has room
/// while it has fewer calls in flight than `most` times its share, by weight, of all calls in flight and the one that
/// comes, rounded up. The key of one that is full goes on to whoever would be next if that were down, so that it has
/// the same second choice each time.
///
/// Never are all of them full: so many would be at least `most` times as many as there are and one more, and there are
/// no more than there are. Threads that pick at the same moment may each go one too far.
#[derive(Debug)]
pub(crate) struct BoundedLoad {
    most: f64,
    /// The weight of all that are enabled.
    weight: u64,
}

/// How many calls in flight an instance of weight 1 may have, in a set of this weight while this many are in flight.
#[derive(Clone, Copy)]
struct Room(f64);

impl Room {
    #[expect(clippy::cast_precision_loss, reason = "fifteen digits hold more calls and weights than there can be")]
    fn new(most: f64, calls: usize, weight: u64) -> Self {
        Self(most * (calls as f64 + 1.0) / weight.max(1) as f64)
    }

    /// A whole number is below a number rounded up just where it is below the number.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "as above")]
    fn is_in(self, view: &impl View) -> bool {
        (view.in_flight() as f64) < self.0 * f64::from(view.weight())
    }
}

impl BoundedLoad {
    pub(super) fn new(most: f64, weights: impl Iterator<Item = u32>) -> Self {
        Self { most, weight: weights.map(u64::from).sum() }
    }

    /// The first of `order` that is of the best class and has room, while so many calls are in flight on all.
    #[inline]
    pub(super) fn pick<V: View>(
        &self,
        pool: &Pool<'_, V>,
        calls: usize,
        mut order: impl Iterator<Item = usize> + Clone,
    ) -> Option<usize> {
        let all = order.clone();
        let first = order.next()?;
        // Of those that are enabled some may be down, and then the others have more room than this.
        if pool.is_first(first) && Room::new(self.most, calls, self.weight).is_in(pool.view(first)) {
            return Some(first);
        }
        self.next(pool, calls, all)
    }

    #[cold]
    fn next<V: View>(
        &self,
        pool: &Pool<'_, V>,
        calls: usize,
        order: impl Iterator<Item = usize> + Clone,
    ) -> Option<usize> {
        let best = pool.best()?;
        let (weight, here) = best
            .indices()
            .map(|index| pool.view(index))
            .fold((0, 0), |(weight, here), view| (weight + u64::from(view.weight()), here + view.in_flight()));
        // Those that began before the load was bounded are counted by their instances alone.
        let room = Room::new(self.most, calls.max(here), weight);
        let has_room = |index: &usize| best.contains(*index) && room.is_in(pool.view(*index));
        let mut last = 0;
        order
            .clone()
            .inspect(|index| last = *index)
            .find(has_room)
            // An order may end before it has named all.
            .or_else(|| (last..pool.len()).chain(0..last).find(has_room))
            // Others have taken the last room since it was measured.
            .or_else(|| order.clone().find(|index| best.contains(*index)))
    }
}
