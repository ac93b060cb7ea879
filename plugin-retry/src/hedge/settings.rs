//! The keys that configuration files have for a hedge layer.

use plugin_core::{
    ConfigError,
    settings::{Given, Key, Kind, Settings, Table, Values},
};

use super::config::{HedgeConfig, HedgeDelay, default_budget};
use crate::{
    budget::{
        settings::{budget, budget_values},
        tables::{BUDGET_WINDOW, MIN_PER_SECOND, RATIO},
    },
    config::MAX_BODY,
};

static HEDGE: Table = Table::new(
    "hedge",
    "When another attempt is made beside one that takes long.",
    &[
        Key::new("delay", Kind::time(), "How long an attempt may take before another is made. This or `percentile`."),
        Key::new(
            "percentile",
            Kind::number(50.0, 99.9),
            "The same as the share of calls, in percent, that were answered by then.",
        ),
        Key::new("max", Kind::integer(1, 5), "The most hedges of one call.").default("1"),
        Key::new("budget", Kind::Optional(&HEDGE_BUDGET), "What the hedges of all calls together may cost.")
            .derived_default("on"),
        Key::new("idempotent", Kind::Bool, "Whether a call that does not say so itself may be made twice.")
            .default("false"),
        Key::new("max_body", MAX_BODY, "The largest body that is kept. A call with a larger one is not hedged.")
            .default("64KiB"),
    ],
);

static HEDGE_BUDGET: Table = Table::new(
    "hedge.budget",
    "What the hedges of all calls together may cost.",
    &[
        Key::new("enabled", Kind::Bool, "Whether there is one.").default("true"),
        Key::new("ratio", RATIO, "Hedges for each call that succeeded.").default("0.1"),
        Key::new("min_per_second", MIN_PER_SECOND, "Hedges per second that are always allowed.").default("1"),
        Key::new("window", BUDGET_WINDOW, "How long calls are remembered, in whole seconds.").default("10s"),
    ],
)
.switched();

impl Settings for HedgeConfig {
    const TABLE: &'static Table = &HEDGE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let builder = match (values.time("delay"), values.number("percentile")) {
            (Some(delay), None) => Self::builder().with_delay(delay),
            (None, Some(percentile)) => Self::builder().with_percentile(percentile),
            (Some(_), Some(_)) => {
                let problem = "excludes `delay`: give one of the two";
                return Err(ConfigError::new("percentile", problem).with_others(&["delay"]));
            }
            (None, None) => {
                let problem = "or `percentile` must be given";
                return Err(ConfigError::new("delay", problem).with_others(&["percentile"]));
            }
        };
        let builder = builder
            .with_max(values.integer("max").unwrap_or(1))
            .with_idempotent(values.bool("idempotent").unwrap_or(false))
            .with_max_body(values.size("max_body").map_or(64 * 1024, |bytes| bytes as usize));
        match values.section("budget").map(|values| budget(values, default_budget())).transpose()? {
            Some(Some(budget)) => builder.with_budget(budget).build(),
            Some(None) => builder.without_budget().build(),
            None => builder.build(),
        }
    }

    fn to_values(&self) -> Values {
        let (delay, percentile) = match self.delay {
            HedgeDelay::After(delay) => (Some(delay), None),
            HedgeDelay::Percentile(percentile) => (None, Some(percentile)),
        };
        Values::new(&HEDGE)
            .with("delay", delay)
            .with("percentile", percentile)
            .with("max", self.max)
            .with("budget", budget_values(&HEDGE_BUDGET, self.budget))
            .with("idempotent", self.idempotent)
            .with("max_body", Given::size(self.max_body()))
    }
}

plugin_core::serde_by_settings!(HedgeConfig);
