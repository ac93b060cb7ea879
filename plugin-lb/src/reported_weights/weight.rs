//! What is known of the weight of one instance.

use std::time::Duration;

use plugin_core::clock::Instant;

use crate::{
    LoadReport, ReportedWeightsConfig,
    sync::{AtomicU32, AtomicU64, Ordering},
};

/// The weight that an instance has reported last, and since when it does.
///
/// Each is a word by itself, and all are written by whoever reports and read by whoever picks, without a lock. A report
/// that comes just as its predecessor is found to have expired begins the blackout with the next one, which costs an
/// instance that long silent one report.
#[derive(Debug)]
pub(crate) struct ReportedWeight {
    /// The bits of the weight; 0 while there is none.
    weight: AtomicU32,
    /// When the first report came since there are reports without a gap, in nanoseconds; 0 for none.
    since: AtomicU64,
    /// When the last one came.
    last: AtomicU64,
    /// The bits of the penalty for errors; those of [`NOBODY`] while nobody reads reports.
    penalty: AtomicU32,
}

const NOBODY: f32 = -1.0;

impl Default for ReportedWeight {
    fn default() -> Self {
        Self {
            weight: AtomicU32::new(0),
            since: AtomicU64::new(0),
            last: AtomicU64::new(0),
            penalty: AtomicU32::new(NOBODY.to_bits()),
        }
    }
}

impl ReportedWeight {
    /// Says whether reports are read from now on, and what an error costs.
    #[expect(clippy::cast_possible_truncation, reason = "six digits of a penalty are enough")]
    pub(crate) fn heed(&self, config: Option<ReportedWeightsConfig>) {
        let penalty = config.map_or(NOBODY, |config| config.error_utilization_penalty() as f32);
        // Relaxed here and below: see the type.
        self.penalty.store(penalty.to_bits(), Ordering::Relaxed);
    }

    fn penalty(&self) -> Option<f64> {
        let penalty = f32::from_bits(self.penalty.load(Ordering::Relaxed));
        (penalty >= 0.0).then(|| f64::from(penalty))
    }

    /// Whether anybody reads reports.
    #[inline]
    pub(crate) fn is_heeded(&self) -> bool {
        self.penalty().is_some()
    }

    /// A report has come. One that does not come to a weight changes nothing.
    pub(crate) fn report(&self, report: &LoadReport, now: Instant) {
        let Some(weight) = self.penalty().and_then(|penalty| report.weight(penalty)) else { return };
        let now = now.as_nanos().max(1);
        if self.since.load(Ordering::Relaxed) == 0 {
            self.since.store(now, Ordering::Relaxed);
        }
        self.last.store(now, Ordering::Relaxed);
        self.weight.store(weight.to_bits(), Ordering::Relaxed);
    }

    /// The weight, where it may be used: neither is it too early for that, nor is the last report too old.
    pub(crate) fn usable(&self, config: &ReportedWeightsConfig, now: Instant) -> Option<f32> {
        let weight = self.last()?;
        let age = |at: &AtomicU64| now.saturating_since(Instant::from_nanos(at.load(Ordering::Relaxed)));
        if age(&self.last) >= config.weight_expiration_period() {
            self.since.store(0, Ordering::Relaxed);
            return None;
        }
        let blackout = config.blackout_period();
        let is_early = self.since.load(Ordering::Relaxed) == 0 || age(&self.since) < blackout;
        (blackout == Duration::ZERO || !is_early).then_some(weight)
    }

    /// What the last report comes to, whether it is used or not.
    pub(crate) fn last(&self) -> Option<f32> {
        match self.weight.load(Ordering::Relaxed) {
            0 => None,
            bits => Some(f32::from_bits(bits)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(second: u64) -> Instant {
        Instant::from_nanos(second * SECOND)
    }

    fn of(weight: f64) -> LoadReport {
        LoadReport::new().with_cpu_utilization(1.0).with_requests_per_second(weight)
    }

    fn heeded(config: ReportedWeightsConfig) -> ReportedWeight {
        let weight = ReportedWeight::default();
        weight.heed(Some(config));
        weight
    }

    #[test]
    fn a_weight_is_used_after_the_blackout_and_until_it_expires_and_then_the_blackout_begins_anew() {
        let config = ReportedWeightsConfig::default();
        let weight = heeded(config);
        let usable = |second| weight.usable(&config, at(second));
        assert_eq!(usable(100), None);
        weight.report(&of(5.0), at(100));
        assert_eq!([usable(100), usable(109), usable(110)], [None, None, Some(5.0)]);
        weight.report(&of(7.0), at(111));
        assert_eq!([usable(111), usable(111 + 179), usable(111 + 180)], [Some(7.0), Some(7.0), None]);
        weight.report(&of(9.0), at(400));
        assert_eq!([usable(400), usable(409), usable(410)], [None, None, Some(9.0)]);
    }

    #[test]
    fn without_a_blackout_it_is_used_at_once() {
        let config = ReportedWeightsConfig::builder().with_blackout_period(Duration::ZERO).build().expect("valid");
        let weight = heeded(config);
        weight.report(&of(5.0), at(1));
        assert_eq!(weight.usable(&config, at(1)), Some(5.0));
        assert_eq!(weight.usable(&config, at(181)), None);
        weight.report(&of(6.0), at(200));
        assert_eq!(weight.usable(&config, at(200)), Some(6.0));
    }

    #[test]
    fn a_report_that_says_nothing_is_none() {
        let config = ReportedWeightsConfig::builder().with_blackout_period(Duration::ZERO).build().expect("valid");
        let weight = heeded(config);
        weight.report(&of(5.0), at(1));
        weight.report(&LoadReport::new(), at(170));
        weight.report(&of(-1.0), at(170));
        assert_eq!(weight.usable(&config, at(171)), Some(5.0));
        assert_eq!(weight.usable(&config, at(181)), None, "nor does it keep the last one alive");
    }

    #[test]
    fn while_nobody_reads_them_reports_are_not_kept() {
        let weight = ReportedWeight::default();
        weight.report(&of(5.0), at(1));
        assert_eq!((weight.last(), weight.is_heeded()), (None, false));
        weight.heed(Some(ReportedWeightsConfig::default()));
        weight.report(&of(5.0), at(1));
        assert_eq!((weight.last(), weight.is_heeded()), (Some(5.0), true));
        weight.heed(None);
        weight.report(&of(6.0), at(2));
        assert_eq!((weight.last(), weight.is_heeded()), (Some(5.0), false));
    }

    #[test]
    fn what_an_error_costs_is_the_settings_to_say() {
        let config = ReportedWeightsConfig::builder().with_error_utilization_penalty(3.0).build().expect("valid");
        let weight = heeded(config);
        weight.report(&of(10.0).with_errors_per_second(5.0), at(1));
        assert_eq!(weight.last(), Some(4.0), "ten requests by 1.0 and three times a half");
    }
}
