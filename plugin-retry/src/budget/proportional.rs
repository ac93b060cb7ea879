//! The budget: retries in proportion to what works.

use std::{fmt, time::Duration};

use plugin_core::{ConfigError, clock::Instant};

use super::{ledger::Ledger, recent::Recent, second::second_of, tables::fits};
use crate::sync::{AtomicU64, Ordering};

/// More than the longest window, so that a slot is never taken by a newer second while its own is in the window.
const SLOTS: usize = 64;

/// The settings of a [`Budget`].
///
/// The [page of the crate](crate#defaults) has them under `budget`, with their defaults and bounds. A `ratio` is kept in
/// millionths.
///
/// ```
/// use plugin_retry::{BudgetConfig, RetryConfig};
///
/// let budget = BudgetConfig::default();
/// // A fifth of the successes of the last ten seconds, and ten for each second.
/// assert_eq!((budget.ratio(), budget.min_per_second(), budget.window()), (0.2, 10, 10));
///
/// let config = RetryConfig::builder().with_budget(budget).build()?;
/// assert_eq!(config.budget(), Some(budget));
/// # Ok::<(), plugin_retry::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetConfig {
    /// In millionths: a share of a count is then exact.
    ratio: u32,
    min_per_second: u32,
    window: u8,
}

impl BudgetConfig {
    /// Retries up to `ratio` of the successes of the last `window` seconds, and `min_per_second` for each of them.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#defaults).
    pub fn new(ratio: f64, min_per_second: u32, window: u32) -> Result<Self, ConfigError> {
        fits("ratio", "budget.ratio", ratio)?;
        fits("window", "budget.window", Duration::from_secs(window.into()))?;
        // The type holds all that fits.
        let window = u8::try_from(window).unwrap_or(u8::MAX);
        Ok(Self { ratio: (ratio * 1e6).round() as u32, min_per_second, window })
    }

    /// Retries for each success.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        f64::from(self.ratio) / 1e6
    }

    /// Retries for each second of the window, whatever succeeds.
    #[must_use]
    pub fn min_per_second(&self) -> u32 {
        self.min_per_second
    }

    /// How many seconds are remembered.
    #[must_use]
    pub fn window(&self) -> u32 {
        self.window.into()
    }

    /// What may be spent in a window with this many successes.
    fn allowed(&self, successes: u64) -> u64 {
        let share = u128::from(successes) * u128::from(self.ratio) / 1_000_000;
        let minimum = u64::from(self.min_per_second) * u64::from(self.window);
        u64::try_from(share).unwrap_or(u64::MAX).saturating_add(minimum)
    }

    const fn pack(self) -> u64 {
        (self.ratio as u64) << 40 | (self.window as u64) << 32 | self.min_per_second as u64
    }

    const fn unpack(packed: u64) -> Self {
        Self { ratio: (packed >> 40) as u32, window: (packed >> 32) as u8, min_per_second: packed as u32 }
    }
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self { ratio: 200_000, min_per_second: 10, window: 10 }
    }
}

/// Keeps retries in proportion to what works, so that an outage is not made worse by them.
///
/// In any `window` (seconds of the clock, the present one included) no more is spent than
/// `floor(ratio * successes) + min_per_second * window`, exactly, however many threads ask at once; and a thread is
/// refused only when that much has been spent. The rule is that of Finagle's `RetryBudget`, the bookkeeping is not: it
/// takes no lock, and successes are counted without two threads meeting.
///
/// Layers may share one, in an `Arc`, so that all clients of a service spend from the same purse.
///
/// ```
/// use plugin_retry::{Budget, BudgetConfig, plugin_core::clock};
///
/// // In ten seconds a fifth of the successes, and ten for each second.
/// let budget = Budget::new(BudgetConfig::default());
/// let now = clock::now();
/// assert_eq!(budget.balance(now), 100);
/// for _ in 0..5 {
///     budget.deposit(now);
/// }
/// assert!(budget.withdraw(now).is_some());
/// assert_eq!(budget.balance(now), 100);
/// ```
pub struct Budget {
    settings: AtomicU64,
    successes: Recent<SLOTS>,
    spent: Ledger<SLOTS>,
}

impl Budget {
    /// A budget with nothing spent.
    #[must_use]
    pub fn new(config: BudgetConfig) -> Self {
        Self { settings: AtomicU64::new(config.pack()), successes: Recent::new(), spent: Ledger::new() }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> BudgetConfig {
        // Relaxed: the settings are one word, and publish nothing else.
        BudgetConfig::unpack(self.settings.load(Ordering::Relaxed))
    }

    /// Changes the settings. What was counted stays.
    pub fn reconfigure(&self, config: BudgetConfig) {
        // Relaxed: see `config`.
        self.settings.store(config.pack(), Ordering::Relaxed);
    }

    /// A call has succeeded.
    #[inline]
    pub fn deposit(&self, now: Instant) {
        self.successes.add(second_of(now));
    }

    /// Takes one retry out, or `None` when the budget is spent.
    pub fn withdraw(&self, now: Instant) -> Option<Withdrawal> {
        let config = self.config();
        let allowed = |second| config.allowed(self.successes.sum(second, config.window()));
        self.spent.spend(second_of(now), config.window(), allowed).map(Withdrawal)
    }

    /// Puts back a retry that was not made after all.
    pub fn give_back(&self, withdrawal: Withdrawal) {
        self.spent.give_back(withdrawal.0);
    }

    /// The retries that could be made now.
    #[must_use]
    pub fn balance(&self, now: Instant) -> u64 {
        let config = self.config();
        let second = second_of(now);
        let allowed = config.allowed(self.successes.sum(second, config.window()));
        allowed.saturating_sub(self.spent.spent(second, config.window()).into())
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("config", &self.config()).finish_non_exhaustive()
    }
}

/// One retry that was taken out of a [`Budget`]. It is spent unless it is given back.
#[derive(Debug)]
#[must_use = "a retry that is not made should be given back"]
pub struct Withdrawal(u32);
