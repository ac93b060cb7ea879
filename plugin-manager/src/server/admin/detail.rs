//! The JSON of one plugin: that of the list, and what its layers and instances say.

use std::collections::BTreeMap;

use plugin_breaker::CircuitBreakerHandle;
use plugin_core::{HealthState, go_duration};
use plugin_lb::InstanceStats;
use plugin_ratelimit::RateLimitHandle;
use plugin_retry::{GaveUp, RetryHandle};
use serde::Serialize;

use super::views::{Failure, Plugin, short};
use crate::manager::{Controls, Instances, PluginView};

#[derive(Serialize)]
pub(super) struct Detail {
    #[serde(flatten)]
    plugin: Plugin,
    /// Labels and annotations of the configuration, and what the plugin says besides.
    metadata: BTreeMap<String, String>,
    limits: Limits,
    /// Besides its state, which the list has too.
    #[serde(skip_serializing_if = "Option::is_none")]
    circuit: Option<Circuit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<RateLimit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<Retry>,
    instances: Vec<InstanceJson>,
}

impl Detail {
    pub(super) fn of(view: &PluginView) -> Self {
        let controls = &view.controls;
        Self {
            plugin: Plugin::of(view),
            metadata: view.info.metadata.clone(),
            limits: Limits::of(controls),
            circuit: controls.breaker.as_ref().map(Circuit::of),
            rate_limit: controls.rate_limit.as_ref().map(RateLimit::of),
            retry: controls.retry.as_ref().map(Retry::of),
            instances: controls
                .instances
                .as_ref()
                .map(Instances::stats)
                .unwrap_or_default()
                .iter()
                .map(InstanceJson::of)
                .collect(),
        }
    }
}

/// How long a call may take; without a limit there is none.
#[derive(Serialize)]
struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt_timeout: Option<String>,
}

impl Limits {
    fn of(controls: &Controls) -> Self {
        let attempt = controls.attempt_timeout.as_ref().and_then(|attempt| attempt.config());
        Self {
            timeout: controls.deadline.as_ref().and_then(|deadline| deadline.config()).map(short),
            attempt_timeout: attempt.map(short),
        }
    }
}

#[derive(Serialize)]
struct Circuit {
    failures_in_a_row: u32,
    /// Calls that it refused.
    refused: u64,
    /// How often it has opened, and for how long the last time.
    opened: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_open_time: Option<String>,
}

impl Circuit {
    fn of(handle: &CircuitBreakerHandle) -> Self {
        let stats = handle.stats();
        Self {
            failures_in_a_row: stats.failures_in_a_row,
            refused: stats.rejected,
            opened: stats.opened,
            last_open_time: stats.last_open_time.map(short),
        }
    }
}

#[derive(Serialize)]
struct InstanceJson {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    weight: u32,
    priority: i32,
    enabled: bool,
    health: &'static str,
    active: u64,
    total: u64,
    ok: u64,
    failed: u64,
    average_latency: String,
    /// `null` where it is down and was never called: nothing good has been seen of it.
    health_score: Option<u8>,
    success_rate_percent: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<Failure>,
}

impl InstanceJson {
    fn of(stats: &InstanceStats) -> Self {
        let is_down = matches!(stats.health, HealthState::Unhealthy | HealthState::Offline);
        Self {
            name: stats.name.to_string(),
            zone: stats.zone.as_deref().map(str::to_owned),
            weight: stats.weight,
            priority: stats.priority,
            enabled: stats.enabled,
            health: stats.health.as_str(),
            active: stats.active,
            total: stats.total,
            ok: stats.ok,
            failed: stats.failed,
            average_latency: short(stats.average_latency),
            health_score: Some(stats.health_score).filter(|_| stats.total > 0 || !is_down),
            last_failure: stats.last_failure.as_ref().map(|failure| Failure::of(&stats.name, failure)),
            success_rate_percent: (stats.success_rate() * 100.0).round() / 100.0,
        }
    }
}

#[derive(Serialize)]
struct RateLimit {
    enabled: bool,
    allowed: u64,
    refused: u64,
    /// While nothing is limited this and `limit` are the greatest number that there is.
    remaining: u64,
    limit: u64,
    /// So many may come at once after a while without any.
    burst: u32,
    window: String,
    /// Until the bucket is full again.
    reset: String,
}

impl RateLimit {
    fn of(handle: &RateLimitHandle) -> Self {
        let stats = handle.stats();
        Self {
            enabled: handle.is_enabled(),
            allowed: stats.allowed,
            refused: stats.refused,
            remaining: stats.remaining.unwrap_or(u64::MAX),
            limit: stats.limit.unwrap_or(u64::MAX),
            burst: handle.config().burst_size(),
            window: go_duration::format(stats.window),
            reset: short(stats.reset),
        }
    }
}

#[derive(Serialize)]
struct Retry {
    enabled: bool,
    retries: u64,
    recovered: u64,
    /// Failures that went to the caller, by the reason for which there was no other attempt.
    gave_up: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_balance: Option<u64>,
}

impl Retry {
    fn of(handle: &RetryHandle) -> Self {
        let stats = handle.stats();
        let reasons = [
            (GaveUp::Final, "final"),
            (GaveUp::NotKept, "not_kept"),
            (GaveUp::Attempts, "attempts"),
            (GaveUp::NotIdempotent, "not_idempotent"),
            (GaveUp::PushedBack, "pushed_back"),
            (GaveUp::Deadline, "deadline"),
            (GaveUp::Budget, "budget"),
        ];
        Self {
            enabled: handle.is_enabled(),
            retries: stats.retries,
            recovered: stats.recovered,
            gave_up: reasons.into_iter().map(|(reason, name)| (name, stats.gave_up(reason))).collect(),
            budget_balance: handle.budget_balance(),
        }
    }
}
