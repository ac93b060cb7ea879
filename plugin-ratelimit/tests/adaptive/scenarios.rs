//! What happens to a service, and what a limit makes of it.
//!
//! The service has 20 servers and answers in 20 ms without load: 1,000 calls in a second. Its callers wait for a second, and what
//! they gave up is worked on all the same. So without a limit an overload leaves hardly an answer in time.

use std::{fmt::Write, ops::Range};

use plugin_ratelimit::concurrency::{AdaptiveAlgorithm, AdaptiveConfig, ConcurrencyLimit, ConcurrencyLimitConfig};

use crate::simulation::{Run, Seen, simulate, sum};

const ALL: [AdaptiveAlgorithm; 3] = [AdaptiveAlgorithm::Aimd, AdaptiveAlgorithm::Vegas, AdaptiveAlgorithm::Gradient2];

/// Nothing changes but what is said.
const STEADY: Run = Run { seconds: 70.0, load: |_| 2000.0, servers: |_| 20, base: |_| 0.02 };

fn adaptive(algorithm: AdaptiveAlgorithm) -> ConcurrencyLimit {
    let config = ConcurrencyLimitConfig::builder()
        .with_max(400)
        .with_queue(0)
        .with_adaptive(AdaptiveConfig::new(algorithm))
        .build()
        .expect("valid");
    ConcurrencyLimit::new(config)
}

struct Scenario {
    name: &'static str,
    run: Run,
    /// The seconds that are looked at.
    of: Range<usize>,
    /// The least goodput, and the largest share of calls that are refused.
    bounds: (f64, f64),
}

fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "half of the capacity",
            run: Run { load: |_| 500.0, ..STEADY },
            of: 0..70,
            bounds: (0.95, 0.02),
        },
        Scenario { name: "twice the capacity", run: STEADY, of: 10..70, bounds: (0.9, 0.6) },
        Scenario {
            name: "twice, of 20 servers 10 are gone from second 20 to 40",
            run: Run { servers: |second| if (20.0..40.0).contains(&second) { 10 } else { 20 }, ..STEADY },
            of: 10..70,
            bounds: (0.85, 0.75),
        },
        Scenario {
            name: "twice, calls take 60 ms on 60 servers from second 20 to 40",
            run: Run {
                base: |second| if (20.0..40.0).contains(&second) { 0.06 } else { 0.02 },
                servers: |second| if (20.0..40.0).contains(&second) { 60 } else { 20 },
                ..STEADY
            },
            of: 10..70,
            bounds: (0.8, 0.7),
        },
        Scenario {
            name: "bursts of ten times the usual 300 for a second of every five",
            run: Run { load: |second| if second % 5.0 < 1.0 { 3000.0 } else { 300.0 }, ..STEADY },
            of: 10..70,
            bounds: (0.85, 0.6),
        },
    ]
}

fn check(name: &str, algorithm: AdaptiveAlgorithm) {
    let scenarios = scenarios();
    let scenario = scenarios.iter().find(|scenario| scenario.name == name).expect("its name");
    let seen = sum(&simulate(&scenario.run, || Some(adaptive(algorithm)))[scenario.of.clone()]);
    let (goodput, refused) = scenario.bounds;
    assert!(seen.goodput() >= goodput, "{algorithm:?}: {} of what is possible is answered", seen.goodput());
    assert!(seen.refused_share() <= refused, "{algorithm:?}: {} is refused", seen.refused_share());
}

#[test]
fn nothing_is_refused_to_speak_of_where_there_is_room() {
    ALL.into_iter().for_each(|algorithm| check("half of the capacity", algorithm));
}

#[test]
fn an_overload_of_twice_the_capacity_leaves_nine_tenths_of_it() {
    ALL.into_iter().for_each(|algorithm| check("twice the capacity", algorithm));
}

#[test]
fn a_limit_follows_a_service_that_loses_half_of_its_servers_and_gets_them_back() {
    ALL.into_iter().for_each(|algorithm| check("twice, of 20 servers 10 are gone from second 20 to 40", algorithm));
}

#[test]
fn a_limit_follows_a_service_that_becomes_slower_by_itself() {
    ALL.into_iter()
        .for_each(|algorithm| check("twice, calls take 60 ms on 60 servers from second 20 to 40", algorithm));
}

#[test]
fn bursts_are_served_as_far_as_the_service_can() {
    ALL.into_iter()
        .for_each(|algorithm| check("bursts of ten times the usual 300 for a second of every five", algorithm));
}

#[test]
fn without_a_limit_an_overload_leaves_hardly_an_answer_in_time() {
    let seen = sum(&simulate(&STEADY, || None)[10..]);
    assert!(seen.goodput() < 0.05, "{}", seen.goodput());
}

#[test]
fn limits_that_look_at_latency_keep_it_low() {
    for algorithm in [AdaptiveAlgorithm::Vegas, AdaptiveAlgorithm::Gradient2] {
        let seen = sum(&simulate(&STEADY, || Some(adaptive(algorithm)))[10..]);
        assert!(seen.quantile(0.5) < 60.0, "{algorithm:?}: {} ms, of 20 without load", seen.quantile(0.5));
    }
}

fn row(text: &mut String, limit: &str, seen: &Seen) {
    let or_none = |shown: String, is_there: bool| if is_there { shown } else { "-".to_owned() };
    let quantile = |share: f64| or_none(format!("{:.0} ms", seen.quantile(share)), !seen.answered.is_empty());
    let _ = writeln!(
        text,
        "| {limit} | {:.0} % | {:.0} % | {} | {} | {} | {} |",
        seen.goodput() * 100.0,
        seen.refused_share() * 100.0,
        quantile(0.5),
        quantile(0.99),
        seen.late,
        or_none(seen.limit.to_string(), seen.limit > 0),
    );
}

/// The limit over time: one line for each two seconds, one sign for each eight calls.
fn plot(text: &mut String, seconds: &[Seen]) {
    for pair in seconds.chunks(2) {
        let Some(first) = pair.first() else { continue };
        let _ = writeln!(text, "{:>4} {}", first.limit, "#".repeat((first.limit as usize).div_ceil(8).min(60)));
    }
}

fn page() -> String {
    let mut text = String::new();
    for scenario in scenarios() {
        let _ = writeln!(text, "\n### {}\n", scenario.name);
        text.push_str(
            "| limit | answered in time, of what is possible | refused | p50 | p99 | too late | limit at the end |\n",
        );
        text.push_str("|---|---|---|---|---|---|---|\n");
        row(&mut text, "none", &sum(&simulate(&scenario.run, || None)[scenario.of.clone()]));
        for algorithm in ALL {
            let seen = simulate(&scenario.run, || Some(adaptive(algorithm)));
            row(&mut text, &format!("{algorithm:?}").to_lowercase(), &sum(&seen[scenario.of.clone()]));
        }
    }
    text.push_str("\n### The limit of vegas while 10 of 20 servers are gone from second 20 to 40\n\n```text\n");
    let gone = &scenarios()[2];
    plot(&mut text, &simulate(&gone.run, || Some(adaptive(AdaptiveAlgorithm::Vegas))));
    text.push_str("```\n");
    text
}

const BEGIN: &str = "<!-- simulated -->\n";
const END: &str = "<!-- end -->\n";

/// The page is for people: its numbers are written by this test, and held by the bounds of those above. Here only what it is
/// about is compared, since logarithms differ in their last digit from one machine to another.
#[test]
fn the_page_has_each_scenario() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/adaptive-limits.md");
    let page_now = std::fs::read_to_string(path).expect("the page");
    let (head, rest) = page_now.split_once(BEGIN).expect("its beginning");
    let (_, tail) = rest.split_once(END).expect("its end");
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(path, format!("{head}{BEGIN}{}{END}{tail}", page())).expect("to write the page");
        return;
    }
    for scenario in scenarios() {
        assert!(rest.contains(&format!("### {}\n", scenario.name)), "`UPDATE_PAGES=1` writes {}", scenario.name);
    }
}
