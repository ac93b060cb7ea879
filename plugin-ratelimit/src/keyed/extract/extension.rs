//! What an earlier layer has found out as the key.

use std::{fmt, hash::Hash, marker::PhantomData};

use http::Request;
use plugin_core::KeyOf;

/// A value that an earlier layer has left among the extensions of a request as the key: the tenant that authentication has
/// found. A request without it has no key.
///
/// ```
/// use http::Request;
/// use plugin_ratelimit::{ByExtension, plugin_core::KeyOf};
///
/// #[derive(Clone, Debug, PartialEq, Eq, Hash)]
/// struct Tenant(u64);
///
/// let request = Request::get("/").extension(Tenant(7)).body(())?;
/// assert_eq!(ByExtension::<Tenant>::new().key(&request), Some(Tenant(7)));
/// # Ok::<(), http::Error>(())
/// ```
pub struct ByExtension<T>(PhantomData<fn() -> T>);

impl<T> ByExtension<T> {
    /// By the value of this type.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<B, T: Hash + Eq + Clone + Send + Sync + 'static> KeyOf<Request<B>> for ByExtension<T> {
    type Key = T;

    fn key(&self, request: &Request<B>) -> Option<T> {
        request.extensions().get().cloned()
    }
}

impl<T> Default for ByExtension<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for ByExtension<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ByExtension<T> {}

impl<T> fmt::Debug for ByExtension<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByExtension")
    }
}
