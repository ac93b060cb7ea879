//! The handle: reads the state and the statistics, and changes the settings while calls go on.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use plugin_core::clock;

use crate::{GaveUp, RetryConfig, config::Spending, state::RetryState};

/// Reads and changes what all services of a [`RetryLayer`](crate::RetryLayer) share. Cheap to clone.
///
/// ```
/// use plugin_retry::{
///     GaveUp, RetryConfig, RetryLayer,
///     plugin_core::{Call, PluginError, Sent},
/// };
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = RetryLayer::new(RetryConfig::default());
/// let handle = layer.handle();
/// let service = layer.layer(service_fn(|_: Call<()>| async {
///     Err::<(), _>(PluginError::connection("refused", Sent::Nothing))
/// }));
///
/// handle.disable();
/// assert!(service.clone().oneshot(Call::new(())).await.is_err());
/// assert_eq!(handle.stats().retries, 0);
///
/// handle.enable();
/// handle.reconfigure(RetryConfig::builder().with_max_retries(1).build()?);
/// assert!(service.oneshot(Call::new(())).await.is_err());
/// assert_eq!((handle.stats().retries, handle.stats().gave_up(GaveUp::Attempts)), (1, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RetryHandle(Arc<RetryState>);

impl RetryHandle {
    pub(crate) fn new(state: Arc<RetryState>) -> Self {
        Self(state)
    }

    /// The counts so far.
    #[must_use]
    pub fn stats(&self) -> RetryStats {
        let counters = &self.0.counters;
        // Relaxed: counts, read one after the other while calls go on.
        RetryStats {
            retries: counters.retries.load(Ordering::Relaxed),
            recovered: counters.recovered.load(Ordering::Relaxed),
            gave_up: std::array::from_fn(|reason| counters.gave_up[reason].load(Ordering::Relaxed)),
        }
    }

    /// The retries that the budget allows now; `None` without one.
    #[must_use]
    pub fn budget_balance(&self) -> Option<u64> {
        let has_budget = matches!(self.0.config().spending, Spending::Budget(_));
        has_budget.then(|| self.0.budget().balance(clock::now()))
    }

    /// The tokens of the throttle; `None` without one.
    #[must_use]
    pub fn throttle_tokens(&self) -> Option<f64> {
        let has_throttle = matches!(self.0.config().spending, Spending::Throttle(_));
        has_throttle.then(|| self.0.throttle().tokens())
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> Arc<RetryConfig> {
        self.0.config()
    }

    /// Changes the settings for attempts that are decided from now on. What the budget has counted stays.
    pub fn reconfigure(&self, config: RetryConfig) {
        self.0.reconfigure(config);
    }

    /// Whether calls are retried.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.is_on()
    }

    /// Retries calls that come from now on.
    pub fn enable(&self) {
        self.0.switch(true);
    }

    /// Lets calls pass through. A call that waits for its next attempt makes it.
    pub fn disable(&self) {
        self.0.switch(false);
    }
}

impl fmt::Debug for RetryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryHandle").field("enabled", &self.is_enabled()).field("stats", &self.stats()).finish()
    }
}

/// What the services of a layer have done. A call that succeeds at once is counted nowhere.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryStats {
    /// Attempts after the first that were made.
    pub retries: u64,
    /// Calls that succeeded after such an attempt.
    pub recovered: u64,
    gave_up: [u64; GaveUp::COUNT],
}

impl RetryStats {
    /// Failures that went to the caller for this reason.
    #[must_use]
    pub fn gave_up(&self, reason: GaveUp) -> u64 {
        self.gave_up[reason.index()]
    }
}

/// Of the reasons, those that there were.
impl fmt::Debug for RetryStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Reasons<'a>(&'a RetryStats);
        impl fmt::Debug for Reasons<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let counts = GaveUp::ALL.map(|reason| (reason, self.0.gave_up(reason)));
                f.debug_map().entries(counts.into_iter().filter(|(_, count)| *count > 0)).finish()
            }
        }
        let mut shown = f.debug_struct("RetryStats");
        shown.field("retries", &self.retries).field("recovered", &self.recovered);
        shown.field("gave_up", &Reasons(self)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_counted_and_shown_under_its_own_name() {
        for reason in GaveUp::ALL {
            let mut stats = RetryStats { retries: 3, recovered: 1, ..RetryStats::default() };
            stats.gave_up[reason.index()] = 2;
            assert_eq!(GaveUp::ALL.map(|other| stats.gave_up(other)).iter().sum::<u64>(), 2);
            let shown = format!("RetryStats {{ retries: 3, recovered: 1, gave_up: {{{reason:?}: 2}} }}");
            assert_eq!(format!("{stats:?}"), shown);
        }
    }
}
