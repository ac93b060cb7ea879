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
        if !pool.is_first(first) {
            let best = pool.best()?;
            return self.among(pool, calls, &all, |index| best.contains(index));
        }
        // Of those that are enabled some may be down, and then the others have more room than this.
        if Room::new(self.most, calls, self.weight).is_in(pool.view(first)) {
            return Some(first);
        }
        // Where one is in the very best class no other class matters.
        self.among(pool, calls, &all, |index| pool.is_first(index))
    }

    /// The same of those that `may` have the call.
    #[cold]
    fn among<V: View>(
        &self,
        pool: &Pool<'_, V>,
        calls: usize,
        order: &(impl Iterator<Item = usize> + Clone),
        may: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let all = || (0..pool.len()).filter(|index| may(*index)).map(|index| pool.view(index));
        let weight = all().map(|view| u64::from(view.weight())).sum();
        let next = |room: Room| {
            let has_room = |index: &usize| may(*index) && room.is_in(pool.view(*index));
            let mut last = 0;
            let found = order.clone().inspect(|index| last = *index).find(has_room);
            // An order may end before it has named all.
            found.or_else(|| (last..pool.len()).chain(0..last).find(has_room))
        };
        next(Room::new(self.most, calls, weight))
            // Those that began before the load was bounded are counted by their instances alone, which takes long.
            .or_else(|| {
                let here = all().map(View::in_flight).sum();
                (here > calls).then(|| next(Room::new(self.most, here, weight))).flatten()
            })
            // Others have taken the last room since it was measured.
            .or_else(|| order.clone().find(|index| may(*index)))
    }
}
