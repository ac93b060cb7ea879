//! The JSON of one plugin: that of the list, and what its layers and instances say.

use std::collections::BTreeMap;

use plugin_breaker::CircuitBreakerHandle;
use plugin_core::HealthState;
use plugin_lb::{InstanceStats, TierStats};
use plugin_retry::{GaveUp, RetryHandle};
use serde::Serialize;

use super::{
    limits::{Concurrency, KeyedConcurrency, RateLimit, Throttle},
    moment::short,
    views::{Failure, Plugin},
};
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
    concurrency_per_key: Option<KeyedConcurrency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<Concurrency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adaptive_throttle: Option<Throttle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<Retry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tiers: Vec<TierJson>,
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
            concurrency_per_key: controls.concurrency_per_key.as_ref().map(KeyedConcurrency::of),
            concurrency: controls.concurrency.as_ref().map(Concurrency::of),
            adaptive_throttle: controls.adaptive_throttle.as_ref().map(Throttle::of),
            retry: controls.retry.as_ref().map(Retry::of),
            tiers: controls.instances.as_ref().map(TierJson::all).unwrap_or_default(),
            instances: controls
                .instances
                .as_ref()
                .map(Instances::stats)
                .unwrap_or_default()
                .iter()
                .map(|instance| InstanceJson::of(instance, controls))
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

/// A part of the instances: where there are several, or health is ignored.
#[derive(Serialize)]
struct TierJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i32>,
    near: bool,
    spare: bool,
    instances: usize,
    up: usize,
    share_percent: f64,
    in_panic: bool,
}

impl TierJson {
    fn all(instances: &Instances) -> Vec<Self> {
        let tiers = instances.tiers();
        if let [only] = &tiers[..]
            && !only.in_panic
        {
            return Vec::new();
        }
        let of = |tier: TierStats| Self {
            priority: tier.priority,
            near: tier.is_near,
            spare: tier.is_spare,
            instances: tier.instances,
            up: tier.up,
            share_percent: (tier.share * 10_000.0).round() / 100.0,
            in_panic: tier.in_panic,
        };
        tiers.into_iter().map(of).collect()
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
    /// While it gets no calls as an outlier: for how long it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    ejected_for: Option<String>,
    /// How often it was ejected as one.
    ejections: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<Concurrency>,
}

impl InstanceJson {
    fn of(stats: &InstanceStats, controls: &Controls) -> Self {
        let concurrency = controls.instance_concurrency.iter().find(|(name, _)| *name == stats.name);
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
            ejected_for: stats.ejected_for.map(short),
            ejections: stats.ejections,
            last_failure: stats.last_failure.as_ref().map(|failure| Failure::of(&stats.name, failure)),
            success_rate_percent: (stats.success_rate() * 100.0).round() / 100.0,
            concurrency: concurrency.map(|(_, handle)| Concurrency::of(handle)),
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
