//! The permit of a call.

use std::{fmt, hash::Hash, sync::Arc};

use plugin_core::End;

use super::state::{Place, State};
use crate::concurrency::hold::Held;

/// The right of a key's call to be in flight. Dropping it gives the place back.
///
/// It may be kept for as long as the work takes that it stands for, also in another task or beyond the limit that it is from.
#[must_use = "the place is free again as soon as the permit is dropped"]
pub struct KeyedPermit<K: Hash + Eq>(
    /// `None`: the call is not counted, or was given back.
    Option<(Arc<State<K>>, Place<K>)>,
);

impl<K: Hash + Eq> KeyedPermit<K> {
    pub(super) fn new(state: Arc<State<K>>, place: Place<K>) -> Self {
        Self(Some((state, place)))
    }

    /// The permit of nobody's place.
    pub(super) const fn empty() -> Self {
        Self(None)
    }

    /// Whether it stands for no place.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl<K: Hash + Eq> Drop for KeyedPermit<K> {
    fn drop(&mut self) {
        if let Some((state, place)) = &self.0 {
            state.leave(place);
        }
    }
}

impl<K: Hash + Eq + Send + 'static> Held for KeyedPermit<K> {
    fn end(self, _: End<'_>) {}
}

impl<K: Hash + Eq> fmt::Debug for KeyedPermit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedPermit").field("counted", &self.0.is_some()).finish_non_exhaustive()
    }
}
