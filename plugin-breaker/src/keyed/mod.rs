//! A breaker per key.

mod handle;
mod layer;
mod service;

use std::{
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, atomic},
};

pub use handle::{KeyedBreakerHandle, KeyedBreakerStats};
pub use layer::KeyedBreakerLayer;
use plugin_core::{
    clock,
    sync::{KeyedTable, StripedCounter},
};
pub use service::KeyedBreaker;

use crate::{
    CircuitBreakerConfig,
    circuit::Circuit,
    guard::{Admission, Hold},
};

/// The breakers of a layer.
struct Breakers<K> {
    table: KeyedTable<K, Arc<Circuit>>,
    config: Mutex<Arc<CircuitBreakerConfig>>,
    /// Whether the settings judge at all.
    enabled: atomic::AtomicBool,
    /// Calls that passed without a breaker, because no place was free for their key.
    unguarded: StripedCounter,
}

impl<K: Hash + Eq + Clone> Breakers<K> {
    fn new(config: Arc<CircuitBreakerConfig>, cap: usize) -> Self {
        Self {
            table: KeyedTable::new(cap),
            enabled: atomic::AtomicBool::new(config.enabled()),
            config: Mutex::new(config),
            unguarded: StripedCounter::new(),
        }
    }

    fn config(&self) -> Arc<CircuitBreakerConfig> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A call with this key asks to pass.
    fn admit(&self, key: &K) -> Admission<Hold> {
        // Relaxed: a call that reads the setting of a moment ago behaves as if it had come a moment earlier.
        if !self.enabled.load(atomic::Ordering::Relaxed) {
            return Admission::Free;
        }
        let make = || Arc::new(Circuit::new(self.config()));
        match self.table.get_or_insert_with(key, make, |_, shared| is_idle(shared), |shared| Arc::clone(shared)) {
            Some(shared) => shared.admit(|| Hold::Arc(Arc::clone(&shared))),
            None => {
                self.unguarded.add(1);
                Admission::Free
            }
        }
    }

    /// New settings for all keys, those to come included.
    fn reconfigure(&self, config: &Arc<CircuitBreakerConfig>) {
        // First for those to come: whoever makes a breaker with the old settings does so under its shard's lock, and is
        // then found below.
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(config);
        self.enabled.store(config.enabled(), atomic::Ordering::Relaxed);
        for shared in self.list().into_iter().map(|(_, shared)| shared) {
            shared.reconfigure(Arc::clone(config));
        }
    }

    fn list(&self) -> Vec<(K, Arc<Circuit>)> {
        let mut list = Vec::new();
        self.table.for_each(|key, shared| list.push((key.clone(), Arc::clone(shared))));
        list
    }
}

/// Whether nothing is lost with this breaker but the memory of a row of failures that was not used lately: no call is
/// running and nobody holds a handle; it is closed, or its open time is over and nobody came.
fn is_idle(shared: &Arc<Circuit>) -> bool {
    Arc::strong_count(shared) == 1 && shared.would_ask(clock::now())
}

impl<K> fmt::Debug for Breakers<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breakers").field("unguarded", &self.unguarded).finish_non_exhaustive()
    }
}
