//! Every strategy in the same worlds: one instance is new, slow, failing, hanging or dead, or all are alike. What is
//! promised of shares is asserted, and the page that says what to pick is written from the same runs.

mod page;
mod plot;
mod scenarios;
mod seen;
mod world;

use plugin_lb::Strategy;
use scenarios::Scenario;
use seen::{Row, Seen};

/// All of them, on a thread for each scenario.
fn all() -> Vec<(Scenario, Vec<Row>)> {
    std::thread::scope(|scope| {
        let runs: Vec<_> = scenarios::scenarios()
            .into_iter()
            .map(|scenario| {
                scope.spawn(move || {
                    let rows = seen::rows(&scenario);
                    (scenario, rows)
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().expect("no panic")).collect()
    })
}

fn print(seen: &[(Scenario, Vec<Row>)]) {
    for (scenario, rows) in seen {
        println!("{}", scenario.name);
        for row in rows {
            println!("  {:22} {:?}", row.strategy.as_str(), row.without);
            if let Some(with) = &row.with {
                println!("  {:22} {with:?}", "with ejection");
            }
        }
    }
}

fn reads_latency(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::LeastLatency | Strategy::PeakEwma)
}

/// Those of a strategy that keeps from a bad instance by itself, and those of all others once outliers are ejected.
fn keeping_away(row: &Row) -> impl Iterator<Item = (&'static str, Seen)> {
    let by_itself = reads_latency(row.strategy).then_some(("by itself", row.without));
    by_itself.into_iter().chain(row.with.map(|with| ("with ejection", with)))
}

#[test]
fn each_strategy_keeps_what_is_promised_and_the_page_says_what_each_makes_of_each_scenario() {
    let seen = all();
    print(&seen);
    let rows = |name: &str| {
        let (scenario, rows) = seen.iter().find(|(scenario, _)| scenario.file == name).expect("a scenario");
        (scenario.world.instances as f64, rows)
    };
    let (instances, alike) = rows("all-alike");
    for row in alike {
        let seen = row.without;
        let by_key = matches!(row.strategy, Strategy::ConsistentHash | Strategy::Maglev);
        let off = if by_key { 0.35 } else { 0.25 };
        let fair = 1.0 / instances;
        assert!(seen.least > fair * (1.0 - off) && seen.most < fair * (1.0 + off), "{}: {seen:?}", row.strategy);
        assert!(seen.failed == 0.0 && seen.p99 < 350.0, "{}: {seen:?}", row.strategy);
    }
    let (instances, cold) = rows("cold-start");
    for row in cold {
        // What is drawn at random, or by a key, has no promise but its share.
        let turns = matches!(row.strategy, Strategy::RoundRobin | Strategy::Priority | Strategy::WeightedRoundRobin);
        if turns || reads_latency(row.strategy) || row.strategy == Strategy::LeastConnections {
            let most = 2 * instances as usize;
            assert!(row.without.until_first <= most, "{}: {:?}", row.strategy, row.without);
        }
        assert!(row.without.odd > 0.0, "{}: {:?}", row.strategy, row.without);
    }
    let (instances, slow) = rows("slow");
    for row in slow.iter().filter(|row| reads_latency(row.strategy)) {
        assert!(row.without.odd < 0.25 / instances, "{}: {:?}", row.strategy, row.without);
        assert!(row.without.failed < 0.01, "{}: {:?}", row.strategy, row.without);
    }
    for (name, most) in [("fails-fast", 0.05), ("hangs", 0.02)] {
        for row in rows(name).1 {
            for (how, seen) in keeping_away(row) {
                assert!(seen.odd <= most && seen.failed <= most, "{name}, {} {how}: {seen:?}", row.strategy);
            }
        }
    }
    for row in rows("fails-fast").1 {
        if matches!(row.strategy, Strategy::P2c | Strategy::LeastConnections | Strategy::LeastRequest) {
            assert!(row.without.odd > 0.5, "it is no longer drawn to it, {}: {:?}", row.strategy, row.without);
        }
    }
    for row in rows("dies").1 {
        for seen in [Some(row.without), row.with].into_iter().flatten() {
            // Two are being worked on by it at most, and its line is short. What comes later goes to another one.
            assert!(seen.failed < 0.005, "{}: {seen:?}", row.strategy);
        }
        for (how, seen) in keeping_away(row) {
            assert!(seen.odd < 0.01, "{} {how}: {seen:?}", row.strategy);
        }
    }
    page::hold(&seen);
}
