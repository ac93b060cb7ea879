//! A header as the key.

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use plugin_core::KeyOf;

/// The value of a header as the key, as text: `x-tenant-id`.
///
/// A request that does not have the header exactly once has no key, nor has one whose value is empty, is no text, or is longer
/// than [`LONGEST`](Self::LONGEST): a client that may send any value is not given that much memory for each. Whoever sets the
/// header decides whose bucket is used, so it must be a gateway that sets it, or a check of it that stands before the limit.
///
/// Keys are shown by the handle: do not take a secret for one. For a credential use a closure that gives its owner.
///
/// ```
/// use http::Request;
/// use plugin_ratelimit::{ByHeader, plugin_core::KeyOf};
///
/// let tenant = ByHeader::new(http::HeaderName::from_static("x-tenant-id"));
/// let request = Request::get("/").header("x-tenant-id", "acme").body(())?;
/// assert_eq!(tenant.key(&request).as_deref(), Some("acme"));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ByHeader(HeaderName);

impl ByHeader {
    /// The most bytes of a value that is a key.
    pub const LONGEST: usize = 256;

    /// By this header.
    #[must_use]
    pub fn new(name: HeaderName) -> Self {
        Self(name)
    }

    /// The header.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.0
    }

    /// Whether a header can come with this text, and it is a key then.
    #[must_use]
    pub fn can_be_key(text: &str) -> bool {
        let is_sent =
            text.trim_ascii() == text && HeaderValue::from_str(text).is_ok_and(|value| value.to_str().is_ok());
        is_sent && !text.is_empty() && text.len() <= Self::LONGEST
    }
}

impl<B> KeyOf<Request<B>> for ByHeader {
    type Key = String;

    fn key(&self, request: &Request<B>) -> Option<String> {
        self.of(request.headers())
    }
}

impl ByHeader {
    /// The key that these headers have.
    #[must_use]
    pub fn of(&self, headers: &HeaderMap) -> Option<String> {
        let mut values = headers.get_all(&self.0).iter();
        let value = values.next()?.to_str().ok()?;
        let is_one = values.next().is_none() && !value.is_empty() && value.len() <= Self::LONGEST;
        // A copy of its own: the value shares the memory of the whole head of the request.
        is_one.then(|| value.to_owned())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn key(values: &[&[u8]]) -> Option<String> {
        let mut request = Request::new(());
        for value in values {
            let value = http::HeaderValue::from_bytes(value).expect("a value");
            request.headers_mut().append("x-tenant-id", value);
        }
        ByHeader::new(HeaderName::from_static("x-tenant-id")).key(&request)
    }

    #[test]
    fn one_value_that_is_a_text_of_some_length_is_a_key_and_nothing_else() {
        assert_eq!(key(&[b"acme"]).as_deref(), Some("acme"));
        assert!(key(&[&[b'a'; ByHeader::LONGEST]]).is_some());
        let long = [b'a'; ByHeader::LONGEST + 1];
        let none: [&[&[u8]]; 5] = [&[], &[b""], &[b"acme", b"acme"], &[&long], &[b"\xe9"]];
        for values in none {
            assert_eq!(key(values), None, "{values:?}");
        }
    }
}
