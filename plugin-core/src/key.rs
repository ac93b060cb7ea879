//! Which key a request belongs to, for state that is kept per key.

use std::hash::Hash;

/// Reads the key of a request: a host, a tenant, a plugin, an address.
///
/// Any closure `Fn(&Req) -> Option<K>` is one.
pub trait KeyOf<Req> {
    /// The key.
    type Key: Hash + Eq + Clone;

    /// The request's key; `None` for a request that has none.
    fn key(&self, request: &Req) -> Option<Self::Key>;
}

impl<Req, K, F> KeyOf<Req> for F
where
    F: Fn(&Req) -> Option<K>,
    K: Hash + Eq + Clone,
{
    type Key = K;

    fn key(&self, request: &Req) -> Option<K> {
        self(request)
    }
}
