//! What all services of one hedge layer share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use plugin_core::clock::Instant;

use super::{HedgeConfig, HedgeDelay, latency::Latencies};
use crate::{Budget, Limits, Unsent, Withdrawal};

pub(crate) struct HedgeState {
    control: AtomicU64,
    config: ArcSwap<HedgeConfig>,
    budget: Budget,
    latencies: Latencies,
    pub(super) launched: AtomicU64,
    pub(super) won: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// What a call must know of the settings before anything is slow, in one word.
#[derive(Clone, Copy)]
pub(crate) struct HedgeControl(u64);

impl HedgeControl {
    const ON: u64 = 1;
    const BUDGET: u64 = 2;
    const PERCENTILE: u64 = 4;
    const IDEMPOTENT: u64 = 8;

    fn new(config: &HedgeConfig, on: bool) -> Self {
        let flags = [
            (on, Self::ON),
            (config.budget.is_some(), Self::BUDGET),
            (matches!(config.delay, HedgeDelay::Percentile(_)), Self::PERCENTILE),
            (config.idempotent, Self::IDEMPOTENT),
        ];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set).fold(0, |word, (_, flag)| word | flag);
        Self(flags | u64::from(config.max_body) << 32)
    }

    const fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    pub(super) const fn is_on(self) -> bool {
        self.has(Self::ON)
    }

    pub(super) const fn limits(self) -> Limits {
        Limits { idempotent: self.has(Self::IDEMPOTENT), unsent: Unsent::None, max_body: (self.0 >> 32) as usize }
    }
}

impl HedgeState {
    pub(super) fn new(config: HedgeConfig, on: bool) -> Self {
        Self {
            control: AtomicU64::new(HedgeControl::new(&config, on).0),
            budget: Budget::new(config.budget.unwrap_or_default()),
            config: ArcSwap::from_pointee(config),
            latencies: Latencies::new(),
            launched: AtomicU64::new(0),
            won: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn control(&self) -> HedgeControl {
        // Relaxed: one word that publishes nothing else; see `state::State::control`.
        HedgeControl(self.control.load(Ordering::Relaxed))
    }

    pub(super) fn config(&self) -> Arc<HedgeConfig> {
        self.config.load_full()
    }

    pub(super) fn reconfigure(&self, config: HedgeConfig) {
        if let Some(budget) = config.budget {
            self.budget.reconfigure(budget);
        }
        let (on, off) = (HedgeControl::new(&config, true).0, HedgeControl::new(&config, false).0);
        self.config.store(Arc::new(config));
        self.latencies.forget_estimate();
        let change = |word| Some(if HedgeControl(word).is_on() { on } else { off });
        // Relaxed, here and in `switch`: see `control`.
        let _ = self.control.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    pub(super) fn switch(&self, on: bool) {
        if on {
            self.control.fetch_or(HedgeControl::ON, Ordering::Relaxed);
        } else {
            self.control.fetch_and(!HedgeControl::ON, Ordering::Relaxed);
        }
    }

    /// How long an attempt may take; `None` while it is not known.
    pub(super) fn delay(&self, now: Instant) -> Option<Duration> {
        match self.config.load().delay {
            HedgeDelay::After(delay) => Some(delay),
            HedgeDelay::Percentile(percent) => self.latencies.percentile(percent, now),
        }
    }

    /// Books a success. `began` is when the call was first seen waiting, which is seen of a call that is `measured`; `now`
    /// is asked only if it matters.
    #[inline]
    pub(super) fn succeeded(
        &self,
        started: Instant,
        began: Option<Instant>,
        measured: bool,
        now: impl FnOnce() -> Instant,
    ) {
        let control = self.control();
        let now = if began.is_some() && control.has(HedgeControl::BUDGET | HedgeControl::PERCENTILE) {
            now()
        } else {
            started
        };
        if control.has(HedgeControl::BUDGET) {
            self.budget.deposit(now);
        }
        if measured && control.has(HedgeControl::PERCENTILE) {
            self.latencies.record(began.map_or(Duration::ZERO, |began| now.saturating_since(began)));
        }
    }

    /// Takes a hedge out of the budget, if there is one.
    pub(super) fn withdraw(&self, now: Instant) -> Result<Option<Withdrawal>, ()> {
        if !self.control().has(HedgeControl::BUDGET) {
            return Ok(None);
        }
        match self.budget.withdraw(now) {
            Some(withdrawal) => Ok(Some(withdrawal)),
            None => {
                // Relaxed: a count.
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(())
            }
        }
    }

    pub(super) fn give_back(&self, withdrawal: Option<Withdrawal>) {
        withdrawal.into_iter().for_each(|withdrawal| self.budget.give_back(withdrawal));
    }

    pub(super) fn budget_balance(&self, now: Instant) -> Option<u64> {
        self.control().has(HedgeControl::BUDGET).then(|| self.budget.balance(now))
    }
}
