//! The handle: reads the figures, and changes the settings while calls go on.

use std::{fmt, sync::Arc};

use super::{AdaptiveThrottleConfig, AdaptiveThrottleStats, state::ThrottleState};

/// Reads the figures and changes the settings of an [`AdaptiveThrottleLayer`](super::AdaptiveThrottleLayer) and all its services.
/// Cheap to clone.
///
/// ```
/// use plugin_ratelimit::throttle::{AdaptiveThrottleConfig, AdaptiveThrottleLayer};
///
/// let layer = AdaptiveThrottleLayer::new(AdaptiveThrottleConfig::default());
/// let handle = layer.handle();
/// assert_eq!(handle.stats().refused_share, 0.0);
/// handle.reconfigure(handle.config().to_builder().with_multiplier(1.5).build()?);
/// # Ok::<(), plugin_ratelimit::plugin_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct AdaptiveThrottleHandle(pub(super) Arc<ThrottleState>);

impl AdaptiveThrottleHandle {
    /// The figures. Requests that come and go meanwhile may or may not be in them.
    #[must_use]
    pub fn stats(&self) -> AdaptiveThrottleStats {
        self.0.stats()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> AdaptiveThrottleConfig {
        self.0.config()
    }

    /// Changes the settings. What is remembered stays.
    pub fn reconfigure(&self, config: AdaptiveThrottleConfig) {
        self.0.reconfigure(config);
    }

    /// Refuses again, by what was counted meanwhile.
    pub fn enable(&self) {
        self.0.set_enabled(true);
    }

    /// Refuses nothing, and counts on.
    pub fn disable(&self) {
        self.0.set_enabled(false);
    }

    /// Whether anything may be refused.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.is_enabled()
    }
}

impl fmt::Debug for AdaptiveThrottleHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AdaptiveThrottleHandle").field(&self.stats()).finish()
    }
}
