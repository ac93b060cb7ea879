//! Tiers: groups of instances in order, of which a later one takes calls only as far as those before it cannot.
//!
//! A tier is what is of one priority (under [`Strategy::Priority`]), in the own zone or elsewhere, and part of the own subset or spare.
//! Most balancers have one tier, and know nothing of this.

use std::{cmp::Reverse, ops::Range};

use plugin_core::{HealthCell, InstanceId};

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
        Self { tiers, standing, by_priority: config.strategy() == Strategy::Priority }
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
                self.count(views);
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

    fn among<V: View>(
        &self,
        tiers: &[Tier],
        views: &[V],
        tried: &[InstanceId],
        failed: &[InstanceId],
        draw: &impl Draw,
    ) -> Option<usize> {
        self.count(views);
        let is_back = self.by_priority && draw.priority() < 0;
        let chosen = self.standing.choose(is_back, || draw.ticket());
        let pool = |number: usize| {
            let pool = Pool::new(&views[tiers[number].range.clone()], tried, failed);
            pool.in_panic(self.standing.panics(number))
        };
        let first = pool(chosen);
        if let Some(index) = tiers[chosen].picker.pick(&first, draw)
            && first.is_first(index)
        {
            return Some(tiers[chosen].range.start + index);
        }
        // The best that this tier has to offer is not as good as can be: is there better elsewhere?
        let is_one_up = (0..tiers.len()).any(|number| pool(number).is_one_up());
        let class = |number: usize| pool(number).beside(is_one_up).best().map(|best| best.class());
        let distance = |number: usize| if is_back { tiers.len() - number } else { number };
        let number = (0..tiers.len())
            .filter_map(|number| Some((class(number)?, number != chosen, distance(number), number)))
            .min()?
            .3;
        let index = tiers[number].picker.pick(&pool(number).beside(is_one_up), draw)?;
        Some(tiers[number].range.start + index)
    }

    /// Counts who is up, where that has changed.
    #[inline]
    fn count<V: View>(&self, views: &[V]) {
        let changes = HealthCell::generation();
        if self.standing.is_of(changes) {
            return;
        }
        self.standing.count(changes, self.tiers.iter().map(|tier| &views[tier.range.clone()]));
    }
}
