//! What all services of one layer share.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use plugin_core::{Judgement, classify::PushBack, clock::Instant};

use crate::{Budget, GaveUp, Limits, RetryConfig, Throttle, Unsent, Withdrawal, config::Spending, decide};

/// Settings, budget and counters. While calls succeed nothing here is written but the budget's own stripes.
pub(crate) struct RetryState {
    control: AtomicU64,
    config: ArcSwap<RetryConfig>,
    budget: Arc<Budget>,
    throttle: Throttle,
    pub(crate) counters: Counters,
}

/// What a call must know of the settings before anything has failed, in one word.
#[derive(Clone, Copy)]
pub(crate) struct RetryControl(u64);

impl RetryControl {
    const ON: u64 = 1;
    const RETRIES: u64 = 2;
    const BUDGET: u64 = 4;
    const THROTTLE: u64 = 8;
    const IDEMPOTENT: u64 = 16;
    const UNSENT: u64 = 32;
    /// The list `on` names what would be a success otherwise.
    const DOUBTS_SUCCESS: u64 = 64;

    fn new(config: &RetryConfig, on: bool) -> Self {
        let flags = [
            (on, Self::ON),
            (config.max_retries > 0, Self::RETRIES),
            (matches!(config.spending, Spending::Budget(_)), Self::BUDGET),
            (matches!(config.spending, Spending::Throttle(_)), Self::THROTTLE),
            (config.idempotent, Self::IDEMPOTENT),
            (config.unsent, Self::UNSENT),
            (config.on.iter().any(|condition| condition.may_be_a_success()), Self::DOUBTS_SUCCESS),
        ];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set).fold(0, |word, (_, flag)| word | flag);
        Self(flags | u64::from(config.max_body) << 32)
    }

    const fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    /// Whether calls pass through untouched.
    pub(crate) const fn passes_through(self) -> bool {
        self.0 & (Self::ON | Self::RETRIES) != Self::ON | Self::RETRIES
    }

    /// Whether somebody wants to know of successes.
    pub(crate) const fn counts_successes(self) -> bool {
        self.has(Self::BUDGET | Self::THROTTLE)
    }

    pub(crate) const fn doubts_success(self) -> bool {
        self.has(Self::DOUBTS_SUCCESS)
    }

    pub(crate) const fn limits(self) -> Limits {
        Limits {
            idempotent: self.has(Self::IDEMPOTENT),
            unsent: if self.has(Self::UNSENT) { Unsent::All } else { Unsent::Grpc },
            max_body: (self.0 >> 32) as usize,
        }
    }
}

/// Counts of what did not go well; successes are not counted.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) retries: AtomicU64,
    pub(crate) recovered: AtomicU64,
    pub(crate) gave_up: [AtomicU64; GaveUp::COUNT],
}

impl RetryState {
    pub(crate) fn new(config: RetryConfig, on: bool, budget: Option<Arc<Budget>>) -> Self {
        let throttle = Throttle::new(config.throttle().unwrap_or_default());
        let budget = budget.unwrap_or_else(|| Arc::new(Budget::new(config.budget().unwrap_or_default())));
        Self {
            control: AtomicU64::new(RetryControl::new(&config, on).0),
            config: ArcSwap::from_pointee(config),
            budget,
            throttle,
            counters: Counters::default(),
        }
    }

    #[inline]
    pub(crate) fn control(&self) -> RetryControl {
        // Relaxed: one word that publishes nothing else. A call that reads the word of a moment ago behaves as if it
        // had come a moment earlier.
        RetryControl(self.control.load(Ordering::Relaxed))
    }

    pub(crate) fn config(&self) -> Arc<RetryConfig> {
        self.config.load_full()
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    pub(crate) fn reconfigure(&self, config: RetryConfig) {
        match config.spending {
            Spending::Free => {}
            Spending::Budget(budget) => self.budget.reconfigure(budget),
            Spending::Throttle(throttle) => self.throttle.reconfigure(throttle),
        }
        let next = |on| RetryControl::new(&config, on).0;
        // Relaxed: see `control`. The switch is kept as whoever switches meanwhile leaves it.
        let (on, off) = (next(true), next(false));
        let change = |word| Some(if RetryControl(word).has(RetryControl::ON) { on } else { off });
        let _ = self.control.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
        self.config.store(Arc::new(config));
    }

    pub(crate) fn is_on(&self) -> bool {
        self.control().has(RetryControl::ON)
    }

    pub(crate) fn switch(&self, on: bool) {
        // Relaxed: see `control`.
        if on {
            self.control.fetch_or(RetryControl::ON, Ordering::Relaxed);
        } else {
            self.control.fetch_and(!RetryControl::ON, Ordering::Relaxed);
        }
    }

    /// Books a success.
    #[inline]
    pub(crate) fn succeeded(&self, control: RetryControl, now: Instant) {
        if control.has(RetryControl::BUDGET) {
            self.budget.deposit(now);
        } else if control.has(RetryControl::THROTTLE) {
            self.throttle.on_success();
        }
    }

    /// Takes a retry out of the budget, or asks the throttle. It bounds what the service is asked more than once: an attempt
    /// that a breaker kept from it has used nothing up, and the next is in its place.
    pub(crate) fn spend(
        &self,
        config: &RetryConfig,
        judged: &Judgement,
        now: Instant,
    ) -> Result<Option<Withdrawal>, GaveUp> {
        match config.spending {
            Spending::Free => Ok(None),
            _ if decide::is_kept_by_a_circuit(judged) => Ok(None),
            Spending::Budget(_) => self.budget.withdraw(now).map(Some).ok_or(GaveUp::Budget),
            Spending::Throttle(_) => self.throttle.allows().then_some(None).ok_or(GaveUp::Budget),
        }
    }

    /// Books a failure that could be retried, or that its server forbids to retry. What a layer before the service refused
    /// says nothing of it.
    pub(crate) fn failed(&self, config: &RetryConfig, judged: &Judgement, is_retryable: bool) {
        let counts = is_retryable || judged.push_back() == Some(PushBack::Never);
        if counts && decide::is_of_the_service(judged) && matches!(config.spending, Spending::Throttle(_)) {
            self.throttle.on_failure();
        }
    }
}
