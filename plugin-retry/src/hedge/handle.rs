//! The handle of a hedge layer: statistics, settings, on and off.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use plugin_core::clock;

use super::{HedgeConfig, state::HedgeState};

/// Reads and changes what all services of a [`HedgeLayer`](crate::HedgeLayer) share. Cheap to clone.
/// ```
/// use std::time::Duration;
///
/// use plugin_retry::{HedgeConfig, HedgeLayer};
///
/// let layer = HedgeLayer::disabled();
/// let handle = layer.handle();
/// handle.reconfigure(HedgeConfig::builder().with_delay(Duration::from_millis(50)).build()?);
/// handle.enable();
/// assert!(handle.is_enabled());
/// assert_eq!((handle.delay(), handle.stats().hedges), (Some(Duration::from_millis(50)), 0));
/// # Ok::<(), plugin_retry::plugin_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct HedgeHandle(Arc<HedgeState>);

/// What the services of a hedge layer have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HedgeStats {
    /// Hedges that were sent.
    pub hedges: u64,
    /// Hedges that answered first.
    pub won: u64,
    /// Hedges that the budget refused.
    pub refused: u64,
}

impl HedgeHandle {
    pub(super) fn new(state: Arc<HedgeState>) -> Self {
        Self(state)
    }

    /// The counts so far.
    #[must_use]
    pub fn stats(&self) -> HedgeStats {
        // Relaxed: counts, read one after the other while calls go on.
        HedgeStats {
            hedges: self.0.launched.load(Ordering::Relaxed),
            won: self.0.won.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
        }
    }

    /// How long an attempt may take now before it is hedged; `None` while too few calls were measured.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.0.delay(clock::now())
    }

    /// The hedges that the budget allows now; `None` without one.
    #[must_use]
    pub fn budget_balance(&self) -> Option<u64> {
        self.0.budget_balance(clock::now())
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> Arc<HedgeConfig> {
        self.0.config()
    }

    /// Changes the settings for calls that come from now on. What was measured and counted stays.
    pub fn reconfigure(&self, config: HedgeConfig) {
        self.0.reconfigure(config);
    }

    /// Whether calls are hedged.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.control().is_on()
    }

    /// Hedges calls that come from now on.
    pub fn enable(&self) {
        self.0.switch(true);
    }

    /// Lets calls that come from now on pass through.
    pub fn disable(&self) {
        self.0.switch(false);
    }
}

impl fmt::Debug for HedgeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HedgeHandle").field("enabled", &self.is_enabled()).field("stats", &self.stats()).finish()
    }
}
