//! The keys that configuration files have for a concurrency limit.

use std::time::Duration;

use plugin_core::{
    ConfigError,
    settings::{Given, Key, Kind, Settings, Table, Values},
};

use super::{ConcurrencyLimitConfig, QueueOrder};

const MOST: i128 = 1_000_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

static TABLE: Table = Table::new(
    "concurrency",
    "How many calls may be in flight at once, and who waits for a place.",
    &[
        Key::new("max", Kind::integer(1, MOST), "Calls that may be in flight at once.").default("100"),
        Key::new(
            "queue",
            Kind::integer(0, MOST),
            "Calls that may wait for a place. 0: none waits, and a call that finds no place is refused at once.",
        )
        .default("100"),
        Key::new("max_wait", Kind::time_up_to(DAY), "The longest that a call waits. No call waits past its deadline.")
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
            "With `order: codel`: for how long the line is not empty before that is an overload.",
        )
        .default("100ms"),
    ],
);

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
            .build()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE)
            .with("max", self.max())
            .with("queue", self.queue())
            .with("max_wait", self.max_wait())
            .with("order", Given::word(self.order().word()))
            .with("target", self.target())
            .with("interval", self.interval())
    }
}

plugin_core::serde_by_settings!(ConcurrencyLimitConfig);
