//! The JSON of a plugin's limits.

use std::sync::Arc;

use plugin_core::{clock, go_duration};
use plugin_ratelimit::{
    RateLimitConfig, RedisStore, SharedBucket, SharedMode,
    concurrency::{ConcurrencyLimitHandle, KeyedConcurrencyLimitHandle},
    throttle::AdaptiveThrottleHandle,
};
use serde::Serialize;

use super::moment::short;
use crate::{
    manager::{PluginView, RateLimitControl},
    server::ClientLimit,
};

/// Keys that are listed at most, those that lack the most tokens first.
const TOP_KEYS: usize = 10;

#[derive(Serialize)]
pub(super) struct RateLimit {
    enabled: bool,
    allowed: u64,
    refused: u64,
    /// For all calls, or for those of each key.
    requests_per_second: f64,
    /// So many may come at once after a while without any.
    burst: u32,
    window: String,
    /// By what calls are told apart, where each key has a limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plans: Vec<Plan>,
    /// Where one limit holds for all calls on this machine.
    #[serde(flatten)]
    one: Option<OneLimit>,
    /// Where each key has its own.
    #[serde(flatten)]
    keyed: Option<KeyedLimit>,
    /// Where many machines share it.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<SharedLimit>,
}

/// The limit of some keys.
#[derive(Serialize)]
struct Plan {
    #[serde(rename = "for")]
    keys: Vec<String>,
    requests_per_second: f64,
    burst: u32,
}

impl Plan {
    /// Those that have the same limit together.
    fn all(plans: &[(Arc<str>, RateLimitConfig)]) -> Vec<Self> {
        let mut all: Vec<(RateLimitConfig, Vec<String>)> = Vec::new();
        for (key, limit) in plans {
            match all.iter_mut().find(|(other, _)| other == limit) {
                Some((_, keys)) => keys.push(key.to_string()),
                None => all.push((*limit, vec![key.to_string()])),
            }
        }
        let plan = |(limit, keys): (RateLimitConfig, _)| Self {
            keys,
            requests_per_second: limit.requests_per_second(),
            burst: limit.burst_size(),
        };
        all.into_iter().map(plan).collect()
    }
}

#[derive(Serialize)]
struct OneLimit {
    /// While nothing is limited this and `limit` are the greatest number that there is.
    remaining: u64,
    limit: u64,
    /// Until the bucket is full again.
    reset: String,
    /// Calls that wait for a token.
    waiting: usize,
}

#[derive(Serialize)]
struct KeyedLimit {
    keys: usize,
    max_keys: u32,
    /// Decisions for keys that found no place.
    overflowed: u64,
    /// Calls that had no key.
    without_key: u64,
    top_keys: Vec<KeyJson>,
}

#[derive(Serialize)]
struct KeyJson {
    key: String,
    /// Tokens that its bucket lacks.
    owed: u64,
}

/// A Redis in which limits are kept.
#[derive(Serialize, PartialEq)]
pub(super) struct SharedStore {
    /// Where, without a password, and what its keys begin with.
    redis: String,
    prefix: String,
    /// `shared`: Redis; `local`: this gateway, by its share; `connecting`.
    mode: String,
    #[serde(rename = "for")]
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Gateways that a share is counted for.
    replicas: u32,
}

#[derive(Serialize)]
struct SharedLimit {
    #[serde(flatten)]
    store: SharedStore,
    /// Decisions that this gateway made by its share.
    local: u64,
    /// Keys that something is remembered of on this gateway.
    keys: usize,
    without_key: u64,
}

impl RateLimit {
    pub(super) fn of(control: &RateLimitControl) -> Self {
        let (limit, (allowed, refused)) = (control.limit(), control.decisions());
        let mut this = Self {
            enabled: control.is_enabled(),
            allowed,
            refused,
            requests_per_second: limit.requests_per_second(),
            burst: limit.burst_size(),
            window: go_duration::format(limit.time_window()),
            key: control.keys().map(|keys| keys.by.to_string()),
            plans: control.keys().map(|keys| Plan::all(&keys.plans)).unwrap_or_default(),
            one: None,
            keyed: None,
            shared: None,
        };
        match control {
            RateLimitControl::Plain(handle) => {
                let stats = handle.stats();
                this.window = go_duration::format(stats.window);
                this.one = Some(OneLimit {
                    remaining: stats.remaining.unwrap_or(u64::MAX),
                    limit: stats.limit.unwrap_or(u64::MAX),
                    reset: short(stats.reset),
                    waiting: stats.waiting,
                });
            }
            RateLimitControl::Keyed(handle, _) => {
                let stats = handle.stats();
                let top = handle.top_keys(TOP_KEYS).into_iter();
                this.keyed = Some(KeyedLimit {
                    keys: stats.keys,
                    max_keys: stats.max_keys,
                    overflowed: stats.overflowed,
                    without_key: stats.without_key,
                    top_keys: top.map(|usage| KeyJson { key: usage.key.to_string(), owed: usage.owed }).collect(),
                });
            }
            RateLimitControl::Shared(bucket, _) => this.shared = Some(SharedLimit::of(bucket)),
        }
        this
    }
}

impl SharedStore {
    fn of(store: &RedisStore) -> Self {
        let status = store.status();
        Self {
            redis: store.config().address(),
            prefix: store.config().prefix().to_owned(),
            mode: status.mode.to_string(),
            since: short(clock::now().saturating_since(status.since)),
            reason: status.reason.filter(|_| status.mode != SharedMode::Shared).map(|reason| reason.to_string()),
            replicas: status.replicas,
        }
    }

    /// Those of all limits, each once.
    pub(super) fn all(plugins: &[PluginView], clients: Option<&ClientLimit>) -> Vec<Self> {
        let of_plugin = |plugin: &PluginView| match &plugin.controls.rate_limit {
            Some(RateLimitControl::Shared(bucket, _)) => Some(bucket.store()),
            _ => None,
        };
        let mut stores: Vec<RedisStore> = Vec::new();
        for store in clients.and_then(ClientLimit::store).into_iter().chain(plugins.iter().filter_map(of_plugin)) {
            if !stores.iter().any(|known| known.config().is_same_place(store.config())) {
                stores.push(store);
            }
        }
        stores.iter().map(Self::of).collect()
    }
}

impl SharedLimit {
    fn of(bucket: &SharedBucket) -> Self {
        let stats = bucket.stats();
        let store = SharedStore::of(&bucket.store());
        Self { store, local: stats.local, keys: stats.keys, without_key: stats.without_key }
    }
}

/// The limit of clients.
#[derive(Serialize)]
pub(super) struct ClientRateLimit {
    allowed: u64,
    refused: u64,
    /// Of each client.
    requests_per_second: f64,
    burst: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plans: Vec<Plan>,
    /// Clients that have a bucket of their own, and the most that may.
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_keys: Option<u32>,
    top_clients: Vec<KeyJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<SharedLimit>,
}

impl ClientRateLimit {
    pub(super) fn of(limit: &ClientLimit) -> Self {
        let figures = limit.figures(TOP_KEYS);
        Self {
            allowed: figures.allowed,
            refused: figures.refused,
            requests_per_second: figures.limit.requests_per_second(),
            burst: figures.limit.burst_size(),
            plans: Plan::all(&figures.plans),
            clients: figures.clients.map(|(clients, _)| clients),
            max_keys: figures.clients.map(|(_, most)| most),
            top_clients: figures.top.into_iter().map(|(key, owed)| KeyJson { key, owed }).collect(),
            shared: figures.shared.as_ref().map(SharedLimit::of),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Concurrency {
    /// `null` while nothing is limited.
    limit: Option<u32>,
    in_flight: u32,
    waiting: u32,
    admitted: u64,
    refused: u64,
}

impl Concurrency {
    pub(super) fn of(handle: &ConcurrencyLimitHandle) -> Self {
        let stats = handle.stats();
        Self {
            limit: stats.limit,
            in_flight: stats.in_flight,
            waiting: stats.waiting,
            admitted: stats.admitted,
            refused: stats.refused,
        }
    }
}

/// Of each client, address or header.
#[derive(Serialize)]
pub(super) struct KeyedConcurrency {
    /// By what calls are told apart.
    key: String,
    /// Of each key; `null` while nothing is limited.
    limit: Option<u32>,
    in_flight: u64,
    admitted: u64,
    refused: u64,
    /// Keys with a call in flight that are counted by themselves, and how many may be.
    keys: usize,
    max_keys: u32,
    /// Calls whose key found no place of its own.
    overflowed: u64,
    top_keys: Vec<KeyInFlightJson>,
}

#[derive(Serialize)]
struct KeyInFlightJson {
    key: String,
    in_flight: u32,
}

impl KeyedConcurrency {
    pub(super) fn of((by, handle): &(Arc<str>, KeyedConcurrencyLimitHandle<Arc<str>>)) -> Self {
        let (stats, top) = (handle.stats(), handle.top_keys(TOP_KEYS).into_iter());
        Self {
            key: by.to_string(),
            limit: stats.limit,
            in_flight: stats.in_flight,
            admitted: stats.admitted,
            refused: stats.refused,
            keys: stats.keys,
            max_keys: stats.max_keys,
            overflowed: stats.overflowed,
            top_keys: top.map(|of| KeyInFlightJson { key: of.key.to_string(), in_flight: of.in_flight }).collect(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Throttle {
    enabled: bool,
    /// Of the window: how many have ended, and how many of them the plugin did not turn away.
    requests: u64,
    accepts: u64,
    /// The share of calls that is refused here, in percent.
    refused_percent: f64,
    refused: u64,
}

impl Throttle {
    pub(super) fn of(handle: &AdaptiveThrottleHandle) -> Self {
        let stats = handle.stats();
        Self {
            enabled: handle.is_enabled(),
            requests: stats.requests,
            accepts: stats.accepts,
            refused_percent: (stats.refused_share * 10_000.0).round() / 100.0,
            refused: stats.refused,
        }
    }
}
