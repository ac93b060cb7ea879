//! The keys that configuration files have for outlier ejection.

use plugin_core::{
    ConfigError,
    settings::{Key, Kind, Settings, Table, Values},
};

use super::{FailureRate, OutlierConfig, SuccessRate};

const MANY: i128 = 1_000_000;

static SUCCESS_RATE: Table = Table::new(
    "outlier.success_rate",
    "An instance whose share of successes is far below that of the others.",
    &[
        Key::new(
            "deviations",
            Kind::number(0.0, 1e3),
            "So many standard deviations below the mean of all it is an outlier.",
        )
        .derived_default("1.9"),
        Key::new("min_instances", Kind::integer(1, MANY), "With fewer that had enough calls, nobody is compared.")
            .derived_default("5"),
        Key::new("min_calls", Kind::integer(1, MANY), "Calls that an instance must have had in an interval.")
            .derived_default("100"),
    ],
);

static FAILURE_RATE: Table = Table::new(
    "outlier.failure_rate",
    "An instance whose share of failures is large, whatever that of the others is.",
    &[
        Key::new("over", Kind::number(0.0, 1.0), "With a larger share of failures it is an outlier.")
            .derived_default("0.85"),
        Key::new("min_instances", Kind::integer(1, MANY), "With fewer that had enough calls, nobody is ejected by it.")
            .derived_default("5"),
        Key::new("min_calls", Kind::integer(1, MANY), "Calls that an instance must have had in an interval.")
            .derived_default("50"),
    ],
);

static TABLE: Table = Table::new(
    "outlier",
    "When an instance that fails while others do not gets no calls for a time.",
    &[
        Key::new(
            "consecutive_failures",
            Kind::integer(0, MANY),
            "Failures one after the other that make an instance an outlier. 0: no number of them does.",
        )
        .derived_default("5"),
        Key::new(
            "consecutive_unreached",
            Kind::integer(0, MANY),
            "Calls one after the other, of which nothing could be sent, that make it one. 0: no number of them does.",
        )
        .derived_default("0"),
        Key::new("success_rate", Kind::Optional(&SUCCESS_RATE), "Compares the successes of the instances."),
        Key::new("failure_rate", Kind::Optional(&FAILURE_RATE), "Bounds the share of failures of each instance."),
        Key::new("interval", Kind::time(), "The time over which rates are taken.").derived_default("10s"),
        Key::new(
            "ejection_time",
            Kind::time(),
            "How long the first ejection lasts; the second in a row twice as long, the third three times.",
        )
        .derived_default("30s"),
        Key::new(
            "max_ejection_time",
            Kind::time(),
            "The longest that one lasts, where that is longer than `ejection_time`.",
        )
        .derived_default("5m"),
        Key::new(
            "max_ejected_percent",
            Kind::integer(1, 100),
            "While so many of the instances in percent are ejected, no other is. One of two or more can always be.",
        )
        .derived_default("10"),
    ],
);

fn count(values: &Values, key: &str, default: Option<u32>) -> Option<u32> {
    match values.integer(key) {
        Some(0) => None,
        Some(count) => Some(count),
        None => default,
    }
}

impl Settings for OutlierConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        let success_rate = values.section("success_rate").map(|section| {
            let default = SuccessRate::default();
            SuccessRate {
                deviations: section.number("deviations").unwrap_or(default.deviations),
                min_instances: section.integer("min_instances").unwrap_or(default.min_instances),
                min_calls: section.integer("min_calls").unwrap_or(default.min_calls),
            }
        });
        let failure_rate = values.section("failure_rate").map(|section| {
            let default = FailureRate::default();
            FailureRate {
                over: section.number("over").unwrap_or(default.over),
                min_instances: section.integer("min_instances").unwrap_or(default.min_instances),
                min_calls: section.integer("min_calls").unwrap_or(default.min_calls),
            }
        });
        let ejection_time = values.time("ejection_time").unwrap_or(default.ejection_time());
        let max_ejection_time = values.time("max_ejection_time").unwrap_or(default.max_ejection_time());
        Self::builder()
            .with_consecutive_failures(count(values, "consecutive_failures", default.consecutive_failures()))
            .with_consecutive_unreached(count(values, "consecutive_unreached", default.consecutive_unreached()))
            .with_success_rate(success_rate)
            .with_failure_rate(failure_rate)
            .with_interval(values.time("interval").unwrap_or(default.interval()))
            .with_ejection_time(ejection_time)
            .with_max_ejection_time(max_ejection_time)
            .with_max_ejected_percent(values.integer("max_ejected_percent").unwrap_or(default.max_ejected_percent()))
            .build()
    }

    fn to_values(&self) -> Values {
        values_of(self, &TABLE)
    }
}

/// The settings as values of a table that is over this one, or of this one.
pub(crate) fn values_of(config: &OutlierConfig, table: &'static Table) -> Values {
    let success_rate = config.success_rate().map(|rate| {
        Values::new(&SUCCESS_RATE)
            .with("deviations", rate.deviations)
            .with("min_instances", rate.min_instances)
            .with("min_calls", rate.min_calls)
    });
    let failure_rate = config.failure_rate().map(|rate| {
        Values::new(&FAILURE_RATE)
            .with("over", rate.over)
            .with("min_instances", rate.min_instances)
            .with("min_calls", rate.min_calls)
    });
    Values::new(table)
        .with("consecutive_failures", config.consecutive_failures().unwrap_or(0))
        .with("consecutive_unreached", config.consecutive_unreached().unwrap_or(0))
        .with("success_rate", success_rate)
        .with("failure_rate", failure_rate)
        .with("interval", config.interval())
        .with("ejection_time", config.ejection_time())
        .with("max_ejection_time", config.max_ejection_time())
        .with("max_ejected_percent", config.max_ejected_percent())
}

plugin_core::serde_by_settings!(OutlierConfig);
