//! The candidates of a pick: which instances may take a call, and which are preferred.

use std::time::Duration;

use plugin_core::{HealthState, InstanceId, clock::Instant};

use super::numbers::scale;
use crate::{ReportedWeightsConfig, estimate::Expected};

/// One instance as a strategy sees it.
pub(crate) trait View {
    fn id(&self) -> InstanceId;
    fn weight(&self) -> u32;
    fn priority(&self) -> i32;
    fn name(&self) -> &str;
    fn zone(&self) -> Option<&str>;
    fn health(&self) -> HealthState;
    /// Its health, and whether it is up by its checks: it may be worse than they say, since it is ejected.
    fn health_and_up(&self) -> (HealthState, bool) {
        let health = self.health();
        (health, is_up(health))
    }
    /// How long no call goes to it as an outlier, whatever its checks say.
    fn back_in(&self) -> Option<Duration> {
        None
    }
    fn in_flight(&self) -> usize;
    /// What a call may expect of it.
    fn expected(&self, now: Instant) -> Expected;
    /// The weight that it has reported, where that may be used.
    fn reported_weight(&self, config: &ReportedWeightsConfig, now: Instant) -> Option<f32>;
}

/// The enabled instances, and what is known against some of them.
///
/// A call goes to the best class that is not empty:
///
/// 1. those that the call was not tried on: Healthy (or Unknown: nothing is known against it), then Degraded, then
///    Unhealthy;
/// 2. those that it was tried on, in the same order.
///
/// Offline instances are skipped, and one that is ejected as an outlier is as good as one that is Unhealthy. Where all are Offline, health
/// is ignored altogether, since a call that may fail is better than one that must; and so it is [in panic](Self::in_panic).
pub(crate) struct Pool<'a, V> {
    views: &'a [V],
    /// Avoided: earlier attempts failed there.
    tried: &'a [InstanceId],
    /// Excluded: this attempt failed there.
    failed: &'a [InstanceId],
    /// Too few of them are up: all are taken for healthy.
    in_panic: bool,
    /// Others than these are up: a call that may fail here need not.
    others_are_up: bool,
}

impl<'a, V: View> Pool<'a, V> {
    pub(crate) fn new(views: &'a [V], tried: &'a [InstanceId], failed: &'a [InstanceId]) -> Self {
        Self { views, tried, failed, in_panic: false, others_are_up: false }
    }

    /// Says whether too few are up for health to mean anything.
    #[inline]
    pub(crate) fn in_panic(mut self, in_panic: bool) -> Self {
        self.in_panic = in_panic;
        self
    }

    /// Says whether health says of any of all tiers that a call may go to it.
    pub(crate) fn beside(mut self, others_are_up: bool) -> Self {
        self.others_are_up = others_are_up;
        self
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.views.len()
    }

    /// Whether there are too many to look at each of them in every pick.
    #[inline]
    pub(crate) fn is_large(&self) -> bool {
        self.len() > LOOKED_AT
    }

    pub(crate) fn view(&self, index: usize) -> &'a V {
        &self.views[index]
    }

    /// Whether the instance is in the very best class. True for every instance on a good day, and then a strategy need
    /// not look at any other.
    #[inline]
    pub(crate) fn is_first(&self, index: usize) -> bool {
        let view = &self.views[index];
        (self.in_panic || matches!(view.health(), HealthState::Healthy | HealthState::Unknown))
            && !self.tried.contains(&view.id())
            && !self.failed.contains(&view.id())
    }

    /// Whether a caller's wish for this instance can be followed.
    pub(crate) fn is_agreeable(&self, index: usize) -> bool {
        self.is_first(index) || (self.views[index].health() == HealthState::Degraded && self.class(index, false) == 1)
    }

    /// The class of an instance, lower is better.
    fn class(&self, index: usize, ignore_health: bool) -> u8 {
        self.class_with(index, self.views[index].health(), ignore_health)
    }

    /// The same of an instance whose health was read.
    fn class_with(&self, index: usize, health: HealthState, ignore_health: bool) -> u8 {
        let view = &self.views[index];
        if self.failed.contains(&view.id()) {
            return NEVER;
        }
        let health = match health {
            _ if ignore_health || self.in_panic => 0,
            HealthState::Unknown | HealthState::Healthy => 0,
            HealthState::Degraded => 1,
            HealthState::Unhealthy => 2,
            HealthState::Offline => return NEVER,
        };
        health + if self.tried.contains(&view.id()) { 3 } else { 0 }
    }

    /// Whether health says that a call may go to one of them: one of them is not Offline, and this attempt has not failed there; or one is
    /// up, though it has.
    pub(crate) fn has_one(&self) -> bool {
        let mut views = self.views.iter().enumerate();
        views.any(|(index, view)| {
            let (health, is_up) = view.health_and_up();
            is_up || self.class_with(index, health, false) != NEVER
        })
    }

    /// The best class that is not empty. `None` when all are. Reads the health of each instance once: it may change at
    /// any moment, and then there is still one to be had.
    #[cold]
    pub(crate) fn best(&self) -> Option<Best<'_, 'a, V>> {
        let none = |ignore_health| Best { pool: self, ignore_health, class: NEVER, count: 0, first: 0 };
        let (mut healthy, mut any, mut is_one_up) = (none(false), none(true), false);
        for (index, view) in self.views.iter().enumerate() {
            let (health, is_up) = view.health_and_up();
            is_one_up |= is_up;
            for best in [&mut healthy, &mut any] {
                best.add(index, self.class_with(index, health, best.ignore_health));
            }
        }
        // One that is Unhealthy may have failed a single check: it is better than one that is Offline.
        let by_health = is_one_up || self.others_are_up || healthy.class != NEVER;
        let best = if by_health { healthy } else { any };
        (best.class != NEVER).then_some(best)
    }

    /// The instance of the best class with the least cost; of equals the one whose turn it is, or the next, going
    /// round.
    pub(crate) fn least<K: PartialOrd>(&self, turn: u64, cost: impl Fn(&V) -> K) -> Option<usize> {
        let start = turn_to_index(turn, self.len());
        // Where one is in the very best class no other class matters, so one walk will do.
        if self.is_first(start) {
            return self.least_of(start, &cost, |index| self.is_first(index));
        }
        let best = self.best()?;
        let start = best.this_or_nth(start, turn / self.len() as u64)?;
        self.least_of(start, &cost, |index| best.contains(index))
    }

    fn least_of<K: PartialOrd>(
        &self,
        start: usize,
        cost: &impl Fn(&V) -> K,
        may: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let len = self.len();
        let mut least: Option<(usize, K)> = None;
        for index in (start..len).chain(0..start).filter(|index| may(*index)) {
            let cost = cost(&self.views[index]);
            if least.as_ref().is_none_or(|(_, least)| cost < *least) {
                least = Some((index, cost));
            }
        }
        least.map(|(index, _)| index)
    }
}

/// How many instances a pick may look at. Over 1,000 it took 4.8 us to look at each, and 0.4 us for two.
const LOOKED_AT: usize = 32;

/// The class of those that are out of the question.
const NEVER: u8 = u8::MAX;

pub(crate) fn is_up(health: HealthState) -> bool {
    health.is_serving() || health == HealthState::Unknown
}

/// The place of a turn among `len`.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the remainder is less than a usize")]
pub(crate) fn turn_to_index(turn: u64, len: usize) -> usize {
    (turn % len as u64) as usize
}

/// The best class of a [`Pool`].
pub(crate) struct Best<'p, 'a, V> {
    pool: &'p Pool<'a, V>,
    ignore_health: bool,
    class: u8,
    count: usize,
    first: usize,
}

impl<V: View> Best<'_, '_, V> {
    fn add(&mut self, index: usize, class: u8) {
        if class < self.class {
            (self.class, self.count, self.first) = (class, 1, index);
        } else if class == self.class {
            self.count += 1;
        }
    }

    /// How good they are; lower is better.
    pub(crate) fn class(&self) -> u8 {
        self.class
    }

    /// One of them, also when it is none any more.
    pub(crate) fn first(&self) -> usize {
        self.first
    }

    /// How many there are: at least one.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn contains(&self, index: usize) -> bool {
        self.pool.class(index, self.ignore_health) == self.class
    }

    pub(crate) fn indices(&self) -> impl Iterator<Item = usize> {
        (0..self.pool.len()).filter(|index| self.contains(*index))
    }

    /// The instance that a strategy came upon, if it is one of the best; else the `turn`th of the best. So the share of
    /// one that is down is spread over all others, and does not fall to its neighbour.
    pub(crate) fn this_or_nth(&self, index: usize, turn: u64) -> Option<usize> {
        if self.contains(index) {
            return Some(index);
        }
        self.indices().nth(turn_to_index(turn, self.count))
    }

    /// Any other of them, with equal chances. `None` where this is the only one.
    pub(crate) fn other_than(&self, index: usize, random: u64) -> Option<usize> {
        self.indices().filter(|other| *other != index).nth(scale(random, self.count.saturating_sub(1)).0)
    }

    /// The instance that a strategy came upon, if it is one of the best; else one of the best, with chances in
    /// proportion to the weights.
    pub(crate) fn this_or_weighted(&self, index: usize, random: u64) -> Option<usize> {
        if self.contains(index) {
            return Some(index);
        }
        let weight = |index: usize| u64::from(self.pool.views[index].weight());
        let total: u64 = self.indices().map(weight).sum();
        let mut ticket = random % total.max(1);
        self.indices().find(|index| match ticket.checked_sub(weight(*index)) {
            Some(rest) => {
                ticket = rest;
                false
            }
            None => true,
        })
    }
}
