//! The calls in flight that may be joined.

use std::{cell::Cell, hash::Hash, sync::Arc};

use super::shared_call::SharedCall;
use plugin_core::{
    clock::Instant,
    sync::{KeyedTable, StripedCounter},
};

/// The calls of one layer, by their keys, and how many there were.
pub(super) struct SharedCalls<K, Res, Err> {
    pub(super) flights: KeyedTable<K, Arc<SharedCall<Res, Err>>>,
    pub(super) led: StripedCounter,
    pub(super) joined: StripedCounter,
}

/// A caller of a shared call.
pub(super) struct JoinedCall<Res, Err> {
    pub(super) shared_call: Arc<SharedCall<Res, Err>>,
    pub(super) place: usize,
    /// It is the first, and makes the call.
    pub(super) leads: bool,
}

impl<K: Hash + Eq, Res, Err> SharedCalls<K, Res, Err> {
    pub(super) fn new(cap: usize) -> Self {
        Self { flights: KeyedTable::new(cap), led: StripedCounter::new(), joined: StripedCounter::new() }
    }

    /// The call of this key that is in flight, or a new one that this caller leads, who waits until this moment. `None` when
    /// the table is full.
    pub(super) fn board(&self, key: &K, until: Instant) -> Option<JoinedCall<Res, Err>>
    where
        K: Clone,
    {
        let leads = Cell::new(false);
        let begin = || {
            leads.set(true);
            Arc::new(SharedCall::new(until))
        };
        let board = |shared_call: &mut Arc<SharedCall<Res, Err>>| {
            let place = if leads.get() { Some(SharedCall::<Res, Err>::FIRST) } else { shared_call.join(until) };
            if let Some(place) = place {
                return (Arc::clone(shared_call), place, None);
            }
            // It has ended and is on its way out of the table. It goes with its result, outside the table's lock.
            let ended = std::mem::replace(shared_call, begin());
            (Arc::clone(shared_call), SharedCall::<Res, Err>::FIRST, Some(ended))
        };
        let (shared_call, place, ended) = self.flights.get_or_insert_with(key, begin, |_, _| false, board)?;
        drop(ended);
        if leads.get() { &self.led } else { &self.joined }.add(1);
        Some(JoinedCall { shared_call, place, leads: leads.get() })
    }

    /// Takes this call out of the table, unless another one has its place already.
    pub(super) fn remove(&self, key: &K, shared_call: &Arc<SharedCall<Res, Err>>) {
        self.flights.remove_if(key, |other| Arc::ptr_eq(other, shared_call));
    }
}
