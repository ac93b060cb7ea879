//! The handle: reads the figures, and changes the settings while calls go on.

use super::{ConcurrencyLimit, ConcurrencyLimitConfig, ConcurrencyLimitStats};

/// Reads the figures and changes the settings of a [`ConcurrencyLimitLayer`](super::ConcurrencyLimitLayer) and all its
/// services. Cheap to clone.
///
/// ```
/// use plugin_ratelimit::concurrency::{ConcurrencyLimitConfig, ConcurrencyLimitLayer};
///
/// let layer = ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::default());
/// let handle = layer.handle();
/// handle.reconfigure(handle.config().to_builder().with_max(10).build()?); // nothing that runs is cut
/// assert_eq!(handle.stats().limit, Some(10));
/// handle.disable(); // everything passes
/// assert_eq!(handle.stats().limit, None);
/// # Ok::<(), plugin_ratelimit::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConcurrencyLimitHandle(ConcurrencyLimit);

impl ConcurrencyLimitHandle {
    pub(super) fn new(limit: ConcurrencyLimit) -> Self {
        Self(limit)
    }

    /// The figures: see [`ConcurrencyLimit::stats`].
    #[must_use]
    pub fn stats(&self) -> ConcurrencyLimitStats {
        self.0.stats()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> ConcurrencyLimitConfig {
        self.0.config()
    }

    /// Changes the settings. A smaller limit cuts no call: see [`ConcurrencyLimit::reconfigure`].
    pub fn reconfigure(&self, config: ConcurrencyLimitConfig) {
        self.0.reconfigure(config);
    }

    /// Limits again. Calls that began while it was off are not counted: see [`ConcurrencyLimit::enable`].
    pub fn enable(&self) {
        self.0.enable();
    }

    /// Lets everybody pass, those who wait too, and counts and measures nobody: see [`ConcurrencyLimit::disable`].
    pub fn disable(&self) {
        self.0.disable();
    }

    /// Whether calls are limited.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.is_enabled()
    }

    /// The limit, to take permits from besides the layer.
    #[must_use]
    pub fn limit(&self) -> &ConcurrencyLimit {
        &self.0
    }
}
