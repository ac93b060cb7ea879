//! The keys that configuration files have for a balancer.

use std::ops::Bound;

use plugin_core::{
    ConfigError,
    settings::{Bounds, Given, Key, Kind, Settings, Table, Values},
};

use crate::{BalanceConfig, OutlierConfig, ReportedWeightsConfig, Strategy, outlier::values_of};

static OUTLIER: Table = Table::new(
    "load_balancer.outlier",
    "When an instance that fails while others do not gets no calls for a time.",
    &[Key::new("enabled", Kind::Bool, "Whether one is ever ejected.").derived_default("true")],
)
.over(OutlierConfig::TABLE)
.switched();

/// The strategies under which an instance may have less than its share for a time. Where a key decides, keys would move twice.
const WITHOUT_KEY: &[&str] = &[
    "round-robin",
    "random",
    "least-connections",
    "least-latency",
    "weighted-random",
    "priority",
    "weighted-round-robin",
    "p2c",
    "peak-ewma",
    "least-request",
    "reported-weights",
];

static TABLE: Table = Table::new(
    "load_balancer",
    "How one of several instances is picked.",
    &[
        Key::new("strategy", Kind::WordOrNumber(Strategy::NAMES), "How to pick.").default("round-robin"),
        Key::new(
            "failover",
            Kind::Bool,
            "Whether another instance is tried, without a retry, when one is not ready or was not reached.",
        )
        .default("true"),
        Key::new("pick_timeout", Kind::time(), "How long an instance may take to be ready before another is picked.")
            .default("1s"),
        Key::new(
            "outlier",
            Kind::Optional(&OUTLIER),
            "When an instance that fails while others do not gets no calls for a time.",
        )
        .default("off"),
        Key::new(
            "panic_threshold",
            Kind::number(0.0, 1.0),
            "While a smaller share of the instances is up, all are picked as if they were healthy. 0: only when all are Offline.",
        )
        .default("0.0"),
        Key::new(
            "slow_start",
            Kind::time(),
            "How long an instance that joins others, or comes back, takes to have its whole share.",
        )
        .only(WITHOUT_KEY),
        Key::new(
            "subset",
            Kind::integer(1, 1_000_000),
            "How many of the instances take the calls, as long as they can. Without it: all.",
        ),
        Key::new("zone", Kind::Text, "Where this is: the instances of this zone take the calls, as long as they can."),
        Key::new(
            "overprovisioning",
            Kind::number(1.0, 1000.0),
            "How much more than its share an instance can take, before calls go to another zone or a lower priority.",
        )
        .default("1.4"),
        Key::new(
            "max_load",
            Kind::Number(Bounds { low: Bound::Excluded(1.0), high: Bound::Included(100.0) }),
            "How many times its share of the calls in flight, by weight, an instance may have before its keys go elsewhere. \
             Absent: any number.",
        )
        .only(BY_KEY),
        Key::new(
            "reported_weights",
            Kind::Optional(ReportedWeightsConfig::TABLE),
            "How the reports of backends become weights.",
        )
        .only(BY_REPORT),
    ],
)
.moded_by("strategy");

/// The strategy that reads the reports of backends.
const BY_REPORT: &[&str] = &[Strategy::ReportedWeights.as_str()];
/// The strategies that keep a key on its instance.
const BY_KEY: &[&str] = &[Strategy::ConsistentHash.as_str(), Strategy::Maglev.as_str()];

impl Settings for BalanceConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        let outlier = values.section("outlier").filter(|outlier| outlier.bool("enabled") != Some(false));
        let builder = Self::builder()
            .with_strategy(values.word("strategy").and_then(Strategy::parse).unwrap_or(default.strategy()))
            .with_failover(values.bool("failover").unwrap_or(default.failover()))
            .with_pick_timeout(values.time("pick_timeout").unwrap_or(default.pick_timeout()))
            .with_outlier(outlier.map(OutlierConfig::from_values).transpose().map_err(|error| error.within("outlier"))?)
            .with_panic_threshold(values.number("panic_threshold").unwrap_or(default.panic_threshold()))
            .with_slow_start(values.time("slow_start"))
            .with_subset(values.integer("subset"))
            .with_overprovisioning(values.number("overprovisioning").unwrap_or(default.overprovisioning()))
            .with_max_load(values.number("max_load"))
            .with_reported_weights(
                values
                    .section("reported_weights")
                    .map(ReportedWeightsConfig::from_values)
                    .transpose()
                    .map_err(|error| error.within("reported_weights"))?,
            );
        match values.text("zone") {
            Some(zone) => builder.with_zone(zone),
            None => builder,
        }
        .build()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE)
            .with("strategy", Given::word(self.strategy().as_str()))
            .with("failover", self.failover())
            .with("pick_timeout", self.pick_timeout())
            .with("outlier", self.outlier().map(|outlier| values_of(&outlier, &OUTLIER).with("enabled", true)))
            .with("panic_threshold", self.panic_threshold())
            .with("slow_start", self.slow_start())
            .with("subset", self.subset())
            .with("zone", self.zone().map(str::to_owned))
            .with("overprovisioning", self.overprovisioning())
            .with("max_load", self.max_load())
            .with("reported_weights", self.reported_weights_set().map(|weights| weights.to_values()))
    }
}

plugin_core::serde_by_settings!(BalanceConfig);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_start_is_for_the_strategies_that_have_one() {
        for strategy in Strategy::ALL {
            assert_eq!(WITHOUT_KEY.contains(&strategy.as_str()), !strategy.reads_key(), "{strategy}");
        }
    }
}
