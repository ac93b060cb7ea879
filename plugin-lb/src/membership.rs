//! What every clone of a balancer shares: its instances at this moment, and the turns. An instance knows the balancer
//! that it is part of, so they stand in one file.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use plugin_core::{
    HealthCell, HealthState, InstanceId,
    clock::{self, Instant},
    sync::{Slots, Striped},
};

use crate::{
    BalanceConfig, Endpoint, Hints, ReportedWeightsConfig, TierStats,
    estimate::Expected,
    meter::Meter,
    outlier::{Counted, Ejection, Known, Outliers},
    pick::{Draw, Tiers, View, is_up, places},
    slow_start::{SlowStart, Warming, Warmth},
    sync::{ArcSwap, Mutex, MutexGuard},
    turns::Turns,
};

/// The state of a balancer.
pub(crate) struct Membership<S> {
    snapshot: ArcSwap<Snapshot<S>>,
    pub(crate) turns: Turns,
    /// Held while a snapshot is made from the last one.
    change: Mutex<()>,
    pub(crate) outliers: Arc<Outliers>,
    /// What its subset is drawn with, so that not every balancer over the same instances has the same.
    seed: u64,
}

impl<S> Membership<S> {
    pub(crate) fn new(config: BalanceConfig) -> Self {
        let outliers = Arc::default();
        Self {
            snapshot: ArcSwap::from_pointee(Snapshot::new(config, Vec::new(), &outliers, 0)),
            turns: Turns::new(),
            change: Mutex::new(()),
            outliers,
            seed: fastrand::u64(..),
        }
    }

    /// Makes the next snapshot from the present one. An error leaves everything as it was.
    pub(crate) fn change<T, E>(
        &self,
        change: impl FnOnce(&mut BalanceConfig, &mut Vec<Entry<S>>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.change_from(change).map(|(result, _)| result)
    }

    /// The same, with the snapshot that was: as long as somebody else has it too, a call may be picked from it.
    pub(crate) fn change_from<T, E>(
        &self,
        change: impl FnOnce(&mut BalanceConfig, &mut Vec<Entry<S>>) -> Result<T, E>,
    ) -> Result<(T, Arc<Snapshot<S>>), E> {
        let _guard: MutexGuard<'_, ()> = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let present = self.snapshot.load();
        let (mut config, mut entries) = (present.config.clone(), present.entries.clone());
        let result = change(&mut config, &mut entries)?;
        let snapshot = Snapshot::new(config, entries, &self.outliers, self.seed);
        self.outliers.watch(
            snapshot.config.outlier(),
            snapshot.enabled.iter().map(|entry| Known {
                id: entry.id,
                name: Arc::clone(&entry.member.name),
                counted: Arc::clone(&entry.meter) as Arc<dyn Counted>,
            }),
        );
        drop(present);
        Ok((result, self.snapshot.swap(Arc::new(snapshot))))
    }
}

impl<S> Deref for Membership<S> {
    type Target = ArcSwap<Snapshot<S>>;

    fn deref(&self) -> &Self::Target {
        &self.snapshot
    }
}

/// What an instance is for as long as it is part of a balancer.
pub(crate) struct Member<S> {
    pub(crate) id: InstanceId,
    pub(crate) name: Arc<str>,
    pub(crate) slots: Slots<S>,
    pub(crate) meter: Arc<Meter>,
    /// Leased by responses whose body is followed to its end.
    pub(crate) bodies: Striped<Meter>,
    /// Where another instance is picked from.
    pub(crate) home: Weak<Membership<S>>,
}

/// A member in one snapshot: what a pick reads lies here, and not behind the member's pointers. Calls in flight are the
/// leases of the member.
pub(crate) struct Entry<S> {
    pub(crate) id: InstanceId,
    pub(crate) weight: u32,
    pub(crate) priority: i32,
    pub(crate) zone: Option<Arc<str>>,
    /// What the operator says.
    pub(crate) enabled: bool,
    /// What who found it says.
    pub(crate) offered: bool,
    pub(crate) warmth: Arc<Warmth>,
    pub(crate) health: Option<Arc<HealthCell>>,
    /// Where outliers are ejected.
    ejection: Option<Arc<Ejection>>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) member: Striped<Member<S>>,
}

impl<S: Clone> Entry<S> {
    pub(crate) fn new(endpoint: Endpoint<S>, home: &Arc<Membership<S>>) -> Self {
        let Endpoint { name, service, weight, priority, enabled, zone, health } = endpoint;
        let meter = Arc::new(Meter::new(Arc::clone(&home.outliers)));
        let member = Member {
            id: InstanceId::next(),
            name,
            slots: Slots::new(service),
            bodies: Striped::from_arc(Arc::clone(&meter)),
            meter: Arc::clone(&meter),
            home: Arc::downgrade(home),
        };
        Self {
            id: member.id,
            weight,
            priority,
            zone,
            enabled,
            offered: true,
            warmth: Arc::default(),
            health,
            ejection: None,
            meter,
            member: Striped::new(member),
        }
    }
}

impl<S> Entry<S> {
    #[inline]
    pub(crate) fn in_flight(&self) -> usize {
        let bodies = if self.meter.has_followed() { self.member.bodies.leases() } else { 0 };
        self.member.leases() + bodies
    }

    /// The same instance, as it is found now.
    pub(crate) fn offered_as<T>(mut self, endpoint: Endpoint<T>) -> Self {
        let was_taking_calls = self.takes_calls();
        let Endpoint { weight, priority, enabled, zone, health, .. } = endpoint;
        (self.weight, self.priority, self.zone, self.offered) = (weight, priority, zone, enabled);
        self.health = health.or(self.health);
        if self.takes_calls() && !was_taking_calls {
            self.warmth.begin();
        }
        self
    }

    /// Whether it gets no calls now as an outlier.
    pub(crate) fn is_out(&self) -> bool {
        self.ejection.as_ref().is_some_and(|ejection| ejection.is_out())
    }

    /// A call goes to it.
    #[inline]
    pub(crate) fn begin(&self) {
        if let Some(ejection) = &self.ejection {
            ejection.begin();
        }
    }

    /// Whether a call may go to it at all.
    pub(crate) fn takes_calls(&self) -> bool {
        self.enabled && self.offered
    }

    /// What is left of its ejection, where outliers are ejected.
    pub(crate) fn ejected_for(&self) -> Option<Duration> {
        self.ejection.as_ref().and_then(|ejection| ejection.left())
    }

    #[inline]
    pub(crate) fn health(&self) -> HealthState {
        self.health.as_ref().map_or(HealthState::Unknown, |cell| cell.state())
    }
}

impl<S> Clone for Entry<S> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            weight: self.weight,
            priority: self.priority,
            zone: self.zone.clone(),
            enabled: self.enabled,
            offered: self.offered,
            warmth: Arc::clone(&self.warmth),
            health: self.health.clone(),
            ejection: self.ejection.clone(),
            meter: Arc::clone(&self.meter),
            member: self.member.clone(),
        }
    }
}

impl<S> View for Entry<S> {
    #[inline]
    fn id(&self) -> InstanceId {
        self.id
    }

    fn weight(&self) -> u32 {
        self.weight
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn name(&self) -> &str {
        &self.member.name
    }

    fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    #[inline]
    fn health(&self) -> HealthState {
        self.health_and_up().0
    }

    /// One that is ejected is as good as one that checks have found down: others are picked while there are any.
    #[inline]
    fn health_and_up(&self) -> (HealthState, bool) {
        let checked = Self::health(self);
        let is_ejected = self.is_out();
        let health = if is_ejected && checked != HealthState::Offline { HealthState::Unhealthy } else { checked };
        (health, is_up(checked))
    }

    fn back_in(&self) -> Option<Duration> {
        self.ejected_for()
    }

    fn in_flight(&self) -> usize {
        self.in_flight()
    }

    fn expected(&self, now: Instant) -> Expected {
        self.meter.latency.read(now)
    }

    fn reported_weight(&self, config: &ReportedWeightsConfig, now: Instant) -> Option<f32> {
        self.meter.reported.usable(config, now)
    }
}

impl<S> Warming for Entry<S> {
    fn warmth(&self) -> &Warmth {
        &self.warmth
    }
}

/// The membership and the settings at one moment, with the strategy's tables.
pub(crate) struct Snapshot<S> {
    pub(crate) config: BalanceConfig,
    /// Every instance, in the order in which they joined.
    pub(crate) entries: Vec<Entry<S>>,
    /// Those that take calls, in the order of their tiers, which know them by their index here.
    pub(crate) enabled: Box<[Entry<S>]>,
    names: HashMap<Arc<str>, usize>,
    tiers: Tiers,
    slow_start: Option<SlowStart>,
    outliers: Arc<Outliers>,
}

impl<S> Snapshot<S> {
    fn new(config: BalanceConfig, mut entries: Vec<Entry<S>>, outliers: &Arc<Outliers>, seed: u64) -> Self {
        for entry in &mut entries {
            entry.meter.follow_peaks(config.strategy().follows_peaks());
            entry.meter.reported.heed(config.strategy().reads_reports().then(|| config.reported_weights()));
            entry.ejection = config.outlier().map(|_| Arc::clone(&entry.meter.ejection));
        }
        let takers: Vec<Entry<S>> = entries.iter().filter(|entry| entry.takes_calls()).cloned().collect();
        let mut placed: Vec<_> = places(&config, &takers, seed).into_iter().zip(takers).collect();
        placed.sort_by_key(|(place, _)| *place);
        let (places, enabled): (Vec<_>, Vec<_>) = placed.into_iter().unzip();
        let names = enabled.iter().enumerate().map(|(index, entry)| (Arc::clone(&entry.member.name), index)).collect();
        let tiers = Tiers::build(&config, &enabled, &places);
        let slow_start = SlowStart::new(&config, enabled.iter().map(|entry| &*entry.warmth));
        let outliers = Arc::clone(outliers);
        Self { config, entries, enabled: enabled.into(), names, tiers, slow_start, outliers }
    }

    /// Whether a call that one instance does not take can go to another.
    #[inline]
    pub(crate) fn fails_over(&self) -> bool {
        self.enabled.len() > 1 && self.config.failover()
    }

    /// Whether a call that waits for this instance may go to another.
    pub(crate) fn has_another(&self, than: InstanceId) -> bool {
        self.config.failover() && self.enabled.iter().any(|entry| entry.id != than)
    }

    /// What is known of each tier.
    pub(crate) fn tier_stats(&self) -> Vec<TierStats> {
        self.tiers.stats(&self.enabled)
    }

    pub(crate) fn among(
        &self,
        entries: &[Entry<S>],
        turns: &Turns,
        hints: &Hints<'_>,
        failed: &[InstanceId],
        now: Option<Instant>,
    ) -> Option<usize> {
        let mut preferred = hints.preferred().iter().filter_map(|name| self.names.get(&**name).copied());
        if let Some(index) = preferred.find(|index| Tiers::is_agreeable(entries, hints.tried(), failed, *index)) {
            return Some(index);
        }
        let live = Live { turns, hints, now, outliers: &self.outliers };
        let pick = |tried: &[InstanceId]| self.tiers.pick(entries, tried, failed, &live);
        match &self.slow_start {
            Some(slow_start) => slow_start.pick(entries, hints.tried(), &live, pick, |index| self.tiers.tier_of(index)),
            None => pick(hints.tried()),
        }
    }
}

struct Live<'a> {
    outliers: &'a Outliers,
    turns: &'a Turns,
    hints: &'a Hints<'a>,
    now: Option<Instant>,
}

impl Draw for Live<'_> {
    fn turn(&self) -> u64 {
        self.turns.next()
    }

    fn ticket(&self) -> u64 {
        fastrand::u64(..)
    }

    fn now(&self) -> Instant {
        self.now.unwrap_or_else(clock::now)
    }

    fn affinity(&self) -> Option<u64> {
        self.hints.affinity()
    }

    fn priority(&self) -> i16 {
        self.hints.priority()
    }

    fn in_flight(&self) -> usize {
        self.turns.in_flight()
    }

    fn ejections(&self) -> u64 {
        self.outliers.changes()
    }
}
