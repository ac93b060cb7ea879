//! The keys that configuration files have for limits in Redis.

use std::time::Duration;

use plugin_core::{
    ConfigError,
    settings::{Key, Kind, Settings, Table, Values},
};

use super::config::RedisConfig;

/// The longest of times for which a call may be held.
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

static TABLE: Table = Table::new(
    "rate_limit.shared.redis",
    "One limit for all instances, kept in Redis or Valkey.",
    &[
        Key::new(
            "url",
            Kind::Secret,
            "Where it is, with user and password if it needs them: one server, a cluster or sentinels.",
        )
        .required(),
        Key::new("prefix", Kind::Text, "What its keys begin with. Instances with the same prefix share their limits.")
            .default("ratelimit"),
        Key::new(
            "timeout",
            Kind::time_up_to(MINUTE),
            "The longest that one decision waits, and never longer than half of what its call has left; then the instance decides by its share.",
        )
        .default("50ms"),
        Key::new(
            "connect_timeout",
            Kind::time_up_to(MINUTE),
            "The longest that making a connection takes; at least `timeout`.",
        )
        .default("1s"),
        Key::new(
            "heartbeat",
            Kind::time_up_to(HOUR),
            "The time between two heartbeats; an instance is counted for three of them.",
        )
        .default("2s"),
        Key::new(
            "recover_after",
            Kind::time_up_to(HOUR),
            "How long Redis must answer, after a fault, before it decides again.",
        )
        .default("1s"),
        Key::new(
            "expected_replicas",
            Kind::integer(1, 100_000),
            "Instances that are there at least: the share of one while Redis is away.",
        )
        .default("1"),
        Key::new(
            "batch",
            Kind::integer(1, 1_000_000),
            "Tokens of one key that are taken in one go at most; 1 is exact.",
        )
        .default("1"),
        Key::new("max_keys", Kind::integer(1, 100_000_000), "Keys that something is remembered of on this instance.")
            .default("10000"),
    ],
);

impl Settings for RedisConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::builder(values.text("url").unwrap_or_default()).build()?;
        let prefix = values.text("prefix").unwrap_or(&default.prefix);
        default
            .to_builder()
            .with_prefix(prefix)
            .with_timeout(values.time("timeout").unwrap_or(default.timeout))
            .with_connect_timeout(values.time("connect_timeout").unwrap_or(default.connect_timeout))
            .with_heartbeat(values.time("heartbeat").unwrap_or(default.heartbeat))
            .with_recover_after(values.time("recover_after").unwrap_or(default.recover_after))
            .with_expected_replicas(values.integer("expected_replicas").unwrap_or(default.expected_replicas))
            .with_batch(values.integer("batch").unwrap_or(default.batch))
            .with_max_keys(values.integer("max_keys").unwrap_or(default.max_keys))
            .build()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE)
            .with("prefix", self.prefix.clone())
            .with("timeout", self.timeout)
            .with("connect_timeout", self.connect_timeout)
            .with("heartbeat", self.heartbeat)
            .with("recover_after", self.recover_after)
            .with("expected_replicas", self.expected_replicas)
            .with("batch", self.batch)
            .with("max_keys", self.max_keys)
    }
}

plugin_core::serde_by_settings!(RedisConfig, read only);
