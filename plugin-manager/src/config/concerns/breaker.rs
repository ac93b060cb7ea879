//! `circuit_breaker` and `default_circuit_breaker`.

use std::time::Duration;

use plugin_breaker::{Cancelled, CircuitBreakerConfig, CircuitBreakerConfigBuilder, Window};

use super::super::keys::{Key, Keys, Kind, Table};
use super::set;

pub(in crate::config) static TABLE: Table = Table {
    name: "circuit_breaker",
    about: "When calls are no longer let through to a plugin that fails.",
    keys: &[
        Key::new("enabled", Kind::Bool, "Whether calls are judged at all.").default("true"),
        Key::new(
            "failure_threshold",
            Kind::Integer(0, 1_000_000),
            "Failures in a row that open the circuit. 0 switches this rule off; then `failure_rate` or `slow` must be set.",
        )
        .default("5"),
        Key::new("recovery_timeout", Kind::Time, "How long it stays open before probes are let through.").default("30s"),
        Key::new(
            "min_request_threshold",
            Kind::Integer(0, i64::MAX),
            "Calls since the circuit closed, before failures in a row open it.",
        )
        .default("3"),
        Key::new("success_threshold", Kind::Integer(1, 1000), "Successful probes that close the circuit.").default("2"),
        Key::new("failure_rate", Kind::Optional(&FAILURE_RATE), "Opens by the share of calls that fail, besides."),
        Key::new("slow", Kind::Optional(&SLOW), "Opens by the share of calls that are slow, besides."),
        Key::new("half_open_max", Kind::Integer(1, 1000), "Probes at once; as many as `success_threshold` by default."),
        Key::new(
            "half_open_timeout",
            Kind::Time,
            "The age at which a probe without an outcome gives up its place; the longer of `recovery_timeout` and `timeout` \
             by default.",
        ),
        Key::new("backoff", Kind::Optional(&BACKOFF), "Lets the open time grow when the circuit opens again and again."),
        Key::new(
            "cancelled",
            Kind::Word(&["ignore", "failure", "slow"]),
            "What a call counts as that its caller dropped. \"slow\" needs the rule for slow calls.",
        )
        .default("ignore"),
        Key::new(
            "on",
            Kind::Texts,
            "What counts as a failure: codes (\"PLUGIN_1205\") or their ranges (\"TRANSPORT\"). Without it, every error \
             that is the plugin's.",
        ),
    ],
};

static FAILURE_RATE: Table = Table {
    name: "circuit_breaker.failure_rate",
    about: "Opens the circuit by the share of calls that fail.",
    keys: &[
        Key::new("ratio", Kind::Positive(1.0), "The share of the window that opens the circuit.").required(),
        Key::new("window", Kind::CountOrTime(100_000), "The last calls, or those of the last time (100ms to 24h).")
            .default("100"),
        Key::new(
            "min_calls",
            Kind::Integer(1, u32::MAX as i64),
            "Calls in the window before a share says anything; 10, or fewer in a small window, by default.",
        ),
    ],
};

static SLOW: Table = Table {
    name: "circuit_breaker.slow",
    about: "Opens the circuit by the share of calls that are slow, in the window of `failure_rate`.",
    keys: &[
        Key::new("over", Kind::Time, "A call that takes this long, or longer, is slow.").required(),
        Key::new("ratio", Kind::Positive(1.0), "The share of the window that opens the circuit.").required(),
    ],
};

static BACKOFF: Table = Table {
    name: "circuit_breaker.backoff",
    about: "How the open time grows, with a jitter of a tenth.",
    keys: &[
        Key::new("multiplier", Kind::Number(1.0, 100.0), "The factor from one open time to the next.").required(),
        Key::new("max", Kind::Time, "The longest open time; at least `recovery_timeout`.").required(),
    ],
};

pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Option<CircuitBreakerConfig> {
    let mut builder = CircuitBreakerConfig::builder();
    set!(builder.with_enabled(keys.bool("enabled")));
    set!(builder.with_failure_threshold(keys.integer("failure_threshold")));
    set!(builder.with_recovery_timeout(keys.time("recovery_timeout")));
    set!(builder.with_min_request_threshold(keys.integer("min_request_threshold")));
    set!(builder.with_success_threshold(keys.integer("success_threshold")));
    set!(builder.with_half_open_max(keys.integer("half_open_max")));
    set!(builder.with_half_open_timeout(keys.time("half_open_timeout")));
    set!(builder.with_cancelled(keys.word("cancelled", cancelled)));
    set!(builder.with_on(keys.field("on").and_then(|field| field.strings())));
    builder = rates(keys, builder);
    keys.check(builder.build())
}

fn rates(keys: &mut Keys<'_, '_>, mut builder: CircuitBreakerConfigBuilder) -> CircuitBreakerConfigBuilder {
    let rate = keys.section("failure_rate", |keys| (keys.number("ratio"), window(keys), keys.integer("min_calls")));
    if let Some((ratio, window, min_calls)) = rate {
        set!(builder.with_failure_rate(ratio));
        set!(builder.with_window(window));
        set!(builder.with_min_calls(min_calls));
    }
    if let Some((Some(over), Some(ratio))) = keys.section("slow", |keys| (keys.time("over"), keys.number("ratio"))) {
        builder = builder.with_slow_calls(over, ratio);
    }
    let backoff = keys.section("backoff", |keys| (keys.number("multiplier"), keys.time("max")));
    if let Some((Some(multiplier), Some(max))) = backoff {
        builder = builder.with_backoff(multiplier, max);
    }
    builder
}

fn window(keys: &mut Keys<'_, '_>) -> Option<Window> {
    let field = keys.field("window")?;
    if field.is_integer() {
        return field.integer_in(1..=100_000).map(Window::Calls);
    }
    field.duration_in(Duration::from_millis(100)..=Duration::from_secs(86_400)).map(Window::Time)
}

fn cancelled(word: &str) -> Option<Cancelled> {
    match word {
        "ignore" => Some(Cancelled::Ignore),
        "failure" => Some(Cancelled::Failure),
        "slow" => Some(Cancelled::Slow),
        _ => None,
    }
}
