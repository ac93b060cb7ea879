//! `rate_limit`, `concurrency`, `adaptive_throttle` and `server.client_rate_limit`: how much is let through.

use std::time::Duration;

use plugin_core::Code;
use plugin_core::settings::{Key, Kind, Settings, Table};
use plugin_ratelimit::concurrency::ConcurrencyLimitConfig;
use plugin_ratelimit::throttle::AdaptiveThrottleConfig;
use plugin_ratelimit::{KeyedRateLimitConfig, RateLimitConfig, RedisConfig, RedisStore, WithoutKey};
use plugin_settings::Keys;

use super::concerns::ENABLED;
use crate::stack::{CallKey, RateLimitSettings};

/// The longest that a call may wait for a token.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

static SHARED: Table = Table::new(
    "rate_limit.shared",
    "Where a limit is kept that many gateways share.",
    &[Key::new("redis", Kind::Optional(RedisConfig::TABLE), "In Redis or Valkey.")],
);

const SHARED_KEY: Key = Key::new(
    "shared",
    Kind::Optional(&SHARED),
    "One limit for all gateways that use the same Redis; while it is away each lets its share through.",
);

const MAX_KEYS: Kind = Kind::integer(1, KeyedRateLimitConfig::MOST_KEYS as i128);

pub(super) static RATE_LIMIT: Table = Table::new(
    "rate_limit",
    "A token bucket: full at the start, refilled steadily.",
    &[
        ENABLED.go(),
        Key::new(
            "key",
            Kind::Text,
            "A limit for each: `client`, the name in `server.auth`; `ip`, the address that `server.client_ip` says; or `header:X-Plugin-...`.",
        )
        .derived_default("one limit for all calls"),
        Key::new("max_keys", MAX_KEYS, "Keys that have a bucket of their own at most; with `key`, and not with `shared`.").derived_default("100000"),
        Key::new(
            "without_key",
            Kind::Word(&["shared", "refuse", "pass"]),
            "What becomes of a call that has no key, such as one whose header is missing, there twice or longer than 256 bytes: all such calls share one bucket, it is refused, it passes; with `key`.",
        )
        .derived_default("shared"),
        Key::new(
            "wait",
            Kind::time_up_to(LONGEST_WAIT),
            "The longest that a call waits for its token; one that would wait longer, or past its deadline, is refused at once. Not with `key` or `shared`.",
        )
        .derived_default("none waits"),
        SHARED_KEY,
    ],
)
.over(RateLimitConfig::TABLE)
.switched();

pub(super) static CONCURRENCY: Table = Table::new("concurrency", "How many calls are in flight at once.", &[ENABLED])
    .over(ConcurrencyLimitConfig::TABLE)
    .switched();

pub(super) static ADAPTIVE_THROTTLE: Table =
    Table::new("adaptive_throttle", "Refuses a share of the calls here, while the plugin turns many away.", &[ENABLED])
        .over(AdaptiveThrottleConfig::TABLE)
        .switched();

pub(super) static CLIENT_RATE_LIMIT: Table = Table::new(
    "server.client_rate_limit",
    "A token bucket for each client: by its name in `server.auth`, or else by its address as `server.client_ip` says.",
    &[
        ENABLED,
        Key::new("max_keys", MAX_KEYS, "Clients that have a bucket of their own at most; not with `shared`.")
            .derived_default("100000"),
        SHARED_KEY,
    ],
)
.over(RateLimitConfig::TABLE)
.switched();

/// How often a plugin may be called, as a configuration says it.
#[derive(Clone, Debug)]
pub struct PluginRateLimit {
    limit: RateLimitConfig,
    key: Option<(CallKey, u32, WithoutKey)>,
    wait: Option<Duration>,
    shared: Option<RedisConfig>,
}

impl PluginRateLimit {
    /// The limit: of all calls, or of those of each key.
    #[must_use]
    pub fn limit(&self) -> RateLimitConfig {
        self.limit
    }

    /// Whether its key is who has sent a call.
    #[must_use]
    pub fn asks_who_calls(&self) -> bool {
        matches!(self.key, Some((CallKey::Client | CallKey::Ip, ..)))
    }

    /// Whether its key is the name under which a caller is known.
    pub(super) fn asks_for_names(&self) -> bool {
        matches!(self.key, Some((CallKey::Client, ..)))
    }

    /// The Redis in which it is kept, where many gateways share it.
    #[must_use]
    pub fn shared(&self) -> Option<&RedisConfig> {
        self.shared.as_ref()
    }

    /// What a stack is built from. `store` makes the connection to a Redis, or gives the one that is there.
    pub fn settings(&self, store: impl FnOnce(&RedisConfig) -> RedisStore) -> RateLimitSettings {
        let mut settings = RateLimitSettings::new(self.limit);
        if let Some((of, max_keys, without_key)) = &self.key {
            settings = settings.for_each(of.clone(), *max_keys, *without_key);
        }
        if let Some(wait) = self.wait {
            settings = settings.waiting(wait);
        }
        match &self.shared {
            Some(redis) => settings.shared(store(redis)),
            None => settings,
        }
    }
}

/// How often a client may call, as a configuration says it.
#[derive(Clone, Debug)]
pub struct ClientRateLimit {
    limit: RateLimitConfig,
    max_keys: u32,
    shared: Option<RedisConfig>,
}

impl ClientRateLimit {
    /// The limit of each client.
    #[must_use]
    pub fn limit(&self) -> RateLimitConfig {
        self.limit
    }

    /// Clients that have a bucket of their own at most, on this machine.
    #[must_use]
    pub fn max_keys(&self) -> u32 {
        self.max_keys
    }

    /// The Redis in which it is kept, where many gateways share it.
    #[must_use]
    pub fn shared(&self) -> Option<&RedisConfig> {
        self.shared.as_ref()
    }
}

/// The limit of a plugin, when it is on.
pub(super) fn rate_limit(keys: &mut Keys<'_>, name: &'static str) -> Option<PluginRateLimit> {
    on(keys, name, |keys| {
        let limit = keys.make();
        let key = keys.text_with("key", Code::ConfigValue, |text| text.parse::<CallKey>());
        let max_keys = keys.integer("max_keys");
        let without_key = keys.word("without_key", |word| match word {
            "shared" => Some(WithoutKey::Shared),
            "refuse" => Some(WithoutKey::Refuse),
            "pass" => Some(WithoutKey::Pass),
            _ => None,
        });
        if !keys.has("key") {
            for name in ["max_keys", "without_key"].into_iter().filter(|name| keys.has(name)) {
                let problem = format!("`{name}` has no effect without `key`, which says what has a limit of its own");
                keys.fault(name, Code::ConfigSchema, problem);
            }
        }
        let wait = keys.time("wait");
        for other in ["key", "shared"].into_iter().filter(|other| keys.has("wait") && keys.has(other)) {
            let problem = format!("`wait` has no effect beside `{other}`: such a limit refuses; take one of them out");
            keys.fault("wait", Code::ConfigSchema, problem);
        }
        let shared = shared(keys);
        no_max_keys(keys, shared.as_ref());
        let default = KeyedRateLimitConfig::default();
        let key =
            key.map(|of| (of, max_keys.unwrap_or(default.max_keys()), without_key.unwrap_or(default.without_key())));
        Some(PluginRateLimit { limit: limit?, key, wait, shared })
    })
}

/// The limit of clients, when it is on.
pub(super) fn client_rate_limit(keys: &mut Keys<'_>, name: &'static str) -> Option<ClientRateLimit> {
    on(keys, name, |keys| {
        let (limit, max_keys, shared) = (keys.make(), keys.integer("max_keys"), shared(keys));
        no_max_keys(keys, shared.as_ref());
        let max_keys = max_keys.unwrap_or(KeyedRateLimitConfig::default().max_keys());
        Some(ClientRateLimit { limit: limit?, max_keys, shared })
    })
}

pub(super) fn concurrency(keys: &mut Keys<'_>, name: &'static str) -> Option<ConcurrencyLimitConfig> {
    on(keys, name, Keys::make)
}

pub(super) fn adaptive_throttle(keys: &mut Keys<'_>, name: &'static str) -> Option<AdaptiveThrottleConfig> {
    on(keys, name, Keys::make)
}

/// A section that is there and not switched off.
fn on<'r, T>(keys: &mut Keys<'r>, name: &'static str, read: impl FnOnce(&mut Keys<'r>) -> Option<T>) -> Option<T> {
    keys.section(name, |keys| if keys.is_off() { None } else { read(keys) }).flatten()
}

fn no_max_keys(keys: &Keys<'_>, shared: Option<&RedisConfig>) {
    if shared.is_some() && keys.has("max_keys") {
        let problem =
            "`max_keys` has no effect beside `shared`, where `redis.max_keys` bounds what this gateway remembers";
        keys.fault("max_keys", Code::ConfigSchema, problem);
    }
}

fn shared(keys: &mut Keys<'_>) -> Option<RedisConfig> {
    keys.section("shared", |keys| {
        if !keys.has("redis") {
            keys.fault(
                "redis",
                Code::ConfigSchema,
                "says where the limit is kept, and is missing: `redis: {url: ...}`",
            );
        }
        keys.section("redis", Keys::make).flatten()
    })
    .flatten()
}
