//! What becomes of requests that have no key.

use plugin_core::{Rejected, clock};

use super::config::KeyedRateLimitConfig;
use crate::{
    TokenBucket, WithoutKey,
    bucket::Acquired,
    sync::{Mutex, lock},
};

/// It belongs to the table and not to a layer: whoever changes the settings of the keys changes those of such requests with
/// them.
pub(super) struct Keyless {
    bucket: TokenBucket,
    without_key: Mutex<WithoutKey>,
}

impl Keyless {
    pub(super) fn new(config: KeyedRateLimitConfig) -> Self {
        Self { bucket: TokenBucket::new(config.limit()), without_key: Mutex::new(config.without_key()) }
    }

    /// Decides on one request.
    #[cold]
    pub(super) fn acquire(&self) -> Result<Acquired, Rejected> {
        let without_key = *lock(&self.without_key);
        match without_key {
            WithoutKey::Shared => self.bucket.acquire(1, clock::now),
            WithoutKey::Refuse => Err(Rejected::without_key()),
            WithoutKey::Pass => Ok(Acquired::Taken),
        }
    }

    pub(super) fn reconfigure(&self, config: KeyedRateLimitConfig) {
        *lock(&self.without_key) = config.without_key();
        self.bucket.reconfigure(config.limit());
    }
}
