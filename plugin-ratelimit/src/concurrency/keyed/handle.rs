//! The handle: reads the figures, and changes the settings while calls go on.

use std::{fmt, hash::Hash};

use super::{KeyInFlight, KeyedConcurrencyLimit, KeyedConcurrencyLimitConfig, KeyedConcurrencyLimitStats};

/// Reads the figures and changes the settings of a [`KeyedConcurrencyLimitLayer`](super::KeyedConcurrencyLimitLayer) and all
/// its services. Cheap to clone.
///
/// ```
/// use plugin_ratelimit::concurrency::{KeyedConcurrencyLimitConfig, KeyedConcurrencyLimitLayer};
///
/// let layer = KeyedConcurrencyLimitLayer::new(KeyedConcurrencyLimitConfig::default(), |tenant: &&'static str| Some(*tenant));
/// let handle = layer.handle();
/// let _permits = [handle.limit().try_acquire("acme")?, handle.limit().try_acquire("acme")?];
/// assert_eq!((handle.stats().keys, handle.stats().in_flight), (1, 2));
/// assert_eq!((handle.top_keys(1)[0].key, handle.top_keys(1)[0].in_flight), ("acme", 2));
///
/// handle.reconfigure(handle.config().to_builder().with_max(2).build()?); // nothing that runs is cut
/// assert!(handle.limit().try_acquire("acme").is_err());
/// handle.disable(); // everything passes
/// assert!(handle.limit().try_acquire("acme").is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KeyedConcurrencyLimitHandle<K>(KeyedConcurrencyLimit<K>);

impl<K: Hash + Eq + Clone> KeyedConcurrencyLimitHandle<K> {
    pub(super) fn new(limit: KeyedConcurrencyLimit<K>) -> Self {
        Self(limit)
    }

    /// The figures: see [`KeyedConcurrencyLimit::stats`].
    #[must_use]
    pub fn stats(&self) -> KeyedConcurrencyLimitStats {
        self.0.stats()
    }

    /// The keys that have the most calls in flight, most first: see [`KeyedConcurrencyLimit::top_keys`].
    #[must_use]
    pub fn top_keys(&self, n: usize) -> Vec<KeyInFlight<K>> {
        self.0.top_keys(n)
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> KeyedConcurrencyLimitConfig {
        self.0.config()
    }

    /// Changes the settings. A smaller limit cuts no call: see [`KeyedConcurrencyLimit::reconfigure`].
    pub fn reconfigure(&self, config: KeyedConcurrencyLimitConfig) {
        self.0.reconfigure(config);
    }

    /// Whether calls are limited.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.is_enabled()
    }

    /// Lets everybody pass, and counts nobody: see [`KeyedConcurrencyLimit::disable`].
    pub fn disable(&self) {
        self.0.disable();
    }

    /// Limits again: see [`KeyedConcurrencyLimit::enable`].
    pub fn enable(&self) {
        self.0.enable();
    }

    /// The limit, to take permits from besides the layer.
    #[must_use]
    pub fn limit(&self) -> &KeyedConcurrencyLimit<K> {
        &self.0
    }
}

impl<K> Clone for KeyedConcurrencyLimitHandle<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> fmt::Debug for KeyedConcurrencyLimitHandle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedConcurrencyLimitHandle").field("limit", &self.0).finish_non_exhaustive()
    }
}
