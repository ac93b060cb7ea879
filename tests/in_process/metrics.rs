//! The page of `/metrics`: what it costs, that it can be read, and what other recorders get.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use metrics::Recorder;
use metrics_exporter_prometheus::PrometheusBuilder;
use plugin_core::{Call, PluginError, Reply};
use plugin_manager::{
    manager::{Manager, Registration},
    server::{Metrics, Publisher},
};
use plugin_telemetry::{Telemetry, TelemetryLayer};
use tower::{Layer, Service, service_fn};

type Answer = std::future::Ready<Result<Reply<Bytes>, PluginError>>;
type Counted = Telemetry<tower::util::ServiceFn<fn(Call<Bytes>) -> Answer>, plugin_telemetry::ByCall>;

struct Plugins {
    manager: Manager<Bytes, Bytes>,
    stacks: Vec<Counted>,
}

fn answer(call: Call<Bytes>) -> Answer {
    let fails = call.payload().as_ref() == b"fail";
    let error = || PluginError::execution("as asked");
    std::future::ready(if fails { Err(error()) } else { Ok(Reply::new(call.into_payload())) })
}

impl Plugins {
    fn new(names: impl IntoIterator<Item = String>) -> Self {
        let (manager, mut stacks) = (Manager::new(), Vec::new());
        for name in names {
            let layer = TelemetryLayer::new(name.as_str()).for_calls();
            let handle = layer.handle();
            let stack = layer.layer(service_fn(answer as fn(Call<Bytes>) -> Answer));
            stacks.push(stack.clone());
            manager.register_with(&name, Registration::new(stack).with_telemetry(handle)).expect("a free name");
        }
        Self { manager, stacks }
    }

    fn call(&mut self, times: usize, payload: &'static str) {
        for stack in &mut self.stacks {
            for _ in 0..times {
                let call = stack.call(Call::new(Bytes::from_static(payload.as_bytes())));
                let _ = futures_util::FutureExt::now_or_never(call).expect("ready at once");
            }
        }
    }
}

fn series(page: &str) -> Vec<&str> {
    page.lines()
        .map(|line| if line.starts_with('#') { line } else { line.rsplit_once(' ').expect("a value").0 })
        .collect()
}

/// Scrapes after one call to each of five hundred plugins, and again after so many more.
fn costs_what_it_shows(calls: usize) {
    let mut plugins = Plugins::new((0..500).map(|number| format!("plugin-{number:03}")));
    let metrics = Metrics::new();
    let list = plugins.manager.list();
    let scrape = || {
        let mut page = String::new();
        let memory = allocation_counter::measure(|| page = metrics.scrape(&list));
        (page, memory)
    };
    plugins.call(1, "1");
    let (few, first) = scrape();
    plugins.call(calls, "1");
    let (many, second) = scrape();
    assert_eq!(series(&few), series(&many), "the same series in the same order");
    assert!(many.len() < few.len() + 500 * 40 * 3, "digits alone have come: {} and {}", few.len(), many.len());
    // The page grows by doubling, so its own digits may cost a step of that.
    assert!(second.bytes_max <= first.bytes_max + first.bytes_max / 10, "{first:?} and {second:?}");
    assert_eq!(
        second.bytes_current,
        first.bytes_current + many.capacity() as i64 - few.capacity() as i64,
        "nothing is kept"
    );
    assert!(second.count_total < 500 * 10, "{second:?}");
}

#[test]
fn a_scrape_costs_what_it_shows_however_many_calls_there_were() {
    costs_what_it_shows(400);
}

#[test]
#[ignore = "soak: ten million calls"]
fn soak_a_scrape_after_ten_million_calls_costs_what_one_after_ten_does() {
    costs_what_it_shows(20_000);
}

#[test]
fn the_page_is_what_prometheus_reads_and_agrees_with_itself() {
    let mut plugins = Plugins::new(["a-b", "ü", "c"].map(str::to_owned));
    plugins.call(7, "1");
    plugins.call(3, "fail");
    let page = Metrics::new().scrape(&plugins.manager.list());
    let has = |line: &str| assert!(page.lines().any(|found| found == line), "{line}\n---\n{page}");
    has(r#"plugin_requests_total{plugin="a-b",status="success"} 7"#);
    has(r#"plugin_requests_total{plugin="ü",status="failure"} 3"#);
    has(r#"plugin_errors_total{plugin="c",code="PLUGIN_1203"} 3"#);
    has(r#"plugin_request_duration_seconds_count{plugin="c"} 10"#);
    has(r#"plugin_request_duration_seconds_bucket{plugin="c",le="+Inf"} 10"#);

    // Each family once with its help and type before its samples, no series twice, buckets that ascend to the count.
    let (mut families, mut seen, mut family) = (BTreeSet::new(), BTreeSet::new(), String::new());
    let mut bucket: Option<(f64, u64)> = None;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split_once(' ').expect("a text").0.to_owned();
            assert!(families.insert(family.clone()), "{family} twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(name == family && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
        } else {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            assert!(name.starts_with(&format!("{family}{{")) || name.starts_with(&format!("{family}_")), "{line}");
            assert!(name.ends_with('}') && seen.insert(name.to_owned()), "{line}");
            value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
            if let Some((_, bound)) = name.split_once("le=\"") {
                let bound = bound.trim_end_matches("\"}").replace("+Inf", "inf").parse::<f64>().expect("a number");
                let count = value.parse::<u64>().expect("a count");
                assert!(bucket.is_none_or(|(before, least)| before < bound && least <= count), "{line}");
                bucket = Some((bound, count));
            } else if let Some((_, count)) = bucket.take_if(|_| name.contains("_count{")) {
                assert_eq!(value.parse::<u64>().expect("a count"), count, "{line}");
            }
        }
    }
}

#[test]
fn a_call_that_takes_a_bound_exactly_is_within_it() {
    // On a paused clock, which is exact.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let page = runtime.expect("a runtime").block_on(async {
        let layer = TelemetryLayer::new("exact").for_calls();
        let handle = layer.handle();
        let stack = layer.layer(service_fn(|call: Call<Bytes>| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok::<_, PluginError>(Reply::new(call.into_payload()))
        }));
        let manager = Manager::new();
        manager.register_with("exact", Registration::new(stack).with_telemetry(handle)).expect("a free name");
        manager.execute("exact", Bytes::new()).await.expect("a reply");
        Metrics::new().scrape(&manager.list())
    });
    let has = |line: &str| assert!(page.lines().any(|found| found == line), "{line}\n---\n{page}");
    has(r#"plugin_request_duration_seconds_bucket{plugin="exact",le="0.0025"} 0"#);
    has(r#"plugin_request_duration_seconds_bucket{plugin="exact",le="0.005"} 1"#);
    has(r#"plugin_request_duration_seconds_sum{plugin="exact"} 0.005"#);
}

#[test]
fn a_recorder_of_ones_own_gets_what_has_come_since_the_last_time() {
    let mut plugins = Plugins::new(["a".to_owned()]);
    let recorder = PrometheusBuilder::new().build_recorder();
    let mut publisher = Publisher::new();
    let mut published = |plugins: &Plugins| {
        publisher.publish(&recorder, &plugins.manager.list());
        recorder.handle().run_upkeep();
        recorder.handle().render()
    };
    let count = |page: &str, series: &str| {
        let found = page.lines().find_map(|line| line.strip_prefix(series));
        found.unwrap_or_else(|| panic!("no {series}\n{page}")).trim().parse::<f64>().expect("a number")
    };
    let success = r#"plugin_requests_total{plugin="a",status="success"}"#;
    let durations = r#"plugin_request_duration_seconds_count{plugin="a"}"#;
    plugins.call(7, "1");
    let page = published(&plugins);
    assert_eq!((count(&page, success), count(&page, durations)), (7.0, 7.0));
    plugins.call(2, "1");
    plugins.call(1, "fail");
    let page = published(&plugins);
    assert_eq!((count(&page, success), count(&page, durations)), (9.0, 10.0));
    assert_eq!(count(&page, r#"plugin_errors_total{plugin="a",code="PLUGIN_1203"}"#), 1.0);
    let page = published(&plugins);
    assert_eq!((count(&page, success), count(&page, durations)), (9.0, 10.0), "nothing has come");
    // Registered anew under its name, it counts from zero.
    let mut anew = Plugins::new(["a".to_owned()]);
    anew.call(1, "1");
    assert_eq!(count(&published(&anew), success), 10.0);
}

#[test]
fn metrics_of_the_application_join_the_page_and_cannot_repeat_the_plugins() {
    let mut plugins = Plugins::new(["a".to_owned()]);
    plugins.call(1, "1");
    let metrics = Metrics::new();
    metrics::with_local_recorder(&metrics.recorder(), || {
        metrics::counter!("orders_total", "kind" => "new").increment(3)
    });
    Publisher::new().publish(&metrics.recorder() as &dyn Recorder, &plugins.manager.list());
    let page = metrics.scrape(&plugins.manager.list());
    assert!(page.lines().any(|line| line == r#"orders_total{kind="new"} 3"#), "{page}");
    assert_eq!(page.matches("# TYPE plugin_requests_total ").count(), 1, "{page}");
    assert_eq!(page.matches(r#"plugin_requests_total{plugin="a",status="success"} "#).count(), 1, "{page}");
}
