//! What backends say of their load: where it is read, from when on it counts, and what shares it comes to.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_core::{Call, PluginError, Reply};
use plugin_lb::{
    Balance, BalanceConfig, BalanceHandle, Endpoint, Hints, LoadReport, MembershipErrorKind, ReportedWeightsConfig,
    Strategy,
};
use tower::{Service, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn config() -> BalanceConfig {
    BalanceConfig::new(Strategy::ReportedWeights)
}

fn busy(utilization: f64) -> LoadReport {
    LoadReport::new().with_cpu_utilization(utilization).with_requests_per_second(100.0)
}

/// How many of so many picks each has, by name.
fn shares<S: Clone>(handle: &BalanceHandle<S>, picks: usize) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = handle.stats().iter().map(|stats| (stats.name.to_string(), 0)).collect();
    for _ in 0..picks {
        *counts.entry(handle.pick(&Hints::new()).expect("enabled").name().to_owned()).or_default() += 1;
    }
    counts
}

fn assert_about(counts: &BTreeMap<String, usize>, wanted: &[usize]) {
    let is_about = counts.values().zip(wanted).all(|(count, wanted)| count.abs_diff(*wanted) <= 4);
    assert!(is_about && counts.len() == wanted.len(), "{counts:?}, and not {wanted:?}");
}

/// A backend that says so of its load with each answer, as [`Reported::set`] says.
#[derive(Clone, Default)]
struct Reported(Arc<Mutex<BTreeMap<String, String>>>);

impl Reported {
    fn set(&self, metadata: &[(&str, &str)]) {
        *self.0.lock().expect("no panic") =
            metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        self.0.lock().expect("no panic").clone()
    }
}

#[tokio::test(start_paused = true)]
async fn reports_in_the_metadata_of_replies_become_shares_after_the_blackout_and_expire() {
    let backends = ["a", "b", "c"].map(|name| (name, Reported::default()));
    let endpoints = backends.clone().map(|(name, reported)| {
        let answer = move |_: Call<u8>| {
            std::future::ready(Ok::<_, PluginError>(Reply::new(name).with_metadata(reported.metadata())))
        };
        Endpoint::new(name, service_fn(answer))
    });
    let mut balance = Balance::new(config(), endpoints).expect("names of their own").for_calls();
    let handle = balance.handle();
    backends[0].1.set(&[("endpoint-load-metrics", &busy(0.2).to_header_value())]);
    backends[1].1.set(&[("endpoint-load-metrics", r#"JSON {"cpu_utilization":0.5,"rps_fractional":100}"#)]);
    // `busy(0.8)`, as gRPC has it in binary metadata.
    backends[2].1.set(&[("endpoint-load-metrics-bin", "CZqZmZmZmek/MQAAAAAAAFlA")]);
    let mut calls = async |calls: usize| {
        for _ in 0..calls {
            tokio::time::advance(SECOND / 10).await;
            balance.call(Call::new(1)).await.expect("answered");
        }
    };
    calls(30).await;
    assert_about(&shares(&handle, 300), &[100, 100, 100]);
    assert_eq!(handle.get("c").and_then(|stats| stats.reported_weight), Some(125.0));
    // Ten seconds after the first, and a period for the weights to be read.
    calls(100).await;
    assert_about(&shares(&handle, 660), &[400, 160, 100]);
    // One that says nothing any more keeps its weight for three minutes, and then has the mean of the others.
    backends[1].1.set(&[]);
    calls(1750).await;
    assert_about(&shares(&handle, 660), &[400, 160, 100]);
    calls(100).await;
    assert_about(&shares(&handle, 750), &[400, 250, 100]);
    // What cannot be read is none, and keeps nothing alive.
    backends[1].1.set(&[("endpoint-load-metrics", "TEXT cpu_utilization=NaN,rps_fractional=1")]);
    calls(200).await;
    assert_about(&shares(&handle, 750), &[400, 250, 100]);
    // When it reports again the blackout is before it.
    backends[1].1.set(&[("endpoint-load-metrics", &busy(0.2).to_header_value())]);
    calls(50).await;
    assert_about(&shares(&handle, 750), &[400, 250, 100]);
    calls(100).await;
    assert_about(&shares(&handle, 900), &[400, 400, 100]);
}

#[tokio::test(start_paused = true)]
async fn a_report_by_hand_is_one_and_an_unknown_name_is_an_error() {
    let weights = ReportedWeightsConfig::builder().with_blackout_period(Duration::ZERO).build().expect("valid");
    let config = BalanceConfig::builder().with_strategy(Strategy::ReportedWeights).with_reported_weights(weights);
    let balance = Balance::new(config.build().expect("valid"), ["a", "b"].map(|name| Endpoint::new(name, ())));
    let handle = balance.expect("two names").handle();
    handle.report("a", &busy(0.25)).expect("it is there");
    handle.report("b", &busy(0.75)).expect("it is there");
    assert_about(&shares(&handle, 400), &[300, 100]);
    let error = handle.report("c", &busy(0.5)).expect_err("there is none");
    assert_eq!(error.kind(), MembershipErrorKind::Unknown);
    // Half of what is asked of `a` fails: it is as busy as 0.75.
    handle.report("a", &busy(0.25).with_errors_per_second(50.0)).expect("it is there");
    assert_about(&shares(&handle, 400), &[300, 100]);
    tokio::time::advance(SECOND).await;
    assert_about(&shares(&handle, 400), &[200, 200]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_under_another_strategy_and_what_was_known_stays() {
    let balance = Balance::new(BalanceConfig::default(), ["a", "b"].map(|name| Endpoint::new(name, ())));
    let handle = balance.expect("two names").handle();
    handle.report("a", &busy(0.25)).expect("it is there");
    assert_eq!(handle.get("a").and_then(|stats| stats.reported_weight), None);
    handle.reconfigure(config());
    for (name, utilization) in [("a", 0.25), ("b", 0.75)] {
        handle.report(name, &busy(utilization)).expect("it is there");
    }
    tokio::time::advance(10 * SECOND).await;
    assert_about(&shares(&handle, 400), &[300, 100]);
    handle.reconfigure(BalanceConfig::default());
    assert_about(&shares(&handle, 400), &[200, 200]);
    handle.reconfigure(config());
    assert_about(&shares(&handle, 400), &[300, 100]);
    // Who joins, or leaves, has the weights read at once: the newcomer has the mean.
    handle.add(Endpoint::new("c", ())).expect("a new name");
    assert_about(&shares(&handle, 600), &[300, 100, 200]);
}

#[test]
fn threads_that_pick_and_report_at_once_disturb_nobody() {
    let weights = ReportedWeightsConfig::builder().with_blackout_period(Duration::ZERO);
    let weights = weights.with_weight_update_period(Duration::from_millis(100)).build().expect("valid");
    let config = BalanceConfig::builder().with_strategy(Strategy::ReportedWeights).with_reported_weights(weights);
    let endpoints = (0..20).map(|index| Endpoint::new(index.to_string(), ()));
    let balance = Balance::new(config.build().expect("valid"), endpoints).expect("names of their own");
    let handle = balance.handle();
    let picked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (handle, picked) = (handle.clone(), &picked);
            scope.spawn(move || {
                for round in 0..2_000 {
                    let name = (round * (thread + 1) % 20).to_string();
                    handle.report(&name, &busy(0.1 + f64::from(round % 9) / 10.0)).expect("it is there");
                    drop(handle.pick(&Hints::new()).expect("enabled"));
                    picked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(picked.load(Ordering::Relaxed), 8_000);
    assert!(handle.stats().iter().all(|stats| stats.active == 0 && stats.reported_weight.is_some()));
}
