//! The connection to Redis, as a user has it.

use std::{fmt, future::Future, sync::Arc};

use super::{RedisConfig, SharedEvents, SharedStatus, keeper, link::Link};

/// A connection to Redis or Valkey that any number of [`SharedBucket`](super::SharedBucket)s use. Every clone is the same one.
///
/// One for each program and Redis is right: the instances of a limit are counted by these. It connects in a task of its own,
/// at once where a tokio runtime is running, and otherwise with the first decision. When it is away, it is sought again every
/// 100 ms at first and every second later.
///
/// ```no_run
/// use plugin_ratelimit::{RateLimitConfig, RedisConfig, RedisStore, SharedBucket};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::new(RedisConfig::builder("redis://cache.internal:6379").build()?);
/// let bucket = SharedBucket::new(&store, "search", RateLimitConfig::default());
/// bucket.try_acquire("tenant-7", 1).await?;
/// println!("{:?}", store.status()); // who decides, since when, and why
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore {
    pub(super) link: Arc<Link>,
}

impl RedisStore {
    /// A connection with these settings. Nothing fails here: what is away is told by [`status`](Self::status).
    #[must_use]
    pub fn new(config: RedisConfig) -> Self {
        let link = Link::new(config);
        keeper::ensure(&link);
        Self { link }
    }

    /// Who decides, since when, and why.
    #[must_use]
    pub fn status(&self) -> SharedStatus {
        self.link.status()
    }

    /// The changes of who decides, from now on.
    #[must_use]
    pub fn events(&self) -> SharedEvents {
        SharedEvents(self.link.listen())
    }

    /// Waits until Redis decides: for a program that is not to start without it. It waits for as long as Redis is away; no
    /// decision needs it. Dropping the future changes nothing.
    pub fn until_shared(&self) -> impl Future<Output = ()> + Send + use<> {
        let link = Arc::clone(&self.link);
        async move {
            keeper::ensure(&link);
            link.until_shared().await;
        }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &RedisConfig {
        &self.link.config
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("link", &self.link).finish()
    }
}
