//! Who of the instances of a balancer is ejected.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock, PoisonError, Weak},
};

use plugin_core::{
    InstanceId,
    clock::{self, Instant},
    events::Journal,
};

use super::{
    OutlierConfig,
    detect::{Volume, by_failure, by_success},
    ejection::Ejection,
    event::{BalanceEvent, BalanceEvents, EjectionCause, EjectionChange},
};
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering};

/// What is known of an instance: its calls so far, and whether it is ejected.
pub(crate) trait Counted: Send + Sync {
    /// Those that succeeded, and those that failed.
    fn judged(&self) -> (u64, u64);
    fn ejection(&self) -> &Arc<Ejection>;
}

/// The instances of a balancer, as far as one may be ejected.
///
/// What a failure asks for each time are words of their own, so that failures of many threads meet at the lock only where one may
/// have to be ejected.
#[derive(Default)]
pub(crate) struct Outliers {
    /// Counts up when an instance is ejected, or is back.
    changes: AtomicU64,
    /// Whether anybody is looked at.
    enabled: AtomicBool,
    /// So many in a row make an outlier; 0: no number does.
    failures: AtomicU32,
    unreached: AtomicU32,
    /// When the present interval is over.
    next: AtomicU64,
    /// Until then as many are ejected as may be.
    full_until: AtomicU64,
    watched: Mutex<Watched>,
    /// Made when somebody first listens.
    journal: OnceLock<Arc<Journal<BalanceEvent>>>,
}

#[derive(Default)]
struct Watched {
    config: Option<OutlierConfig>,
    instances: Vec<Instance>,
    /// When the present interval began.
    since: Instant,
    /// Of the last event.
    sequence: u64,
}

/// An instance that may be ejected.
pub(crate) struct Known {
    pub(crate) id: InstanceId,
    pub(crate) name: Arc<str>,
    pub(crate) counted: Arc<dyn Counted>,
}

struct Instance {
    id: InstanceId,
    name: Arc<str>,
    counted: Weak<dyn Counted>,
    ejection: Arc<Ejection>,
    /// What was counted when the interval began.
    seen: Volume,
}

impl Outliers {
    /// A number that is another one when an instance is ejected, or is back.
    #[inline]
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The settings, and the instances that take calls.
    pub(crate) fn watch(&self, config: Option<OutlierConfig>, instances: impl Iterator<Item = Known>) {
        let mut watched = self.watched();
        let before = std::mem::take(&mut watched.instances);
        match &config {
            None => before.iter().for_each(|instance| instance.ejection.clear()),
            Some(config) => {
                let known: HashMap<_, _> =
                    before.iter().map(|known| (Arc::as_ptr(&known.ejection), known.seen)).collect();
                let instance = |Known { id, name, counted }| {
                    let ejection = Arc::clone(counted.ejection());
                    let seen = known.get(&Arc::as_ptr(&ejection)).copied().unwrap_or_else(|| volume(&*counted));
                    Instance { id, name, counted: Arc::downgrade(&counted), ejection, seen }
                };
                watched.instances = instances.map(instance).collect();
                if watched.config.is_none() {
                    watched.since = clock::now();
                }
                self.next.store(watched.since.saturating_add(config.interval()).as_nanos(), Ordering::Relaxed);
            }
        }
        watched.config = config;
        // Relaxed, here and below: each is a number by itself, and a failure that reads the one of a moment ago is of a moment ago.
        let in_a_row = |of: fn(&OutlierConfig) -> Option<u32>| config.as_ref().and_then(of).unwrap_or(0);
        self.failures.store(in_a_row(OutlierConfig::consecutive_failures), Ordering::Relaxed);
        self.unreached.store(in_a_row(OutlierConfig::consecutive_unreached), Ordering::Relaxed);
        self.full_until.store(0, Ordering::Relaxed);
        self.enabled.store(config.is_some(), Ordering::Relaxed);
    }

    /// A call on this instance has failed that began then; [`Instant::ZERO`] where nobody knows when.
    #[inline]
    pub(crate) fn failed(&self, ejection: &Arc<Ejection>, is_unreached: bool, began: Instant) {
        if self.enabled.load(Ordering::Relaxed) {
            self.look(ejection, is_unreached, began);
        }
    }

    #[cold]
    fn look(&self, ejection: &Arc<Ejection>, is_unreached: bool, began: Instant) {
        let now = clock::now();
        if !ejection.is_before(began) {
            let (failures, unreached) = ejection.failed(is_unreached);
            let reaches = |count: u32, most: &AtomicU32| match most.load(Ordering::Relaxed) {
                0 => false,
                most => count >= most,
            };
            let cause = if ejection.is_on_probation() {
                Some(EjectionCause::Probation)
            } else if reaches(unreached, &self.unreached) {
                Some(EjectionCause::Unreached(unreached))
            } else {
                reaches(failures, &self.failures).then_some(EjectionCause::Failures(failures))
            };
            if let Some(cause) = cause
                && !ejection.is_ejected()
                // One that is tried out again has its place among those that are ejected.
                && (cause == EjectionCause::Probation || now.as_nanos() >= self.full_until.load(Ordering::Relaxed))
            {
                self.eject(&mut self.watched(), ejection, cause, now);
                self.wake();
            }
        }
        if now.as_nanos() >= self.next.load(Ordering::Relaxed) {
            self.end_interval(now);
        }
    }

    /// Ejects an instance, if it takes calls, is not ejected already, and not too many others are.
    fn eject(&self, watched: &mut Watched, ejection: &Arc<Ejection>, cause: EjectionCause, now: Instant) {
        let (Some(config), all) = (watched.config, &watched.instances) else { return };
        let Some(instance) = all.iter().find(|instance| Arc::ptr_eq(&instance.ejection, ejection)) else { return };
        // With one instance there is nothing to choose from.
        if all.len() < 2 || ejection.is_ejected() {
            return;
        }
        let (id, name) = (instance.id, Arc::clone(&instance.name));
        // One that is tried out again counts as ejected, but not against itself.
        let others = all.iter().filter(|other| !Arc::ptr_eq(&other.ejection, ejection));
        let ends: Vec<_> = others.filter_map(|other| other.ejection.end(now)).collect();
        if ends.len() * 100 >= all.len() * config.max_ejected_percent() as usize {
            let first = ends.into_iter().min().unwrap_or(now);
            self.full_until.store(first.as_nanos(), Ordering::Relaxed);
            self.tell(watched, id, name, EjectionChange::Spared { cause }, now);
            return;
        }
        let time = ejection.eject(config.ejection_time(), config.max_ejection_time(), config.interval(), now);
        self.tell(watched, id, name, EjectionChange::Ejected { cause, time }, now);
    }

    /// One that was ejected has answered a call.
    #[cold]
    pub(crate) fn returned(&self, ejection: &Arc<Ejection>) {
        let mut watched = self.watched();
        let instance = watched.instances.iter().find(|instance| Arc::ptr_eq(&instance.ejection, ejection));
        if let Some((id, name)) = instance.map(|instance| (instance.id, Arc::clone(&instance.name))) {
            self.tell(&mut watched, id, name, EjectionChange::Returned, clock::now());
        }
        drop(watched);
        self.wake();
    }

    /// Writes down what happened. Under the lock, so that events have an order; who listens is [woken](Self::wake) after it.
    fn tell(&self, watched: &mut Watched, instance: InstanceId, name: Arc<str>, change: EjectionChange, at: Instant) {
        watched.sequence += 1;
        // Release, with the Acquire of `changes`: who sees the number sees what it was counted for.
        self.changes.fetch_add(1, Ordering::Release);
        if let Some(journal) = self.journal.get() {
            let sequence = watched.sequence;
            journal.push(sequence, BalanceEvent { sequence, at, instance, name, change });
        }
    }

    fn wake(&self) {
        if let Some(journal) = self.journal.get() {
            journal.wake();
        }
    }

    /// The events from now on.
    pub(crate) fn events(&self) -> BalanceEvents {
        // Under the lock: no event falls between the number and the first that is written down.
        let watched = self.watched();
        let journal = self.journal.get_or_init(|| Arc::new(Journal::new()));
        BalanceEvents::new(Arc::clone(journal), watched.sequence)
    }

    /// An interval is over: who was much worse in it than others, or than is allowed?
    ///
    /// It ends with the first failure after its time. Where that comes long after, what was counted is of another time than this one,
    /// and nobody is judged by it.
    fn end_interval(&self, now: Instant) {
        let mut watched = self.watched();
        let Some(config) = watched.config else { return };
        let lasted = now.saturating_since(watched.since);
        if lasted < config.interval() {
            // Another thread has done it.
            return;
        }
        watched.since = now;
        self.next.store(now.saturating_add(config.interval()).as_nanos(), Ordering::Relaxed);
        let volumes = watched.take_volumes();
        if lasted > config.interval().saturating_mul(2) {
            return;
        }
        let by_success = config.success_rate().map(|rate| by_success(rate, &volumes)).unwrap_or_default();
        let by_failure = config.failure_rate().map(|rate| by_failure(rate, &volumes)).unwrap_or_default();
        let by_success = by_success.into_iter().map(|index| (index, EjectionCause::SuccessRate));
        for (index, cause) in by_success.chain(by_failure.into_iter().map(|index| (index, EjectionCause::FailureRate)))
        {
            if let Some(ejection) = watched.instances.get(index).map(|instance| Arc::clone(&instance.ejection)) {
                self.eject(&mut watched, &ejection, cause, now);
            }
        }
        drop(watched);
        self.wake();
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// What each instance came to since this was asked last.
    fn take_volumes(&mut self) -> Vec<Volume> {
        let of = |instance: &mut Instance| {
            let all = instance.counted.upgrade().map_or(instance.seen, |counted| volume(&*counted));
            let before = std::mem::replace(&mut instance.seen, all);
            Volume {
                succeeded: all.succeeded.wrapping_sub(before.succeeded),
                failed: all.failed.wrapping_sub(before.failed),
            }
        };
        self.instances.iter_mut().map(of).collect()
    }
}

fn volume(counted: &dyn Counted) -> Volume {
    let (succeeded, failed) = counted.judged();
    Volume { succeeded, failed }
}

impl Drop for Outliers {
    fn drop(&mut self) {
        if let Some(journal) = self.journal.get() {
            journal.close();
        }
    }
}

impl fmt::Debug for Outliers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outliers").field("enabled", &self.enabled).finish_non_exhaustive()
    }
}
