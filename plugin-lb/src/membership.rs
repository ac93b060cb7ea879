//! What every clone of a balancer shares: the present membership, and the turns.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use plugin_core::{
    InstanceId,
    clock::{self, Instant},
    sync::{Pad, stripe, stripe_count},
};

use crate::{
    BalanceConfig, Hints,
    member::{Entry, InFlight},
    pick::{Draw, Picker, Pool},
};

/// The state of a balancer.
pub(crate) struct Membership<S> {
    snapshot: ArcSwap<Snapshot<S>>,
    pub(crate) turns: Turns,
    /// Held while a snapshot is made from the last one.
    change: Mutex<()>,
}

impl<S> Membership<S> {
    pub(crate) fn new(config: BalanceConfig) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(Snapshot::new(config, Vec::new())),
            turns: Turns::new(),
            change: Mutex::new(()),
        }
    }

    /// Makes the next snapshot from the present one. An error leaves everything as it was.
    pub(crate) fn change<T, E>(
        &self,
        change: impl FnOnce(&mut BalanceConfig, &mut Vec<Entry<S>>) -> Result<T, E>,
    ) -> Result<T, E> {
        let _guard: MutexGuard<'_, ()> = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let present = self.snapshot.load();
        let (mut config, mut entries) = (present.config, present.entries.clone());
        let result = change(&mut config, &mut entries)?;
        self.snapshot.store(Arc::new(Snapshot::new(config, entries)));
        Ok(result)
    }
}

impl<S> Deref for Membership<S> {
    type Target = ArcSwap<Snapshot<S>>;

    fn deref(&self) -> &Self::Target {
        &self.snapshot
    }
}

/// The membership and the settings at one moment, with the strategy's tables.
pub(crate) struct Snapshot<S> {
    pub(crate) config: BalanceConfig,
    /// Every instance, in the order in which they joined.
    pub(crate) entries: Vec<Entry<S>>,
    /// The enabled ones, which the picker knows by their index here.
    enabled: Box<[Entry<S>]>,
    names: HashMap<Arc<str>, usize>,
    picker: Picker,
}

impl<S> Snapshot<S> {
    fn new(config: BalanceConfig, entries: Vec<Entry<S>>) -> Self {
        let enabled: Box<[Entry<S>]> = entries.iter().filter(|entry| entry.enabled).cloned().collect();
        let names = enabled.iter().enumerate().map(|(index, entry)| (Arc::clone(&entry.member.name), index)).collect();
        let picker = Picker::build(config.strategy(), &enabled, enabled.iter().map(|entry| &*entry.member.name));
        Self { config, entries, enabled, names, picker }
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

    /// Picks an instance; the call is in flight on it from now. `failed` are those that this very attempt failed on.
    #[inline]
    pub(crate) fn begin(&self, turns: &Turns, hints: &Hints<'_>, failed: &[InstanceId]) -> Option<InFlight<S>> {
        let now = self.config.strategy().reads_latency().then(clock::now);
        let entry = match &*self.enabled {
            [] => return None,
            // Nothing to choose from: health and hints could not change the answer.
            [only] => Some(only).filter(|only| !failed.contains(&only.id)),
            several => self.among(several, turns, hints, failed, now).map(|index| &several[index]),
        };
        entry.map(|entry| InFlight::begin(entry, now, hints.started()))
    }

    fn among(
        &self,
        entries: &[Entry<S>],
        turns: &Turns,
        hints: &Hints<'_>,
        failed: &[InstanceId],
        now: Option<Instant>,
    ) -> Option<usize> {
        let pool = Pool::new(entries, hints.tried(), failed);
        let mut preferred = hints.preferred().iter().filter_map(|name| self.names.get(&**name).copied());
        if let Some(index) = preferred.find(|index| pool.is_agreeable(*index)) {
            return Some(index);
        }
        self.picker.pick(&pool, &Live { turns, hints, now })
    }
}

/// Counts up, for each stripe of threads on its own.
pub(crate) struct Turns(Box<[Pad<AtomicU64>]>);

impl Turns {
    fn new() -> Self {
        Self((0..stripe_count()).map(|_| Pad::default()).collect())
    }
}

struct Live<'a> {
    turns: &'a Turns,
    hints: &'a Hints<'a>,
    now: Option<Instant>,
}

impl Draw for Live<'_> {
    fn turn(&self) -> u64 {
        // Relaxed: turns are taken, nothing is published with them.
        self.turns.0[stripe()].fetch_add(1, Ordering::Relaxed)
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
}
