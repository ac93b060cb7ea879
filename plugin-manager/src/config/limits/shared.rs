//! `shared`: a limit that is kept in Redis.

use plugin_core::{
    Code,
    settings::{Key, Kind, Settings, Table},
};
use plugin_ratelimit::RedisConfig;
use plugin_settings::Keys;

static SHARED: Table = Table::new(
    "rate_limit.shared",
    "Where a limit is kept that many gateways share.",
    &[Key::new("redis", Kind::Optional(RedisConfig::TABLE), "In Redis or Valkey.")],
);

pub(super) const SHARED_KEY: Key = Key::new(
    "shared",
    Kind::Optional(&SHARED),
    "One limit for all gateways that use the same Redis; while it is away each lets its share through. Not with `max_keys`: \
     `redis.max_keys` is in its place.",
);

/// Where the limit of this section is kept, when it is shared.
pub(super) fn shared(keys: &mut Keys<'_>) -> Option<RedisConfig> {
    let redis = keys.section("shared", |keys| {
        if !keys.has("redis") {
            let problem = "says where the limit is kept, and is missing: `redis: {url: ...}`";
            keys.fault("redis", Code::ConfigSchema, problem);
        }
        keys.section("redis", Keys::make).flatten()
    });
    if keys.has("shared") && keys.has_other_than_default("max_keys") {
        let problem =
            "`max_keys` has no effect beside `shared`, where `redis.max_keys` bounds what this gateway remembers";
        keys.fault("max_keys", Code::ConfigSchema, problem);
    }
    redis.flatten()
}
