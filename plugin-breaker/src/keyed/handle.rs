//! The handle: reads the state and the statistics, and changes the settings while calls go on.

use std::{borrow::Borrow, fmt, hash::Hash, sync::Arc};

use super::Breakers;
use crate::{CircuitBreakerConfig, CircuitBreakerHandle};

/// Reads and commands the breakers of a [`KeyedBreakerLayer`](super::KeyedBreakerLayer).
///
/// ```
/// use plugin_breaker::{CircuitBreakerConfig, CircuitState, KeyedBreakerLayer};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = KeyedBreakerLayer::new(CircuitBreakerConfig::default(), |tenant: &&'static str| Some(*tenant));
/// let handle = layer.handle();
/// let service = layer.layer(service_fn(|tenant: &'static str| async move {
///     if tenant == "acme" { Err::<(), BoxError>("quota used up".into()) } else { Ok(()) }
/// }));
///
/// for tenant in ["acme", "globex"].repeat(5) {
///     let _ = service.clone().oneshot(tenant).await;
/// }
/// let open: Vec<_> = handle.list().into_iter().filter(|(_, breaker)| breaker.state() == CircuitState::Open).collect();
/// assert_eq!(open.len(), 1);
/// assert_eq!(open[0].0, "acme");
/// handle.remove(&"acme"); // its next call begins with a closed circuit
/// assert_eq!(handle.stats().breakers, 1);
/// # }
/// ```
pub struct KeyedBreakerHandle<K> {
    breakers: Arc<Breakers<K>>,
}

impl<K: Hash + Eq + Clone> KeyedBreakerHandle<K> {
    pub(super) fn new(breakers: Arc<Breakers<K>>) -> Self {
        Self { breakers }
    }

    /// The breaker of a key, when there is one. While its handle is held, the breaker stays.
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> Option<CircuitBreakerHandle>
    where
        Q: ToOwned<Owned = K> + ?Sized,
        K: Borrow<Q>,
    {
        self.breakers.table.get(&key.to_owned(), |shared| CircuitBreakerHandle::new(Arc::clone(shared)))
    }

    /// All keys and their breakers. Those that come or go meanwhile may or may not be among them.
    #[must_use]
    pub fn list(&self) -> Vec<(K, CircuitBreakerHandle)> {
        self.breakers.list().into_iter().map(|(key, shared)| (key, CircuitBreakerHandle::new(shared))).collect()
    }

    /// Forgets the breaker of a key. Calls that are running report to nobody.
    pub fn remove(&self, key: &K) {
        // Dropped outside the shard's lock.
        drop(self.breakers.table.remove(key));
    }

    /// The largest number of breakers.
    #[must_use]
    pub fn cap(&self) -> usize {
        self.breakers.table.cap()
    }

    /// The statistics of all keys together; those of one key are with its handle, [`get`](Self::get).
    #[must_use]
    pub fn stats(&self) -> KeyedBreakerStats {
        KeyedBreakerStats { breakers: self.breakers.table.len(), unguarded: self.breakers.unguarded.sum() }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> CircuitBreakerConfig {
        (*self.breakers.config()).clone()
    }

    /// Takes over other settings, for the keys that have a breaker and for those that come. See
    /// [`CircuitBreakerHandle::reconfigure`].
    pub fn reconfigure(&self, config: CircuitBreakerConfig) {
        self.breakers.reconfigure(&Arc::new(config));
    }
}

impl<K> Clone for KeyedBreakerHandle<K> {
    fn clone(&self) -> Self {
        Self { breakers: Arc::clone(&self.breakers) }
    }
}

impl<K> fmt::Debug for KeyedBreakerHandle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedBreakerHandle").field("breakers", &self.breakers).finish_non_exhaustive()
    }
}

/// The statistics of a [`KeyedBreakerLayer`](crate::KeyedBreakerLayer).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyedBreakerStats {
    /// Keys that have a breaker.
    pub breakers: usize,
    /// Calls that passed without a breaker, because no place was free for their key.
    pub unguarded: u64,
}
