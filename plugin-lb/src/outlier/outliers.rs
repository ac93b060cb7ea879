//! Who of the instances of a balancer is ejected.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use plugin_core::clock::{self, Instant};

use super::{
    OutlierConfig,
    detect::{Volume, by_failure, by_success},
    ejection::Ejection,
};

/// What is known of an instance: its calls so far, and whether it is ejected.
pub(crate) trait Counted: Send + Sync {
    /// Those that succeeded, and those that failed.
    fn judged(&self) -> (u64, u64);
    fn ejection(&self) -> &Arc<Ejection>;
}

/// The instances of a balancer, as far as one may be ejected.
#[derive(Default)]
pub(crate) struct Outliers {
    /// Whether anybody is looked at, so that failures of others take no lock.
    enabled: AtomicBool,
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    config: Option<OutlierConfig>,
    instances: Vec<Instance>,
    /// When the present interval began.
    since: Instant,
}

struct Instance {
    counted: Weak<dyn Counted>,
    ejection: Arc<Ejection>,
    /// What was counted when the interval began.
    seen: Volume,
}

impl Outliers {
    /// The settings, and the instances that take calls.
    pub(crate) fn watch(&self, config: Option<OutlierConfig>, instances: impl Iterator<Item = Arc<dyn Counted>>) {
        let mut watched = self.watched();
        if watched.config.is_none() {
            watched.since = clock::now();
        }
        watched.config = config;
        let before = std::mem::take(&mut watched.instances);
        if config.is_some() {
            let instance = |counted: Arc<dyn Counted>| {
                let ejection = Arc::clone(counted.ejection());
                let known = before.iter().find(|known| Arc::ptr_eq(&known.ejection, &ejection));
                let seen = known.map_or_else(|| volume(&*counted), |known| known.seen);
                Instance { counted: Arc::downgrade(&counted), ejection, seen }
            };
            watched.instances = instances.map(instance).collect();
        }
        // Relaxed: a switch by itself.
        self.enabled.store(config.is_some(), Ordering::Relaxed);
    }

    /// A call on this instance has failed.
    #[inline]
    pub(crate) fn failed(&self, ejection: &Arc<Ejection>, is_unreached: bool) {
        if self.enabled.load(Ordering::Relaxed) {
            self.look(ejection, is_unreached);
        }
    }

    #[cold]
    fn look(&self, ejection: &Arc<Ejection>, is_unreached: bool) {
        let (failures, unreached) = ejection.failed(is_unreached);
        let mut watched = self.watched();
        let Some(config) = watched.config else { return };
        let now = clock::now();
        let reaches = |count: u32, most: Option<u32>| most.is_some_and(|most| count >= most);
        if reaches(failures, config.consecutive_failures())
            || reaches(unreached, config.consecutive_unreached())
            || ejection.is_on_probation()
        {
            watched.eject(&config, ejection, now);
        }
        if now.saturating_since(watched.since) >= config.interval() {
            watched.since = now;
            watched.compare(&config, now);
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// Ejects an instance, if it takes calls, is not ejected already, and not too many others are.
    fn eject(&self, config: &OutlierConfig, ejection: &Arc<Ejection>, now: Instant) {
        let all = &self.instances;
        let is_one = all.iter().any(|instance| Arc::ptr_eq(&instance.ejection, ejection));
        let ejected = all.iter().filter(|instance| instance.ejection.is_on()).count();
        let is_full = ejected * 100 >= all.len() * config.max_ejected_percent() as usize;
        // With one instance there is nothing to choose from.
        if is_one && all.len() > 1 && !is_full && !ejection.is_on() {
            ejection.eject(config.ejection_time(), config.max_ejection_time(), config.interval(), now);
        }
    }

    /// An interval is over: who was much worse in it than others, or than is allowed?
    fn compare(&mut self, config: &OutlierConfig, now: Instant) {
        let mut volumes = Vec::with_capacity(self.instances.len());
        for instance in &mut self.instances {
            let all = instance.counted.upgrade().map_or(instance.seen, |counted| volume(&*counted));
            let before = std::mem::replace(&mut instance.seen, all);
            volumes.push(Volume {
                succeeded: all.succeeded.wrapping_sub(before.succeeded),
                failed: all.failed.wrapping_sub(before.failed),
            });
        }
        let by_success = config.success_rate().map(|rate| by_success(rate, &volumes)).unwrap_or_default();
        let by_failure = config.failure_rate().map(|rate| by_failure(rate, &volumes)).unwrap_or_default();
        for instance in by_success.into_iter().chain(by_failure).filter_map(|index| self.instances.get(index)) {
            self.eject(config, &instance.ejection, now);
        }
    }
}

fn volume(counted: &dyn Counted) -> Volume {
    let (succeeded, failed) = counted.judged();
    Volume { succeeded, failed }
}

impl fmt::Debug for Outliers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outliers").field("enabled", &self.enabled).finish_non_exhaustive()
    }
}
