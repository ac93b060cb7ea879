//! A bucket that many instances take from.

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use plugin_core::{Quota, Rejected, clock, sync::StripedCounter};
use tokio::{runtime::Handle, time};

use super::{
    RedisStore, SharedMode, SharedStatus,
    fault::Fault,
    key_state::{Asked, Known, share_of},
    keys::{KeyCell, KeyId, Keys},
    link::Link,
    script::Question,
};
use crate::{RateLimitConfig, gcra::Limit};

/// Buckets of tokens, one for each key, that all instances with the same Redis, prefix and name take from. Every clone is the
/// same.
///
/// A decision is one round trip to Redis, or none: while tokens lie in reserve ([`with_batch`]), while it is known that the
/// request cannot fit yet, and while Redis is away. It waits for the setting [`timeout`] at most, and no request is refused
/// because Redis is away: the instance then lets its share of the limit through.
///
/// It refuses and does not wait: a line that many machines stand in would need a turn for each of them, and one that goes
/// away would hold up the others.
///
/// ```no_run
/// use plugin_ratelimit::{RateLimitConfig, RedisConfig, RedisStore, SharedBucket};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::new(RedisConfig::builder("redis://cache.internal:6379").build()?);
/// let config = RateLimitConfig::builder().with_requests_per_second(100.0).with_burst_size(200).build()?;
/// let bucket = SharedBucket::new(&store, "search", config);
///
/// if let Err(refused) = bucket.try_acquire("tenant-7", 1).await {
///     println!("come back in {:?}", refused.retry_after());
/// }
/// # Ok(())
/// # }
/// ```
///
/// [`with_batch`]: super::RedisConfigBuilder::with_batch
/// [`timeout`]: super::RedisConfigBuilder::with_timeout
#[derive(Clone)]
pub struct SharedBucket(Arc<Shared>);

struct Shared {
    link: Arc<Link>,
    name: String,
    config: RwLock<RateLimitConfig>,
    enabled: AtomicBool,
    keys: Keys,
    allowed: StripedCounter,
    refused: StripedCounter,
    local: StripedCounter,
}

/// The statistics of a shared limit on this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedRateLimitStats {
    /// Requests that were let through while the limit was enabled.
    pub allowed: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Those of both that this instance decided by its share.
    pub local: u64,
    /// Keys that something is remembered of.
    pub keys: usize,
    /// Who decides now, since when, and why.
    pub status: SharedStatus,
}

/// The longest key that is written as it is; of a longer one, its SHA-1.
const LONGEST_KEY: usize = 128;

impl SharedBucket {
    /// Buckets of this name, which start full. Two limits that are not the same have different names.
    #[must_use]
    pub fn new(store: &RedisStore, name: impl Into<String>, config: RateLimitConfig) -> Self {
        Self(Arc::new(Shared {
            link: Arc::clone(&store.link),
            name: name.into(),
            config: RwLock::new(config),
            enabled: AtomicBool::new(true),
            keys: Keys::new(store.config().max_keys()),
            allowed: StripedCounter::new(),
            refused: StripedCounter::new(),
            local: StripedCounter::new(),
        }))
    }

    /// Takes `n` tokens of a key now, or none. For one limit over everything the key is empty. Zero tokens are always there.
    ///
    /// Nothing happens before the first poll. A future that is dropped while it waits for Redis may have taken its tokens:
    /// they are lost then, never given twice.
    ///
    /// # Errors
    ///
    /// `RATELIMIT_1501`: with [`retry_after`](Rejected::retry_after) when the tokens are not there yet; without it when `n` is
    /// more than the bucket ever holds. Never because Redis is away.
    ///
    /// # Panics
    ///
    /// On a tokio runtime without a timer. Outside of a runtime this instance decides by its share.
    pub async fn try_acquire(&self, key: &str, n: u32) -> Result<(), Rejected> {
        match self.at_once(key, n) {
            Ok(result) => result,
            Err(pending) => self.by_redis(key, pending).await,
        }
    }

    /// What can be told without Redis.
    pub(super) fn at_once(&self, key: &str, n: u32) -> Result<Result<(), Rejected>, Pending> {
        // Relaxed: a request that reads the switch of a moment ago behaves as if it had come a moment earlier.
        if n == 0 || !self.0.enabled.load(Ordering::Relaxed) {
            return Ok(Ok(()));
        }
        let limit = self.config().limit();
        if u64::from(n) > limit.burst() {
            self.0.refused.add(1);
            return Ok(Err(Rejected::too_costly(n.into(), limit.burst())));
        }
        let now = clock::now().as_nanos();
        let id = self.0.keys.id(key);
        let pending = Pending { n, limit, id, cell: self.0.keys.cell(id, now) };
        match self.0.link.mode() {
            SharedMode::Local => {
                // Where the keeper has ended with its runtime, this is where another one begins.
                self.0.link.keep();
                Ok(self.by_share(&pending, now))
            }
            SharedMode::Shared => self.by_what_is_known(&pending, now).ok_or(pending),
            SharedMode::Connecting => Err(pending),
        }
    }

    fn by_what_is_known(&self, pending: &Pending, now: u64) -> Option<Result<(), Rejected>> {
        let known = pending.cell.as_ref()?.state().known(pending.limit, pending.n, now);
        match known {
            Known::Reserved => Some(self.count(Ok(()))),
            Known::Refused { arrival, wait } => Some(self.count(Err(pending.limit.refusal(arrival, now, wait)))),
            Known::Unknown => None,
        }
    }

    fn by_share(&self, pending: &Pending, now: u64) -> Result<(), Rejected> {
        self.0.local.add(1);
        let share = share_of(pending.limit, self.0.link.replicas());
        let taken = match &pending.cell {
            Some(cell) => cell.state().take_share(share, pending.n, now),
            None => self.0.keys.overflow(pending.id).state().take_share(share, pending.n, now),
        };
        self.count(taken.map_err(|(arrival, wait)| share.refusal(arrival, now, wait)))
    }

    fn count(&self, result: Result<(), Rejected>) -> Result<(), Rejected> {
        let counter = if result.is_ok() { &self.0.allowed } else { &self.0.refused };
        counter.add(1);
        result
    }

    /// Asks Redis, and decides by this instance's share if it does not answer.
    pub(super) async fn by_redis(&self, key: &str, pending: Pending) -> Result<(), Rejected> {
        if Handle::try_current().is_err() {
            return self.by_share(&pending, clock::now().as_nanos());
        }
        let deadline = time::Instant::now() + self.0.link.config.timeout();
        let batch = self.0.link.config.batch();
        let gate = match &pending.cell {
            Some(cell) if batch > 1 => match time::timeout_at(deadline, cell.gate.lock()).await {
                Ok(gate) => {
                    // Who held it before may have brought enough for all, or heard that there is nothing.
                    if let Some(known) = self.by_what_came(&pending) {
                        return known;
                    }
                    Some(gate)
                }
                Err(_) => return self.by_share(&pending, clock::now().as_nanos()),
            },
            _ => None,
        };
        let answer = self.ask(key, &pending, batch, deadline).await;
        drop(gate);
        match answer {
            Ok(result) => self.count(result),
            Err(_) => self.by_share(&pending, clock::now().as_nanos()),
        }
    }

    /// What is known since the gate was opened. The demand was counted before.
    fn by_what_came(&self, pending: &Pending) -> Option<Result<(), Rejected>> {
        let now = clock::now().as_nanos();
        let cell = pending.cell.as_ref()?;
        match self.0.link.mode() {
            SharedMode::Local => Some(self.by_share(pending, now)),
            SharedMode::Connecting => None,
            SharedMode::Shared => match cell.state().still_known(pending.limit, pending.n, now) {
                Known::Reserved => Some(self.count(Ok(()))),
                Known::Refused { arrival, wait } => Some(self.count(Err(pending.limit.refusal(arrival, now, wait)))),
                Known::Unknown => None,
            },
        }
    }

    async fn ask(
        &self,
        key: &str,
        pending: &Pending,
        batch: u32,
        deadline: time::Instant,
    ) -> Result<Result<(), Rejected>, Fault> {
        let (n, limit) = (pending.n, pending.limit);
        let now = clock::now().as_nanos();
        let mut asking = Asking::new(pending.cell.as_deref());
        let question = asking.question(limit, self.0.link.replicas(), n, batch, now);
        let (answer, sent) = self.0.link.ask(question, &self.stored(key), limit, deadline).await?;
        let now = clock::now().as_nanos();
        let is_admitted = match asking.asked.take().zip(asking.cell) {
            Some((asked, cell)) => cell.state().answered(&asked, answer, sent, now),
            None => answer.taken >= n,
        };
        if is_admitted {
            return Ok(Ok(()));
        }
        let arrival = now.saturating_add(answer.debt);
        let wait = limit.wait(arrival, now, n.into()).unwrap_or(limit.interval);
        Ok(Err(limit.refusal(arrival, now, wait)))
    }

    /// The state of a key's bucket, as response headers give it: asked of Redis, and of this instance's share if it does not
    /// answer. Takes nothing. `None` while the limit is disabled.
    pub async fn quota(&self, key: &str) -> Option<Quota> {
        if !self.is_enabled() {
            return None;
        }
        let limit = self.config().limit();
        let now = || clock::now().as_nanos();
        if Handle::try_current().is_ok() {
            let deadline = time::Instant::now() + self.0.link.config.timeout();
            let asked = self.0.link.ask(Question::default(), &self.stored(key), limit, deadline).await;
            if let Ok((answer, _)) = asked {
                let now = now();
                return limit.quota(now.saturating_add(answer.debt), now);
            }
        }
        let (now, share) = (now(), share_of(limit, self.0.link.replicas()));
        let cell = self.0.keys.cell(self.0.keys.id(key), now)?;
        let arrival = cell.state().share_is_full_at();
        share.quota(arrival, now)
    }

    /// The key as it is written in Redis. What is in braces says which node of a cluster has it.
    fn stored(&self, key: &str) -> String {
        let (prefix, name) = (self.0.link.config.prefix(), &self.0.name);
        if key.len() > LONGEST_KEY {
            // The digest that the client of Redis makes of a script, of any text.
            return format!("{prefix}:{name}#{{{}}}", redis::Script::new(key).get_hash());
        }
        format!("{prefix}:{name}:{{{key}}}")
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> RateLimitConfig {
        *self.0.config.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the settings on this instance; the others are to be told too. What is owed is kept as the time until the bucket
    /// is full, at most that of an empty one.
    pub fn reconfigure(&self, config: RateLimitConfig) {
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Limits again, on this instance.
    pub fn enable(&self) {
        self.0.enabled.store(true, Ordering::Relaxed);
    }

    /// Lets everybody through, on this instance. No tokens are taken, and nothing is counted.
    pub fn disable(&self) {
        self.0.enabled.store(false, Ordering::Relaxed);
    }

    /// Whether anything is limited on this instance.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.enabled.load(Ordering::Relaxed)
    }

    /// The statistics of this instance.
    #[must_use]
    pub fn stats(&self) -> SharedRateLimitStats {
        SharedRateLimitStats {
            allowed: self.0.allowed.sum(),
            refused: self.0.refused.sum(),
            local: self.0.local.sum(),
            keys: self.0.keys.len(),
            status: self.0.link.status(),
        }
    }

    /// The connection that this limit is kept over.
    #[must_use]
    pub fn store(&self) -> RedisStore {
        RedisStore { link: Arc::clone(&self.0.link) }
    }
}

/// A request that Redis must decide on.
pub(super) struct Pending {
    n: u32,
    limit: Limit,
    id: KeyId,
    cell: Option<Arc<KeyCell>>,
}

/// A question on its way. What it was to pay is still owed when it is dropped without an answer.
struct Asking<'a> {
    cell: Option<&'a KeyCell>,
    asked: Option<Asked>,
}

impl<'a> Asking<'a> {
    fn new(cell: Option<&'a KeyCell>) -> Self {
        Self { cell, asked: None }
    }

    fn question(&mut self, limit: Limit, replicas: u32, n: u32, batch: u32, now: u64) -> Question {
        let Some(cell) = self.cell else { return Question { tokens: n, most: n, shift: 0 } };
        self.asked.insert(cell.state().ask(limit, replicas, n, batch, now)).question
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let (Some(asked), Some(cell)) = (self.asked, self.cell) {
            cell.state().unanswered(&asked);
        }
    }
}

impl fmt::Debug for SharedBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBucket").field("name", &self.0.name).field("stats", &self.stats()).finish_non_exhaustive()
    }
}
