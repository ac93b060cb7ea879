//! Layers whose key is one of these, so that nobody has to name the type of the request.

use std::{hash::Hash, net::IpAddr};

use super::{ByExtension, ByHeader, ClientIp};
use crate::{KeyedRateLimitConfig, KeyedRateLimitLayer, KeyedTokenBucket};

impl<P> KeyedRateLimitLayer<IpAddr, ClientIp<P>> {
    /// Buckets with these settings, by the address of the client.
    pub fn by_client_ip(config: impl Into<KeyedRateLimitConfig>, client: ClientIp<P>) -> Self {
        Self::sharing(&KeyedTokenBucket::new(config), client)
    }
}

impl KeyedRateLimitLayer<String, ByHeader> {
    /// Buckets with these settings, by the value of a header.
    pub fn by_header(config: impl Into<KeyedRateLimitConfig>, header: ByHeader) -> Self {
        Self::sharing(&KeyedTokenBucket::new(config), header)
    }
}

impl<T: Hash + Eq + Clone> KeyedRateLimitLayer<T, ByExtension<T>> {
    /// Buckets with these settings, by what an earlier layer has left among the request's extensions.
    pub fn by_extension(config: impl Into<KeyedRateLimitConfig>, extension: ByExtension<T>) -> Self {
        Self::sharing(&KeyedTokenBucket::new(config), extension)
    }
}
