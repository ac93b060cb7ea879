//! The answers that are kept, and the handle that reads and clears them.

use std::{
    fmt,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use moka::ops::compute::Op;

use super::CacheConfig;
use plugin_core::{clock::Instant, sync::StripedCounter};

/// What the services of one layer share.
pub(super) struct Store<K, Res> {
    answers: moka::sync::Cache<K, Answer<Res>>,
    config: CacheConfig,
    /// Answers of calls that began before it was last changed are not served: the cache was cleared meanwhile.
    generation: AtomicU64,
    hits: StripedCounter,
    misses: StripedCounter,
    stale: StripedCounter,
}

#[derive(Clone)]
struct Answer<Res> {
    response: Res,
    fresh_until: Instant,
    /// When the service was asked.
    asked: Instant,
    generation: u64,
}

impl<K, Res> Store<K, Res>
where
    K: Hash + Eq + Send + Sync + 'static,
    Res: Clone + Send + Sync + 'static,
{
    pub(super) fn new(config: CacheConfig) -> Self {
        Self {
            answers: moka::sync::Cache::new(config.max_entries()),
            config,
            generation: AtomicU64::new(0),
            hits: StripedCounter::new(),
            misses: StripedCounter::new(),
            stale: StripedCounter::new(),
        }
    }

    pub(super) fn generation(&self) -> u64 {
        // Acquire, with the Release of `clear`: a call that sees the new generation began after the clearing, and so
        // does what it asks the service.
        self.generation.load(Ordering::Acquire)
    }

    fn answer(&self, key: &K) -> Option<Answer<Res>> {
        self.answers.get(key).filter(|answer| answer.generation == self.generation())
    }

    /// An answer that is within its time to live. Counts the look.
    pub(super) fn fresh(&self, key: &K, now: Instant) -> Option<Res> {
        let answer = self.answer(key).filter(|answer| now < answer.fresh_until);
        if answer.is_some() { &self.hits } else { &self.misses }.add(1);
        answer.map(|answer| answer.response)
    }

    /// An answer for a call that failed.
    pub(super) fn in_place_of_failure(&self, key: &K, now: Instant) -> Option<Res> {
        let stale = self.config.stale_if_error();
        if stale.is_zero() {
            return None;
        }
        let answer = self.answer(key).filter(|answer| now < answer.fresh_until.saturating_add(stale))?;
        self.stale.add(1);
        Some(answer.response)
    }

    /// Keeps the answer of a call that was made when it `asked`, in this generation, unless one that was made later has
    /// answered before: what a slow call brings is older than that.
    pub(super) fn keep(&self, key: K, response: Res, (asked, generation): (Instant, u64), now: Instant) {
        let fresh_until = now.saturating_add(self.config.ttl());
        let answer = Answer { response, fresh_until, asked, generation };
        self.answers.entry(key).and_compute_with(|kept| {
            let is_newer = |kept: &Answer<Res>| (kept.generation, kept.asked) > (generation, asked);
            if kept.is_some_and(|kept| is_newer(kept.value())) { Op::Nop } else { Op::Put(answer) }
        });
    }
}

/// Reads and clears what a [`CacheLayer`](super::CacheLayer) keeps.
///
/// ```
/// use plugin_fallback::{
///     cache::{CacheConfig, CacheLayer},
///     plugin_core::{Call, PluginError},
/// };
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), PluginError> {
/// let layer = CacheLayer::new(CacheConfig::default(), |call: &Call<&'static str>| Some(*call.payload())).every_call();
/// let handle = layer.handle();
/// let service = layer.layer(service_fn(|call: Call<&'static str>| async move {
///     Ok::<_, PluginError>(call.into_payload().len())
/// }));
///
/// service.clone().oneshot(Call::new("article 7")).await?;
/// handle.remove(&"article 7"); // it was changed
/// service.clone().oneshot(Call::new("article 7")).await?;
/// assert_eq!((handle.stats().misses(), handle.stats().hits()), (2, 0));
/// handle.clear();
/// # Ok(())
/// # }
/// ```
pub struct CacheHandle<K, Res>(pub(super) Arc<Store<K, Res>>);

impl<K, Res> CacheHandle<K, Res>
where
    K: Hash + Eq + Send + Sync + 'static,
    Res: Clone + Send + Sync + 'static,
{
    /// The counts.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let Store { answers, hits, misses, stale, .. } = &*self.0;
        // Else writes that moka has not worked off yet would be missing.
        answers.run_pending_tasks();
        CacheStats { hits: hits.sum(), misses: misses.sum(), stale: stale.sum(), entries: answers.entry_count() }
    }

    /// Forgets everything. The answer of a call that is under way is not kept.
    pub fn clear(&self) {
        // Release: see `Store::generation`.
        self.0.generation.fetch_add(1, Ordering::Release);
        self.0.answers.invalidate_all();
    }

    /// Forgets the answer of one key. A call that is under way may bring it back.
    pub fn remove(&self, key: &K) {
        self.0.answers.invalidate(key);
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &CacheConfig {
        &self.0.config
    }
}

impl<K, Res> Clone for CacheHandle<K, Res> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, Res> fmt::Debug for CacheHandle<K, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheHandle").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// The counts of a cache since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    hits: u64,
    misses: u64,
    stale: u64,
    entries: u64,
}

impl CacheStats {
    /// Calls that were answered without asking the service.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits
    }

    /// Calls that the service was asked for.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.misses
    }

    /// Those of the misses that failed and were answered with an old answer.
    #[must_use]
    pub fn stale(&self) -> u64 {
        self.stale
    }

    /// Answers that are kept now, old ones included.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }
}
