//! The keys that configuration files have for a concurrency limit.

use std::time::Duration;

use plugin_core::{
    ConfigError,
    settings::{Given, Key, Kind, Settings, Table, Values},
};

use super::{AdaptiveAlgorithm, AdaptiveConfig, ConcurrencyLimitConfig, QueueOrder};

const MOST: i128 = 1_000_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

static TABLE: Table = Table::new(
    "concurrency",
    "How many calls may be in flight at once, and who waits for a place.",
    &[
        Key::new(
            "max",
            Kind::integer(1, MOST),
            "Calls that may be in flight at once; with `adaptive` the most that the limit becomes.",
        )
        .default("100"),
        Key::new(
            "queue",
            Kind::integer(0, MOST),
            "Calls that may wait for a place. 0: none waits, and a call that finds no place is refused at once.",
        )
        .default("100"),
        Key::new("max_wait", Kind::time_up_to(DAY), "The longest that a call waits. No call waits past its deadline, or with `order: codel` longer than `interval`.")
            .default("1s"),
        Key::new(
            "order",
            Kind::Word(QueueOrder::WORDS),
            "Who is served next: who came first, who came last, or the one until an overload lasts and then the other \
             (`codel`). Higher priorities always come first.",
        )
        .default("fifo"),
        Key::new(
            "target",
            Kind::time_up_to(DAY),
            "With `order: codel`: how long a call may wait that comes in an overload; no longer than `interval`.",
        )
        .default("5ms"),
        Key::new(
            "interval",
            Kind::time_up_to(DAY),
            "With `order: codel`: for how long the line is not empty before that is an overload, and the longest that a call \
             waits.",
        )
        .default("100ms"),
        Key::new(
            "adaptive",
            Kind::Word(AdaptiveAlgorithm::WORDS),
            "Lets the limit follow what the service can do: by what is turned away (`aimd`), by latency (`vegas`, \
             `gradient2`).",
        ),
        Key::new("min", Kind::integer(1, MOST), "With `adaptive`: the least that the limit becomes.")
            .derived_default("1"),
        Key::new("initial", Kind::integer(1, MOST), "With `adaptive`: where the limit begins, from `min` to `max`.")
            .derived_default("20"),
    ],
);

/// What the section says of an adaptive limit.
fn adaptive(values: &Values) -> Result<Option<AdaptiveConfig>, ConfigError> {
    let Some(algorithm) = values.word("adaptive") else {
        return match ["min", "initial"].into_iter().find(|key| values.has(key)) {
            Some(key) => Err(ConfigError::new(key, "has no effect without `adaptive`").with_others(&["adaptive"])),
            None => Ok(None),
        };
    };
    let mut adaptive = AdaptiveConfig::new(AdaptiveAlgorithm::of_word(algorithm));
    if let Some(min) = values.integer("min") {
        adaptive = adaptive.with_min(min);
    }
    if let Some(initial) = values.integer("initial") {
        adaptive = adaptive.with_initial(initial);
    }
    Ok(Some(adaptive))
}

impl Settings for ConcurrencyLimitConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        Self::builder()
            .with_max(values.integer("max").unwrap_or(default.max()))
            .with_queue(values.integer("queue").unwrap_or(default.queue()))
            .with_max_wait(values.time("max_wait").unwrap_or(default.max_wait()))
            .with_order(values.word("order").map_or(default.order(), QueueOrder::of_word))
            .with_target(values.time("target").unwrap_or(default.target()))
            .with_interval(values.time("interval").unwrap_or(default.interval()))
            .with_adaptive(adaptive(values)?)
            .build()
    }

    fn to_values(&self) -> Values {
        let adaptive = self.adaptive();
        Values::new(&TABLE)
            .with("max", self.max())
            .with("queue", self.queue())
            .with("max_wait", self.max_wait())
            .with("order", Given::word(self.order().word()))
            .with("target", self.target())
            .with("interval", self.interval())
            .with("adaptive", adaptive.map(|adaptive| Given::word(adaptive.algorithm().word())))
            .with("min", adaptive.map(|adaptive| adaptive.min()))
            .with("initial", adaptive.and_then(|adaptive| adaptive.initial()))
    }
}

plugin_core::serde_by_settings!(ConcurrencyLimitConfig);
