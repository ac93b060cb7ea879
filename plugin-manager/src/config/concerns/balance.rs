//! `load_balancer`.

use plugin_lb::{LbConfig, Strategy};

use super::super::keys::{Key, Keys, Kind, Table};
use super::set;

/// The strategies in the order of [`Strategy::ALL`], whose places are the numbers that go-plugins writes.
const STRATEGIES: &[&str] = &[
    "round-robin",
    "random",
    "least-connections",
    "least-latency",
    "weighted-random",
    "consistent-hash",
    "priority",
    "weighted-round-robin",
];

pub(in crate::config) static TABLE: Table = Table {
    name: "load_balancer",
    about: "How one of several instances is picked.",
    keys: &[
        Key::new("strategy", Kind::WordOrNumber(STRATEGIES), "How to pick.").default("round-robin"),
        Key::new(
            "failover",
            Kind::Bool,
            "Whether another instance is tried, without a retry, when one is not ready or was not reached.",
        )
        .default("true"),
    ],
};

pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Option<LbConfig> {
    let mut builder = LbConfig::builder();
    set!(builder.with_strategy(keys.word("strategy", Strategy::parse)));
    set!(builder.with_failover(keys.bool("failover")));
    keys.check(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_is_in_the_table_at_its_number() {
        let names: Vec<_> = Strategy::ALL.iter().map(|strategy| strategy.as_str()).collect();
        assert_eq!(names, STRATEGIES);
    }
}
