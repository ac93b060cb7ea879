//! Tiers: groups of instances in order, of which a later one takes calls only as far as those before it cannot.
//!
//! A tier is what is of one priority (under [`Strategy::Priority`]), in the own zone or elsewhere, and part of the own subset or spare.
//! Most balancers have one tier, and know nothing of this.

use std::{cell::Cell, cmp::Reverse, ops::Range};

use plugin_core::{HealthCell, InstanceId, clock::Instant};

use super::{
    Draw, Picker, Pool, View,
    numbers::{hash_name, mix},
    standing::{Level, Standing},
};
use crate::{BalanceConfig, Strategy, TierStats};

/// What puts an instance into its tier. Lower is earlier; equal ones are of one tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    priority: Reverse<i32>,
    is_elsewhere: bool,
    is_spare: bool,
}

/// The place of each instance, in their order. `seed` is this balancer's own: what its subset is drawn with.
pub(crate) fn places<V: View>(config: &BalanceConfig, views: &[V], seed: u64) -> Vec<Place> {
    let by_priority = config.strategy() == Strategy::Priority;
    let place = |view: &V| Place {
        priority: Reverse(if by_priority { view.priority() } else { 0 }),
        is_elsewhere: config.zone().is_some_and(|own| view.zone() != Some(own)),
        is_spare: false,
    };
    let mut places: Vec<Place> = views.iter().map(place).collect();
    if let Some(subset) = config.subset() {
        // After gRPC's A68: all are put in an order of chance, and the first so many are the subset. One that joins or leaves moves one.
        let drawn = |index: &usize| mix(hash_name(views[*index].name()) ^ seed);
        let mut order: Vec<usize> = (0..views.len()).collect();
        order.sort_by_cached_key(|index| (places[*index], drawn(index)));
        let groups = order.chunk_by(|one, other| places[*one] == places[*other]).map(<[usize]>::to_vec);
        let spare: Vec<usize> = groups.flat_map(|group| group.into_iter().skip(subset as usize)).collect();
        spare.into_iter().for_each(|index| places[index].is_spare = true);
    }
    places
}

/// The tiers of one snapshot of the instances, which lie in the order of their places.
pub(crate) struct Tiers {
    tiers: Box<[Tier]>,
    standing: Standing,
    /// Whether requests of a priority below 0 go the other way round.
    by_priority: bool,
    /// Whether a key decides where a call goes.
    by_key: bool,
}

struct Tier {
    place: Place,
    range: Range<usize>,
    picker: Picker,
}

impl Tiers {
    /// `places` are those of the instances, in the same order: sorted.
    pub(crate) fn build<V: View>(config: &BalanceConfig, views: &[V], places: &[Place]) -> Self {
        let mut end = 0;
        let tiers: Box<[Tier]> = places
            .chunk_by(PartialEq::eq)
            .map(|tier| {
                let range = end..end + tier.len();
                end = range.end;
                let views = &views[range.clone()];
                Tier { place: tier[0], picker: Picker::build(config, views), range }
            })
            .collect();
        let standing = Standing::new(tiers.len(), config.panic_threshold(), config.overprovisioning());
        let (by_priority, by_key) = (config.strategy() == Strategy::Priority, config.strategy().reads_key());
        Self { tiers, standing, by_priority, by_key }
    }

    /// The index of the instance that takes the call. `None` when each of them failed this very call already, or the only ones left
    /// are Offline while others are not.
    #[inline]
    pub(crate) fn pick<V: View>(
        &self,
        views: &[V],
        tried: &[InstanceId],
        failed: &[InstanceId],
        draw: &impl Draw,
    ) -> Option<usize> {
        let pool = Pool::new(views, tried, failed);
        match &*self.tiers {
            [only] if !self.standing.is_needed() => only.picker.pick(&pool, draw),
            [only] => {
                self.count(views, draw);
                only.picker.pick(&pool.in_panic(self.standing.panics(0)), draw)
            }
            several => self.among(several, views, tried, failed, draw),
        }
    }

    /// What is known of each tier now, in their order.
    pub(crate) fn stats<V: View>(&self, views: &[V]) -> Vec<TierStats> {
        let levels: Vec<_> = self.tiers.iter().map(|tier| Level::of(&views[tier.range.clone()])).collect();
        let of = |((tier, level), (share, in_panic)): ((&Tier, &Level), (f64, bool))| TierStats {
            priority: self.by_priority.then_some(tier.place.priority.0),
            is_near: !tier.place.is_elsewhere,
            is_spare: tier.place.is_spare,
            instances: level.all,
            up: level.up,
            share,
            in_panic,
        };
        self.tiers.iter().zip(&levels).zip(self.standing.of(&levels)).map(of).collect()
    }

    /// Whether a caller's wish for this instance can be followed, whatever its tier.
    pub(crate) fn is_agreeable<V: View>(
        views: &[V],
        tried: &[InstanceId],
        failed: &[InstanceId],
        index: usize,
    ) -> bool {
        Pool::new(views, tried, failed).is_agreeable(index)
    }

    /// The tier of an instance, by its number.
    pub(crate) fn tier_of(&self, index: usize) -> usize {
        self.tiers.iter().position(|tier| tier.range.contains(&index)).unwrap_or(0)
    }

    fn among<V: View>(
        &self,
        tiers: &[Tier],
        views: &[V],
        tried: &[InstanceId],
        failed: &[InstanceId],
        draw: &impl Draw,
    ) -> Option<usize> {
        self.count(views, draw);
        let is_back = self.by_priority && draw.priority() < 0;
        // A key stays in its tier as long as the shares are what they are.
        let key = self.by_key.then(|| draw.affinity()).flatten().map(|key| mix(key ^ TIER_OF_KEY));
        let chosen = self.standing.choose(is_back, || key.unwrap_or_else(|| draw.ticket()));
        let pool = |number: usize| {
            let pool = Pool::new(&views[tiers[number].range.clone()], tried, failed);
            pool.in_panic(self.standing.panics(number))
        };
        let turn = Cell::new(None);
        let pick = |number: usize, pool: &Pool<'_, V>| {
            let views = &views[tiers[number].range.clone()];
            tiers[number].picker.pick(pool, &Within { draw, turn: &turn, is_taken: Cell::new(false), views })
        };
        let first = pool(chosen);
        if let Some(index) = pick(chosen, &first)
            && first.is_first(index)
        {
            return Some(tiers[chosen].range.start + index);
        }
        // The best that this tier has to offer is not as good as can be: is there better elsewhere?
        let has_one = (0..tiers.len()).any(|number| pool(number).has_one());
        let class = |number: usize| pool(number).beside(has_one).best().map(|best| best.class());
        let distance = |number: usize| if is_back { tiers.len() - number } else { number };
        let number = (0..tiers.len())
            .filter_map(|number| Some((class(number)?, number != chosen, distance(number), number)))
            .min()?
            .3;
        let index = pick(number, &pool(number).beside(has_one))?;
        Some(tiers[number].range.start + index)
    }

    /// Counts who is up, where that has changed.
    #[inline]
    fn count<V: View>(&self, views: &[V], draw: &impl Draw) {
        let changes = || HealthCell::generation().wrapping_add(draw.ejections());
        if !self.standing.is_of(changes()) {
            self.standing.count(changes, self.tiers.iter().map(|tier| &views[tier.range.clone()]));
        }
    }
}

/// What sets the number by which a key has its tier apart from the one by which it has its instance.
const TIER_OF_KEY: u64 = 0x5157_8a1c_3b52_d6e9;

/// The numbers for the pick in one of several tiers.
struct Within<'d, D, V> {
    draw: &'d D,
    /// The first turn of this call, in whichever tier it is used: with one in each, every other instance of the second had none.
    turn: &'d Cell<Option<u64>>,
    /// Whether this pick has had it.
    is_taken: Cell<bool>,
    views: &'d [V],
}

impl<D: Draw, V: View> Draw for Within<'_, D, V> {
    fn turn(&self) -> u64 {
        if self.is_taken.replace(true) {
            return self.draw.turn();
        }
        let turn = self.turn.take().unwrap_or_else(|| self.draw.turn());
        self.turn.set(Some(turn));
        turn
    }

    fn ticket(&self) -> u64 {
        self.draw.ticket()
    }

    fn now(&self) -> Instant {
        self.draw.now()
    }

    fn affinity(&self) -> Option<u64> {
        self.draw.affinity()
    }

    fn priority(&self) -> i16 {
        self.draw.priority()
    }

    fn ejections(&self) -> u64 {
        self.draw.ejections()
    }

    /// Those of the tier: its instances are held to their shares of these.
    fn in_flight(&self) -> usize {
        self.views.iter().map(View::in_flight).sum()
    }
}
