//! `retry` and `default_retry`.

use plugin_core::{Code, Jitter};
use plugin_retry::{BudgetConfig, Condition, RetryConfig};

use super::super::keys::{Key, Keys, Kind, Table};
use super::set;

pub(in crate::config) static TABLE: Table = Table {
    name: "retry",
    about: "When a call that failed is tried again.",
    keys: &[
        Key::new(
            "max_retries",
            Kind::Integer(0, 100),
            "Attempts after the first: 3 retries are 4 attempts. 0 is none.",
        )
        .default("3"),
        Key::new("initial_interval", Kind::Time, "The wait before the first retry.").default("100ms"),
        Key::new("max_interval", Kind::Time, "The longest wait, jitter included; at least `initial_interval`.")
            .default("5s"),
        Key::new("multiplier", Kind::Number(1.0, 100.0), "The factor from one wait to the next.").default("2.0"),
        Key::new("random_jitter", Kind::Bool, "Whether waits are spread, so that clients do not retry in step.")
            .default("true"),
        Key::new(
            "jitter",
            Kind::Word(&["proportional", "full", "decorrelated"]),
            "How waits are spread: a tenth up or down; anything from zero to the wait; anything from the first wait to \
             three times the last one.",
        )
        .derived_default("proportional"),
        Key::new("budget", Kind::Section(&BUDGET), "What the retries of all calls together may cost."),
        Key::new(
            "on",
            Kind::Texts,
            "Retries on these failures and no others: codes (\"PLUGIN_1205\"), HTTP statuses (\"503\", \"5xx\"), gRPC \
             statuses (\"UNAVAILABLE\"). Without it, on those that are marked as retryable.",
        ),
        Key::new(
            "idempotent",
            Kind::Bool,
            "Whether a call that does not say so itself may be repeated although the plugin may have seen it.",
        )
        .default("false"),
    ],
};

static BUDGET: Table = Table {
    name: "retry.budget",
    about: "What the retries of all calls together may cost, in any ten seconds.",
    keys: &[
        Key::new("ratio", Kind::Number(0.0, 10.0), "Retries for each call that succeeded.").default("0.2"),
        Key::new("min_per_second", Kind::Integer(0, u32::MAX as i64), "Retries per second that are always allowed.")
            .default("10"),
    ],
};

pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Option<RetryConfig> {
    let mut builder = RetryConfig::builder();
    set!(builder.with_max_retries(keys.integer("max_retries")));
    set!(builder.with_initial_interval(keys.time("initial_interval")));
    set!(builder.with_max_interval(keys.time("max_interval")));
    set!(builder.with_multiplier(keys.number("multiplier")));
    set!(builder.with_jitter(jitter(keys)));
    set!(builder.with_budget(keys.section("budget", budget).flatten()));
    set!(builder.with_on(on(keys)));
    set!(builder.with_idempotent(keys.bool("idempotent")));
    keys.check(builder.build())
}

fn jitter(keys: &mut Keys<'_, '_>) -> Option<Jitter> {
    let random = keys.bool("random_jitter");
    let chosen = keys.word("jitter", |word| match word {
        "proportional" => Some(Jitter::Proportional(0.1)),
        "full" => Some(Jitter::Full),
        "decorrelated" => Some(Jitter::Decorrelated),
        _ => None,
    });
    match (random, chosen) {
        (Some(false), Some(_)) => {
            keys.fault(
                "jitter",
                Code::ConfigValue,
                "has no effect beside `random_jitter: false`; take one of them out",
            );
            None
        }
        (Some(false), None) => Some(Jitter::None),
        (_, chosen) => chosen,
    }
}

fn budget(keys: &mut Keys<'_, '_>) -> Option<BudgetConfig> {
    let (ratio, min_per_second) = (keys.number("ratio"), keys.integer("min_per_second"));
    let window = BudgetConfig::default().window();
    keys.check_in("budget.", BudgetConfig::new(ratio?, min_per_second?, window))
}

fn on(keys: &mut Keys<'_, '_>) -> Option<Vec<Condition>> {
    keys.field("on")?.list(|item| {
        item.string_with(|text| {
            text.parse().map_err(|error: plugin_core::ConfigError| format!("expected {}", expected(error.problem())))
        })
    })
}

/// What would be right, out of an error that also repeats what is there.
fn expected(problem: &str) -> &str {
    problem.split_once("none of: ").map_or(problem, |(_, forms)| forms)
}
