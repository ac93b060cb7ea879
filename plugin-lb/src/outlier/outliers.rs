//! Who of the instances of a balancer is ejected.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, Weak,
    atomic::{AtomicBool, Ordering},
};

use plugin_core::clock::{self, Instant};

use super::{
    OutlierConfig,
    detect::{Volume, by_failure, by_success},
};
use crate::meter::Meter;

/// The instances of a balancer, as far as one may be ejected.
#[derive(Debug, Default)]
pub(crate) struct Outliers {
    /// Whether anybody is looked at, so that failures of others take no lock.
    enabled: AtomicBool,
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    config: Option<OutlierConfig>,
    instances: Vec<Instance>,
    /// When the present interval began.
    since: Instant,
}

#[derive(Debug)]
struct Instance {
    meter: Weak<Meter>,
    /// What was counted when the interval began.
    seen: Volume,
}

impl Outliers {
    /// The settings, and the instances that take calls.
    pub(crate) fn watch<'m>(&self, config: Option<OutlierConfig>, meters: impl Iterator<Item = &'m Arc<Meter>>) {
        let mut watched = self.watched();
        if watched.config.is_none() {
            watched.since = clock::now();
        }
        watched.config = config;
        let before = std::mem::take(&mut watched.instances);
        if config.is_some() {
            let known = |meter: &Arc<Meter>| before.iter().find(|known| known.meter.as_ptr() == Arc::as_ptr(meter));
            let instance = |meter| Instance {
                meter: Arc::downgrade(meter),
                seen: known(meter).map_or_else(|| volume(meter), |known| known.seen),
            };
            watched.instances = meters.map(instance).collect();
        }
        // Relaxed: a switch by itself.
        self.enabled.store(config.is_some(), Ordering::Relaxed);
    }

    /// A call on this instance has failed.
    #[inline]
    pub(crate) fn failed(&self, meter: &Meter, is_unreached: bool) {
        if self.enabled.load(Ordering::Relaxed) {
            self.look(meter, is_unreached);
        }
    }

    #[cold]
    fn look(&self, meter: &Meter, is_unreached: bool) {
        let (failures, unreached) = meter.ejection.failed(is_unreached);
        let mut watched = self.watched();
        let Some(config) = watched.config else { return };
        let now = clock::now();
        let reaches = |count: u32, most: Option<u32>| most.is_some_and(|most| count >= most);
        if reaches(failures, config.consecutive_failures())
            || reaches(unreached, config.consecutive_unreached())
            || meter.ejection.is_on_probation()
        {
            watched.eject(&config, meter, now);
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
    fn eject(&self, config: &OutlierConfig, meter: &Meter, now: Instant) {
        let all: Vec<_> = self.instances.iter().filter_map(|instance| instance.meter.upgrade()).collect();
        let is_one = all.iter().any(|other| std::ptr::eq(&**other, meter));
        let ejected = all.iter().filter(|other| other.ejection.is_on()).count();
        let is_full = ejected * 100 >= all.len() * config.max_ejected_percent() as usize;
        // With one instance there is nothing to choose from.
        if is_one && all.len() > 1 && !is_full && !meter.ejection.is_on() {
            meter.ejection.eject(config.ejection_time(), config.max_ejection_time(), config.interval(), now);
        }
    }

    /// An interval is over: who was much worse in it than others, or than is allowed?
    fn compare(&mut self, config: &OutlierConfig, now: Instant) {
        let mut meters = Vec::with_capacity(self.instances.len());
        let mut volumes = Vec::with_capacity(self.instances.len());
        for instance in &mut self.instances {
            let Some(meter) = instance.meter.upgrade() else { continue };
            let all = volume(&meter);
            let before = std::mem::replace(&mut instance.seen, all);
            volumes.push(Volume {
                succeeded: all.succeeded.wrapping_sub(before.succeeded),
                failed: all.failed.wrapping_sub(before.failed),
            });
            meters.push(meter);
        }
        let by_success = config.success_rate().map(|rate| by_success(rate, &volumes)).unwrap_or_default();
        let by_failure = config.failure_rate().map(|rate| by_failure(rate, &volumes)).unwrap_or_default();
        for meter in by_success.into_iter().chain(by_failure).filter_map(|index| meters.get(index)) {
            self.eject(config, meter, now);
        }
    }
}

fn volume(meter: &Arc<Meter>) -> Volume {
    let totals = meter.totals();
    Volume { succeeded: totals.succeeded, failed: totals.failed }
}
