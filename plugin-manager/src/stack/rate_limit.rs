//! The rate limit of a default stack: refusing or waiting, one for all calls or one for each key, on this machine or over many.

use std::{sync::Arc, time::Duration};

use plugin_core::{Call, ConfigError, KeyOf};
use plugin_ratelimit::{
    KeyedRateLimitConfig, KeyedRateLimitLayer, KeyedTokenBucket, RateLimitConfig, RateLimitLayer, RedisStore,
    SharedBucket, SharedRateLimitLayer, WaitingRateLimitLayer, WithoutKey,
};
use tower::util::Either;

use super::{CallKey, Plans};
use crate::manager::{LimitedKeys, RateLimitControl};

/// How often a plugin may be called.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_manager::stack::{RateLimitSettings, StackSettings};
/// use plugin_ratelimit::{KeyedRateLimitConfig, RateLimitConfig};
///
/// let limit = RateLimitConfig::builder().with_requests_per_second(5.0).build()?;
/// let waiting = RateLimitSettings::new(limit).waiting(Duration::from_millis(500));
/// let each = KeyedRateLimitConfig::builder().with_limit(limit).with_max_keys(10_000).build()?;
/// let for_each = RateLimitSettings::for_each("client".parse()?, each);
/// let settings = StackSettings::default().with_rate_limit_settings(for_each);
/// # drop((waiting, settings));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until a stack is built from them"]
pub struct RateLimitSettings {
    limit: RateLimitConfig,
    wait: Option<Duration>,
    key: Option<Keyed>,
    plans: Plans,
    store: Option<RedisStore>,
}

#[derive(Clone, Debug)]
struct Keyed {
    of: CallKey,
    limit: KeyedRateLimitConfig,
}

impl RateLimitSettings {
    /// One limit for all calls, which refuses what is more.
    pub fn new(limit: RateLimitConfig) -> Self {
        Self { limit, wait: None, key: None, plans: Plans::new(), store: None }
    }

    /// Lets calls wait for this long at most: where one limit holds for all of them, on this machine.
    pub fn waiting(mut self, max_wait: Duration) -> Self {
        self.wait = Some(max_wait);
        self
    }

    /// A limit for each key, which refuses what is more.
    pub fn for_each(of: CallKey, limit: impl Into<KeyedRateLimitConfig>) -> Self {
        let limit = limit.into();
        Self { key: Some(Keyed { of, limit }), ..Self::new(limit.limit()) }
    }

    /// Gives some keys limits of their own.
    pub fn with_plans(mut self, plans: Plans) -> Self {
        self.plans = plans;
        self
    }

    /// Keeps it in Redis, together with all gateways that use the same one, for plugins of the same name.
    pub fn shared(mut self, store: RedisStore) -> Self {
        self.store = Some(store);
        self
    }

    /// The layer, and its handle.
    pub(super) fn layer(self, plugin: &str) -> Result<(RateLimits, RateLimitControl), ConfigError> {
        if self.wait.is_some() && (self.key.is_some() || self.store.is_some()) {
            let problem = "has no effect beside `key` and `shared`: such a limit refuses";
            return Err(ConfigError::new("rate_limit.wait", problem));
        }
        if self.key.is_none() && !self.plans.is_empty() {
            let problem = "has no effect without a key: there is one limit for all calls";
            return Err(ConfigError::new("rate_limit.plans", problem));
        }
        let all: Arc<[_]> = self.plans.all().into();
        let limited = |key: &Keyed| LimitedKeys::new(key.of.to_string(), all);
        let plans = Some(self.plans).filter(|plans| !plans.is_empty());
        Ok(match (self.store, self.key, self.wait) {
            (Some(store), key, _) => {
                let bucket = match plans {
                    None => SharedBucket::new(&store, plugin, self.limit),
                    Some(plans) => SharedBucket::with_limits(&store, plugin, self.limit, move |key| plans.of(key)),
                };
                let keys = key.as_ref().map(limited);
                let without_key = key.as_ref().map_or(WithoutKey::Shared, |key| key.limit.without_key());
                let layer = SharedRateLimitLayer::sharing(&bucket, SharedKey(key.map(|key| key.of)));
                let layer = layer.with_without_key(without_key).for_calls();
                (Either::Right(Either::Right(Either::Right(layer))), RateLimitControl::Shared(bucket, keys))
            }
            (None, Some(key), _) => {
                let bucket = match plans {
                    None => KeyedTokenBucket::new(key.limit),
                    Some(plans) => KeyedTokenBucket::with_limits(key.limit, move |key: &Arc<str>| plans.of(key)),
                };
                let keys = limited(&key);
                let layer = KeyedRateLimitLayer::sharing(&bucket, key.of);
                let handle = layer.handle();
                (Either::Right(Either::Right(Either::Left(layer))), RateLimitControl::Keyed(handle, keys))
            }
            (None, None, Some(max_wait)) => {
                let layer = RateLimitLayer::new(self.limit).waiting(max_wait);
                let handle = layer.handle();
                (Either::Right(Either::Left(layer)), RateLimitControl::Plain(handle))
            }
            (None, None, None) => {
                let layer = RateLimitLayer::new(self.limit);
                let handle = layer.handle();
                (Either::Left(layer), RateLimitControl::Plain(handle))
            }
        })
    }
}

impl From<RateLimitConfig> for RateLimitSettings {
    fn from(limit: RateLimitConfig) -> Self {
        Self::new(limit)
    }
}

/// The layer of any of them. The usual one is first.
pub(super) type RateLimits = Either<RateLimitLayer, OtherLimits>;

type OtherLimits =
    Either<WaitingRateLimitLayer, Either<KeyedRateLimitLayer<Arc<str>, CallKey>, SharedRateLimitLayer<SharedKey>>>;

/// Lets everything pass.
pub(super) fn none() -> RateLimits {
    Either::Left(RateLimitLayer::disabled())
}

/// A key, or the same one for all calls.
#[derive(Clone, Debug)]
pub(super) struct SharedKey(Option<CallKey>);

impl<Req> KeyOf<Call<Req>> for SharedKey {
    type Key = Arc<str>;

    fn key(&self, call: &Call<Req>) -> Option<Arc<str>> {
        match &self.0 {
            Some(of) => of.key(call),
            None => Some(Arc::default()),
        }
    }
}
