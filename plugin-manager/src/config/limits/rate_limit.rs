//! `rate_limit` and `server.client_rate_limit`.

use std::time::Duration;

use plugin_core::{
    Code,
    settings::{Key, Kind, Settings, Table},
};
use plugin_ratelimit::{KeyedRateLimitConfig, RateLimitConfig, RedisConfig, RedisStore};
use plugin_settings::Keys;

use super::{
    super::concerns::ENABLED,
    on,
    plans::{PLANS_KEY, plans},
    shared::{SHARED_KEY, shared},
};
use crate::stack::{CallKey, Plans, RateLimitSettings};

/// The longest that a call may wait for a token.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

pub(in crate::config) static RATE_LIMIT: Table = Table::new(
    "rate_limit",
    "A token bucket: full at the start, refilled steadily.",
    &[
        ENABLED.go(),
        Key::new(
            "key",
            Kind::Text,
            "A limit for each: `client`, the name in `server.auth`; `ip`, the address that `server.client_ip` says; or \
             `header:X-Plugin-...`. One that is missing, there twice or longer than 256 bytes is no key. Without it `max_keys`, \
             `without_key` and `plans` have no effect.",
        )
        .derived_default("one limit for all calls"),
        PLANS_KEY,
        Key::new(
            "wait",
            Kind::time_up_to(LONGEST_WAIT),
            "The longest that a call waits for its token; one that would wait longer, or past its deadline, is refused at once. Not \
             with `key` or `shared`.",
        )
        .derived_default("none waits"),
        SHARED_KEY,
    ],
)
.over(KeyedRateLimitConfig::TABLE)
.switched();

pub(in crate::config) static CLIENT_RATE_LIMIT: Table = Table::new(
    "server.client_rate_limit",
    "A token bucket for each client: by its name in `server.auth`, or else by its address as `server.client_ip` says.",
    &[ENABLED, PLANS_KEY, SHARED_KEY],
)
.over(KeyedRateLimitConfig::TABLE)
.without(&["without_key"])
.switched();

/// A rate limit that is kept for each key, as a configuration says it.
#[derive(Clone, Debug)]
pub struct LimitPerKey {
    limit: KeyedRateLimitConfig,
    plans: Plans,
    places: Vec<(String, String)>,
    shared: Option<RedisConfig>,
}

impl LimitPerKey {
    /// The limit of each key, and how many of them have a bucket of their own on this machine.
    #[must_use]
    pub fn limit(&self) -> KeyedRateLimitConfig {
        self.limit
    }

    /// The limits of single keys.
    #[must_use]
    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// The keys that have a limit of their own, each with where it says so.
    pub(in crate::config) fn planned(&self) -> &[(String, String)] {
        &self.places
    }

    /// The Redis in which it is kept, where many gateways share it.
    #[must_use]
    pub fn shared(&self) -> Option<&RedisConfig> {
        self.shared.as_ref()
    }

    fn read(keys: &mut Keys<'_>) -> Option<Self> {
        let (limit, shared) = (keys.make(), shared(keys));
        let (plans, places) = plans(keys);
        Some(Self { limit: limit?, plans, places, shared })
    }
}

/// How often a plugin may be called, as a configuration says it.
#[derive(Clone, Debug)]
pub struct PluginRateLimit {
    /// Without a key it is that of all calls.
    each: LimitPerKey,
    key: Option<CallKey>,
    wait: Option<Duration>,
}

impl PluginRateLimit {
    /// The limit: of all calls, or of those of each key.
    #[must_use]
    pub fn limit(&self) -> RateLimitConfig {
        self.each.limit.limit()
    }

    /// By what calls are told apart, where each key has a limit of its own.
    #[must_use]
    pub fn key(&self) -> Option<&CallKey> {
        self.key.as_ref()
    }

    /// What there is to a limit of each key, and where it is kept.
    #[must_use]
    pub fn each(&self) -> &LimitPerKey {
        &self.each
    }

    /// What a stack is built from. `store` makes the connection to a Redis, or gives the one that is there.
    pub fn settings(&self, store: impl FnOnce(&RedisConfig) -> RedisStore) -> RateLimitSettings {
        let mut settings = match &self.key {
            Some(of) => RateLimitSettings::for_each(of.clone(), self.each.limit).with_plans(self.each.plans.clone()),
            None => RateLimitSettings::new(self.limit()),
        };
        if let Some(wait) = self.wait {
            settings = settings.waiting(wait);
        }
        match self.each.shared() {
            Some(redis) => settings.shared(store(redis)),
            None => settings,
        }
    }
}

/// By what calls are told apart.
pub(super) fn call_key(keys: &mut Keys<'_>) -> Option<CallKey> {
    keys.text_with("key", Code::ConfigValue, |text| text.parse::<CallKey>())
}

/// The limit of a plugin, when it is on.
pub(in crate::config) fn rate_limit(keys: &mut Keys<'_>, name: &'static str) -> Option<PluginRateLimit> {
    on(keys, name, |keys| {
        let key = call_key(keys);
        if !keys.has("key") {
            for name in
                ["max_keys", "without_key", "plans"].into_iter().filter(|name| keys.has_other_than_default(name))
            {
                let problem = format!("`{name}` has no effect without `key`, which says what has a limit of its own");
                keys.fault(name, Code::ConfigSchema, problem);
            }
        }
        let wait = keys.time("wait");
        for other in ["key", "shared"].into_iter().filter(|other| keys.has("wait") && keys.has(other)) {
            let problem = format!("`wait` has no effect beside `{other}`: such a limit refuses; take one of them out");
            keys.fault("wait", Code::ConfigSchema, problem);
        }
        Some(PluginRateLimit { each: LimitPerKey::read(keys)?, key, wait })
    })
}

/// The limit of clients, when it is on.
pub(in crate::config) fn client_rate_limit(keys: &mut Keys<'_>, name: &'static str) -> Option<LimitPerKey> {
    on(keys, name, LimitPerKey::read)
}
