//! The limit, usable without tower.

use std::{
    fmt,
    hash::Hash,
    sync::{Arc, atomic::Ordering},
};

use plugin_core::Rejected;

use super::{
    KeyInFlight, KeyedConcurrencyLimitConfig, KeyedConcurrencyLimitStats, KeyedPermit,
    state::{Place, State},
};
use crate::{sync::lock, top::Top};

/// A limit on how many calls of each key are in flight at once: of a client's address, of a tenant. Every clone is the same
/// limit.
///
/// A key has a place from its first call in flight to the end of its last, and is then forgotten. At most
/// [`max_keys`](KeyedConcurrencyLimitConfig::max_keys) keys have one. A new key that finds none is counted in one of 1024
/// places, by a hash that nobody can foresee, together with others like it. It finds none when its part of the table is full;
/// with many keys that may be when the table holds about nine tenths of them. A key that is counted there and is given a
/// place of its own later may have up to twice its share in flight meanwhile.
///
/// There is no waiting: a line for each key would be as many lines as there are keys.
///
/// The numbers are in a [`KeyedTable`](plugin_core::sync::KeyedTable), each under the lock of its part of it. A call takes
/// that lock twice. The key is copied into the table with its first call in flight, and hashed, compared, copied and dropped
/// under the lock: its code must not use the limit itself. The room that a table has grown to is kept.
///
/// ```
/// use plugin_ratelimit::concurrency::{KeyedConcurrencyLimit, KeyedConcurrencyLimitConfig};
///
/// let limit = KeyedConcurrencyLimit::new(KeyedConcurrencyLimitConfig::builder().with_max(1).build()?);
/// let permit = limit.try_acquire("acme")?;
/// assert!(limit.try_acquire("acme").is_err());
/// assert!(limit.try_acquire("globex").is_ok()); // is counted by itself
/// drop(permit);
/// assert_eq!(limit.stats().keys, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KeyedConcurrencyLimit<K>(Arc<State<K>>);

impl<K: Hash + Eq + Clone> KeyedConcurrencyLimit<K> {
    /// A limit with no call in flight.
    #[must_use]
    pub fn new(config: KeyedConcurrencyLimitConfig) -> Self {
        Self(Arc::new(State::new(config)))
    }

    /// Takes a permit of this key now, or none. Never waits.
    ///
    /// # Errors
    ///
    /// `OVERLOAD_2001` when as many calls of this key are in flight as may be. When a place will be free nobody knows, so
    /// there is no `retry_after`.
    pub fn try_acquire(&self, key: K) -> Result<KeyedPermit<K>, Rejected> {
        self.enter(Some(key))
    }

    pub(super) fn enter(&self, key: Option<K>) -> Result<KeyedPermit<K>, Rejected> {
        let permit = |place: Place<K>| KeyedPermit::new(Arc::clone(&self.0), place);
        self.0.enter(key).map(|place| place.map_or(KeyedPermit::empty(), permit))
    }

    /// The figures. Calls that come and go meanwhile may or may not be in them. It goes through all keys.
    #[must_use]
    pub fn stats(&self) -> KeyedConcurrencyLimitStats {
        KeyedConcurrencyLimitStats {
            limit: self.is_enabled().then(|| self.config().max()),
            keys: self.0.table.len(),
            max_keys: self.0.max_keys,
            in_flight: self.0.in_flight(),
            admitted: self.0.admitted.sum(),
            refused: self.0.refused.sum(),
            overflowed: self.0.overflowed.sum(),
        }
    }

    /// The `n` keys that have the most calls in flight, most first. Those without a place of their own are not among them. It
    /// goes through all keys.
    #[must_use]
    pub fn top_keys(&self, n: usize) -> Vec<KeyInFlight<K>> {
        let mut top = Top::new(n);
        self.0.table.for_each(|key, calls| top.offer_with(|| key.clone(), (*calls).into()));
        let in_flight = |calls| u32::try_from(calls).unwrap_or(u32::MAX);
        top.into_sorted().map(|(key, calls)| KeyInFlight { key, in_flight: in_flight(calls) }).collect()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> KeyedConcurrencyLimitConfig {
        let (max, without_key) = (self.0.max.load(Ordering::Relaxed), *lock(&self.0.without_key));
        KeyedConcurrencyLimitConfig::of(max, self.0.max_keys, without_key)
    }

    /// Changes the settings. A smaller limit cuts no call that is in flight: no other call of that key passes until enough have
    /// ended. `max_keys` stays what it was.
    pub fn reconfigure(&self, config: KeyedConcurrencyLimitConfig) {
        self.0.max.store(config.max(), Ordering::Relaxed);
        *lock(&self.0.without_key) = config.without_key();
    }

    /// Whether anything is limited.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.is_enabled()
    }

    /// Lets everybody pass, and counts nobody. Permits that were taken before are given back as ever.
    pub fn disable(&self) {
        self.0.enabled.store(false, Ordering::Relaxed);
    }

    /// Limits again, after [`disable`](Self::disable). Calls that began meanwhile are not counted, however long they go on.
    pub fn enable(&self) {
        self.0.enabled.store(true, Ordering::Relaxed);
    }
}

impl<K> Clone for KeyedConcurrencyLimit<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> fmt::Debug for KeyedConcurrencyLimit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedConcurrencyLimit").field("max_keys", &self.0.max_keys).finish_non_exhaustive()
    }
}
