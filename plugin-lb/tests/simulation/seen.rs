//! What a strategy makes of a scenario, in the numbers of a row.

use plugin_lb::{OutlierConfig, Strategy};

use crate::scenarios::Scenario;

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// In milliseconds, of the calls that were answered.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// The share of all calls.
    pub(crate) failed: f64,
    /// The share of the one that the scenario is about.
    pub(crate) odd: f64,
    /// The least and the most of the others.
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// Calls from when it joined until one was on the one that the scenario is about.
    pub(crate) until_first: usize,
}

/// A strategy in a scenario: without ejection, and with it where that may make a difference.
pub(crate) struct Row {
    pub(crate) strategy: Strategy,
    pub(crate) without: Seen,
    pub(crate) with: Option<Seen>,
}

pub(crate) fn rows(scenario: &Scenario) -> Vec<Row> {
    let row = |strategy: &Strategy| Row {
        strategy: *strategy,
        without: see(scenario, *strategy, None),
        with: scenario.fails.then(|| see(scenario, *strategy, Some(OutlierConfig::default()))),
    };
    Strategy::ALL.iter().map(row).collect()
}

fn see(scenario: &Scenario, strategy: Strategy, outlier: Option<OutlierConfig>) -> Seen {
    let run = scenario.world.run(strategy, outlier);
    let shares = run.shares(&scenario.of);
    let odd = scenario.odd.map(|(odd, _)| odd);
    let others = || shares.iter().enumerate().filter(|(index, _)| Some(*index) != odd).map(|(_, share)| *share);
    Seen {
        p50: run.percentile(0.5, &scenario.of),
        p99: run.percentile(0.99, &scenario.of),
        failed: run.failed(),
        odd: odd.map_or(f64::NAN, |odd| shares[odd]),
        least: others().fold(f64::INFINITY, f64::min),
        most: others().fold(0.0, f64::max),
        until_first: odd.map_or(0, |odd| run.calls_until(odd, scenario.world.last_joins.unwrap_or(0.0))),
    }
}
