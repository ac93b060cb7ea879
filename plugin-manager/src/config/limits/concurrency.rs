//! `concurrency` and `concurrency_per_key`.

use plugin_core::{
    Code,
    settings::{Key, Kind, Settings, Table},
};
use plugin_ratelimit::concurrency::{ConcurrencyLimitConfig, KeyedConcurrencyLimitConfig};
use plugin_settings::Keys;

use super::{super::concerns::ENABLED, on, rate_limit::call_key};
use crate::stack::CallKey;

pub(in crate::config) static CONCURRENCY: Table =
    Table::new("concurrency", "How many calls are in flight at once.", &[ENABLED])
        .over(ConcurrencyLimitConfig::TABLE)
        .switched();

pub(in crate::config) static CONCURRENCY_PER_KEY: Table = Table::new(
    "concurrency_per_key",
    "How many calls of each client, address or header are in flight at once; more are refused at once.",
    &[
        ENABLED,
        Key::new(
            "key",
            Kind::Text,
            "What is counted by itself: `client`, the name in `server.auth`; `ip`, the address that `server.client_ip` says; or \
             `header:X-Plugin-...`.",
        )
        .required(),
    ],
)
.over(KeyedConcurrencyLimitConfig::TABLE)
.switched();

/// How many calls of each key may be in flight, as a configuration says it.
#[derive(Clone, Debug)]
pub struct PluginKeyedConcurrency {
    key: CallKey,
    limit: KeyedConcurrencyLimitConfig,
}

impl PluginKeyedConcurrency {
    /// By what calls are told apart.
    #[must_use]
    pub fn key(&self) -> &CallKey {
        &self.key
    }

    /// The limit of each.
    #[must_use]
    pub fn limit(&self) -> KeyedConcurrencyLimitConfig {
        self.limit
    }
}

pub(in crate::config) fn concurrency(keys: &mut Keys<'_>, name: &'static str) -> Option<ConcurrencyLimitConfig> {
    on(keys, name, |keys| {
        let limit = keys.make();
        let (queue, is_codel) = (keys.integer::<u32>("queue"), keys.word("order", |word| Some(word == "codel")));
        let (unused, why): (&[&str], _) = match (queue, is_codel) {
            (Some(0), _) => (&["max_wait", "order", "target", "interval"], "with `queue: 0`: none waits"),
            (_, Some(false)) => (&["target", "interval"], "without `order: codel`"),
            _ => (&[], ""),
        };
        for name in unused.iter().filter(|name| keys.has_other_than_default(name)) {
            keys.fault(name, Code::ConfigSchema, format!("`{name}` has no effect {why}"));
        }
        limit
    })
}

pub(in crate::config) fn concurrency_per_key(
    keys: &mut Keys<'_>,
    name: &'static str,
) -> Option<PluginKeyedConcurrency> {
    on(keys, name, |keys| {
        let (key, limit) = (call_key(keys), keys.make());
        Some(PluginKeyedConcurrency { key: key?, limit: limit? })
    })
}
