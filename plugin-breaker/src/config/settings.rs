//! The keys that configuration files have for a breaker.

use std::{ops::Bound, time::Duration};

use plugin_core::{
    Backoff, ConfigError,
    classify::Condition,
    settings::{Bounds, Checked, Given, Key, Kind, Settings, Table, Values},
};

use super::ratio::RATIO;
use super::{Cancelled, CircuitBreakerConfig, CircuitBreakerConfigBuilder, SHORTEST_HALF_OPEN, Window};

static TABLE: Table = Table::new("circuit_breaker", "When calls are no longer let through to a service that fails.", &[
    Key::new("enabled", Kind::Bool, "Whether calls are judged at all.").default("true").go(),
    Key::new(
        "failure_threshold",
        Kind::integer(0, 1_000_000),
        "Failures in a row that open the circuit. 0 switches this rule off; then `failure_rate` or `slow` must be set.",
    )
    .default("5")
    .go(),
    Key::new("recovery_timeout", Kind::time(), "How long it stays open before probes are let through.")
        .default("30s")
        .go(),
    Key::new(
        "min_request_threshold",
        Kind::integer(0, 1_000_000),
        "Calls since the circuit closed, before failures in a row open it.",
    )
    .default("3")
    .go(),
    Key::new("success_threshold", Kind::integer(1, 1000), "Successful probes that close the circuit.")
        .default("2")
        .go(),
    Key::new("failure_rate", Kind::Optional(&FAILURE_RATE), "Opens by the share of calls that fail, besides."),
    Key::new("slow", Kind::Optional(&SLOW), "Opens by the share of calls that are slow, besides."),
    Key::new("half_open_max", Kind::integer(1, 1000), "Probes at once, while half-open.")
        .derived_default("`success_threshold`"),
    Key::new("half_open_timeout", HALF_OPEN_TIMEOUT, "The age at which a probe without an outcome gives up its place.")
        .derived_default("30s, or `recovery_timeout` when that is longer; under the manager the longer of it and `timeout`"),
    Key::new("backoff", Kind::Optional(&BACKOFF), "Lets the open time grow when the circuit opens again and again."),
    Key::new(
        "max_push_back",
        Kind::time_or_zero(),
        "The longest open time that a server may ask for; 0 ignores what it says.",
    )
    .default("5m"),
    Key::new(
        "cancelled",
        Kind::Word(&["ignore", "failure", "slow"]),
        "What a call counts as that its caller dropped. `slow` needs the rule for slow calls.",
    )
    .default("ignore"),
    Key::new(
        "on",
        Kind::Names(Condition::check),
        "What counts as a failure, and nothing else then does: codes (`PLUGIN_1205`) or their ranges (`TRANSPORT`), HTTP \
         statuses (`503`, `5xx`), gRPC statuses (`UNAVAILABLE`). Without it, every error that is the service's own.",
    ),
])
.switched();

static FAILURE_RATE: Table = Table::new(
    "circuit_breaker.failure_rate",
    "Opens the circuit by the share of calls that fail.",
    &[
        RATIO,
        Key::new("window", WINDOW, "The last calls, or those of the last time.").default("100"),
        Key::new("min_calls", MIN_CALLS, "Calls in the window before a share says anything.")
            .derived_default("10, or fewer where fewer failures open a full window"),
    ],
);

static SLOW: Table = Table::new(
    "circuit_breaker.slow",
    "Opens the circuit by the share of calls that are slow.",
    &[
        Key::new("over", Kind::time(), "A call that takes this long, or longer, is slow.").required(),
        RATIO,
        Key::new("window", WINDOW, "As in `failure_rate`, whose window it shares where both are set.")
            .derived_default("100, or that of `failure_rate`"),
        Key::new("min_calls", MIN_CALLS, "As in `failure_rate`, and only where that is not set.")
            .derived_default("10, or fewer in a small window"),
    ],
);

static BACKOFF: Table = Table::new(
    "circuit_breaker.backoff",
    "How the open time grows.",
    &[
        Key::new("multiplier", Backoff::MULTIPLIER, "The factor from one open time to the next.").required(),
        Key::new("max", Kind::time(), "The longest open time; at least `recovery_timeout`.").required(),
        Key::new("jitter", Backoff::SHARE, "The share by which each open time is moved up or down.").default("0.1"),
    ],
);

const WINDOW: Kind = Kind::CountOrTime(
    Bounds::from_to(1, 100_000),
    Bounds::from_to(Duration::from_millis(100), Duration::from_secs(24 * 60 * 60)),
);

const HALF_OPEN_TIMEOUT: Kind = Kind::Time(Bounds { low: Bound::Included(SHORTEST_HALF_OPEN), high: Bound::Unbounded });

const MIN_CALLS: Kind = Kind::integer(1, u32::MAX as i128);

impl Settings for CircuitBreakerConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        match made(values) {
            // What is off is not checked further.
            Err(_) if values.bool("enabled") == Some(false) => Self::builder().with_enabled(false).build(),
            made => made,
        }
    }

    fn to_values(&self) -> Values {
        let builder = self.to_builder();
        let alone = builder.failure_rate.is_none();
        let window = Given::from(builder.window);
        let rate = builder.failure_rate.map(|ratio| {
            let rate = Values::new(&FAILURE_RATE).with("ratio", ratio);
            rate.with("window", window.clone()).with("min_calls", builder.min_calls)
        });
        let slow = builder.slow.map(|(over, ratio)| {
            let slow = Values::new(&SLOW).with("over", over).with("ratio", ratio);
            slow.with("window", Some(window.clone()).filter(|_| alone))
                .with("min_calls", builder.min_calls.filter(|_| alone))
        });
        let backoff = builder.backoff.map(|(multiplier, max)| {
            let backoff = Values::new(&BACKOFF).with("multiplier", multiplier).with("max", max);
            backoff.with("jitter", builder.jitter.unwrap_or(0.1))
        });
        let on: Vec<String> = builder.on.iter().map(ToString::to_string).collect();
        Values::new(&TABLE)
            .with("enabled", builder.enabled)
            .with("failure_threshold", builder.failure_threshold)
            .with("min_request_threshold", builder.min_request_threshold)
            .with("success_threshold", builder.success_threshold)
            .with("recovery_timeout", builder.recovery_timeout)
            .with("failure_rate", rate)
            .with("slow", slow)
            .with("half_open_max", builder.half_open_max)
            .with("half_open_timeout", builder.half_open_timeout)
            .with("backoff", backoff)
            .with("max_push_back", builder.max_push_back)
            .with("cancelled", Given::word(builder.cancelled.as_str()))
            .with("on", Some(on).filter(|on| !on.is_empty()))
    }
}

fn made(values: &Values) -> Result<CircuitBreakerConfig, ConfigError> {
    let default = CircuitBreakerConfigBuilder::default();
    let on = values.texts("on").unwrap_or_default().iter().map(|name| name.parse());
    let mut builder = CircuitBreakerConfigBuilder {
        enabled: values.bool("enabled").unwrap_or(default.enabled),
        failure_threshold: values.integer("failure_threshold").unwrap_or(default.failure_threshold),
        min_request_threshold: values.integer("min_request_threshold").unwrap_or(default.min_request_threshold),
        success_threshold: values.integer("success_threshold").unwrap_or(default.success_threshold),
        half_open_max: values.integer("half_open_max"),
        half_open_timeout: values.time("half_open_timeout"),
        recovery_timeout: values.time("recovery_timeout").unwrap_or(default.recovery_timeout),
        max_push_back: values.time("max_push_back").unwrap_or(default.max_push_back),
        cancelled: values.word("cancelled").and_then(Cancelled::parse).unwrap_or(default.cancelled),
        on: on.collect::<Result<_, _>>()?,
        ..default
    };
    let (rate, slow) = (values.section("failure_rate"), values.section("slow"));
    if let Some(slow) = slow {
        builder.slow = slow.time("over").zip(slow.number("ratio"));
        if rate.is_some() && (slow.has("window") || slow.has("min_calls")) {
            let problem = "has a window of its own; it shares that of `failure_rate`, which is set";
            return Err(ConfigError::new("slow", problem).with_others(&["failure_rate"]));
        }
    }
    builder.failure_rate = rate.and_then(|rate| rate.number("ratio"));
    if let Some(rule) = rate.or(slow) {
        builder.window = window(rule).unwrap_or(builder.window);
        builder.min_calls = rule.integer("min_calls");
    }
    if let Some(backoff) = values.section("backoff") {
        builder.backoff = backoff.number("multiplier").zip(backoff.time("max"));
        builder.jitter = backoff.number("jitter");
    }
    builder.build()
}

impl From<Window> for Given {
    fn from(window: Window) -> Self {
        match window {
            Window::Calls(calls) => calls.into(),
            Window::Time(time) => time.into(),
        }
    }
}

fn window(rule: &Values) -> Option<Window> {
    match rule.get("window")? {
        Checked::Integer(_) => rule.integer("window").map(Window::Calls),
        Checked::Time(time) => Some(Window::Time(*time)),
        _ => None,
    }
}

plugin_core::serde_by_settings!(CircuitBreakerConfig);
