//! The settings as configuration files write them.

use std::{sync::Arc, time::Duration};

use plugin_core::{ConfigError, go_duration};
use serde::{Deserialize, Serialize};

use super::{Cancelled, CircuitBreakerConfig, CircuitBreakerConfigBuilder, Window};

/// `circuit_breaker{..}`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    enabled: bool,
    failure_threshold: u32,
    min_request_threshold: u64,
    success_threshold: u32,
    #[serde(with = "plugin_core::serde_duration")]
    recovery_timeout: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_rate: Option<RawRate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slow: Option<RawSlow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    half_open_max: Option<u32>,
    #[serde(with = "plugin_core::serde_duration::option", skip_serializing_if = "Option::is_none")]
    half_open_timeout: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff: Option<RawBackoff>,
    #[serde(with = "plugin_core::serde_duration")]
    max_push_back: Duration,
    cancelled: Cancelled,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    on: Vec<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Box<str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRate {
    ratio: f64,
    #[serde(default)]
    window: RawWindow,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_calls: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSlow {
    #[serde(with = "plugin_core::serde_duration")]
    over: Duration,
    ratio: f64,
    /// Only where there is no `failure_rate` to take it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<RawWindow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_calls: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBackoff {
    multiplier: f64,
    #[serde(with = "plugin_core::serde_duration")]
    max: Duration,
    #[serde(default = "a_tenth")]
    jitter: f64,
}

fn a_tenth() -> f64 {
    0.1
}

/// A number is calls, a text a time.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "must be a number of calls, or a time such as \"30s\"")]
enum RawWindow {
    Calls(u32),
    Time(String),
}

impl Default for RawWindow {
    fn default() -> Self {
        Self::Calls(100)
    }
}

impl RawWindow {
    fn read(&self) -> Result<Window, ConfigError> {
        match self {
            Self::Calls(calls) => Ok(Window::Calls(*calls)),
            Self::Time(text) => go_duration::parse(text)
                .map(Window::Time)
                .map_err(|problem| ConfigError::new("failure_rate.window", format!("is {text:?}: {problem}"))),
        }
    }

    fn write(window: Window) -> Self {
        match window {
            Window::Calls(calls) => Self::Calls(calls),
            Window::Time(time) => Self::Time(go_duration::format(time)),
        }
    }
}

impl TryFrom<Raw> for CircuitBreakerConfig {
    type Error = ConfigError;

    fn try_from(raw: Raw) -> Result<Self, ConfigError> {
        let mut builder = CircuitBreakerConfigBuilder {
            enabled: raw.enabled,
            failure_threshold: raw.failure_threshold,
            min_request_threshold: raw.min_request_threshold,
            success_threshold: raw.success_threshold,
            half_open_max: raw.half_open_max,
            half_open_timeout: raw.half_open_timeout,
            recovery_timeout: raw.recovery_timeout,
            max_push_back: raw.max_push_back,
            cancelled: raw.cancelled,
            on: raw.on.into(),
            key: raw.key.map(Arc::from),
            ..CircuitBreakerConfigBuilder::default()
        };
        if let Some(slow) = raw.slow {
            builder.slow = Some((slow.over, slow.ratio));
            if raw.failure_rate.is_some() && (slow.window.is_some() || slow.min_calls.is_some()) {
                let problem = "has a window of its own; it shares that of `failure_rate`, which is set";
                return Err(ConfigError::new("slow", problem));
            }
            builder.window = slow.window.unwrap_or_default().read()?;
            builder.min_calls = slow.min_calls;
        }
        if let Some(rate) = raw.failure_rate {
            builder.failure_rate = Some(rate.ratio);
            builder.window = rate.window.read()?;
            builder.min_calls = rate.min_calls;
        }
        if let Some(backoff) = raw.backoff {
            builder.backoff = Some((backoff.multiplier, backoff.max));
            builder.jitter = Some(backoff.jitter);
        }
        builder.build()
    }
}

impl From<CircuitBreakerConfig> for Raw {
    fn from(config: CircuitBreakerConfig) -> Self {
        let builder = CircuitBreakerConfigBuilder::from(config);
        let window = || RawWindow::write(builder.window);
        let alone = builder.failure_rate.is_none();
        Self {
            enabled: builder.enabled,
            failure_threshold: builder.failure_threshold,
            min_request_threshold: builder.min_request_threshold,
            success_threshold: builder.success_threshold,
            recovery_timeout: builder.recovery_timeout,
            failure_rate: builder.failure_rate.map(|ratio| RawRate {
                ratio,
                window: window(),
                min_calls: builder.min_calls,
            }),
            slow: builder.slow.map(|(over, ratio)| RawSlow {
                over,
                ratio,
                window: alone.then(window),
                min_calls: builder.min_calls.filter(|_| alone),
            }),
            half_open_max: builder.half_open_max,
            half_open_timeout: builder.half_open_timeout,
            backoff: builder.backoff.map(|(multiplier, max)| RawBackoff {
                multiplier,
                max,
                jitter: builder.jitter.unwrap_or(0.1),
            }),
            max_push_back: builder.max_push_back,
            cancelled: builder.cancelled,
            on: builder.on.to_vec(),
            key: builder.key.as_deref().map(Box::from),
        }
    }
}

impl Default for Raw {
    fn default() -> Self {
        CircuitBreakerConfig::default().into()
    }
}
