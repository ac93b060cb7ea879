//! A call through a balancer allocates nothing, and neither does a pick.

use std::{
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use plugin_core::{Call, PluginError, Reply};
use plugin_lb::{
    Balance, BalanceConfig, Endpoint, Hints, LoadReport, MirrorConfig, MirrorLayer, Strategy, TrafficSplit,
    TrafficSplitConfig,
};
use tower::Layer;
use tower_service::Service;

#[derive(Clone)]
struct Echo;

impl Service<Call<Bytes>> for Echo {
    type Response = Reply<Bytes>;
    type Error = PluginError;
    type Future = Ready<Result<Reply<Bytes>, PluginError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Bytes>) -> Self::Future {
        ready(Ok(Reply::new(call.into_payload())))
    }
}

#[test]
fn neither_a_pick_nor_a_call_allocates_whatever_the_strategy() {
    let bounded = [Strategy::ConsistentHash, Strategy::Maglev]
        .map(|strategy| BalanceConfig::builder().with_strategy(strategy).with_max_load(1.25).build().expect("valid"));
    for instances in [1, 2, 10] {
        for config in Strategy::ALL.iter().map(|strategy| BalanceConfig::new(*strategy)).chain(bounded.clone()) {
            let endpoints = (0..instances).map(|index| Endpoint::new(index.to_string(), Echo));
            let mut balance = Balance::new(config.clone(), endpoints).expect("distinct names").for_calls();
            let handle = balance.handle();
            let mut one_call = || {
                let future = pin!(balance.call(Call::new(Bytes::from_static(b"payload"))));
                let polled = future.poll(&mut Context::from_waker(Waker::noop()));
                assert!(matches!(polled, Poll::Ready(Ok(_))));
            };
            // The first look at clock, generator and stripe of a thread sets them up.
            one_call();
            drop(handle.pick(&Hints::new()));
            let info = allocation_counter::measure(|| {
                for _ in 0..100 {
                    one_call();
                    drop(handle.pick(&Hints::new()));
                }
            });
            assert_eq!(info.count_total, 0, "{config:?} over {instances}");
        }
    }
}

/// Makes a call, which is answered at once, and gives back how often that allocates after the first time.
fn allocations_of(service: &mut impl Service<Call<Bytes>, Response = Reply<Bytes>>, key: Option<&[u8]>) -> u64 {
    let mut one_call = || {
        let mut call = Call::new(Bytes::from_static(b"payload"));
        if let Some(key) = key {
            call.context_mut().set_affinity_key(key);
        }
        let future = pin!(service.call(call));
        let polled = future.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(_))));
    };
    one_call();
    allocation_counter::measure(|| (0..1000).for_each(|_| one_call())).count_total
}

#[test]
fn a_call_through_a_split_allocates_nothing_with_and_without_a_key() {
    for weights in [vec![1], vec![90, 10], vec![4_000, 3_000, 2_000, 999]] {
        let names: Vec<_> = (0..weights.len()).map(|index| index.to_string()).collect();
        let named = names.iter().zip(&weights);
        let config =
            named.fold(TrafficSplitConfig::builder(), |all, (name, weight)| all.with_weight(name.as_str(), *weight));
        let branches = names.iter().map(|name| (name.as_str(), Echo));
        let split = TrafficSplit::new(config.build().expect("valid"), branches).expect("distinct names");
        let mut split = split.for_calls();
        assert_eq!(allocations_of(&mut split, None), 0, "{weights:?}");
        assert_eq!(allocations_of(&mut split, Some(b"user-7")), 0, "{weights:?}");
    }
}

#[test]
fn a_call_that_is_not_copied_allocates_nothing() {
    let config = MirrorConfig::builder().with_percent(0.01).build().expect("valid");
    let layer = MirrorLayer::new(config, Echo).for_calls();
    assert_eq!(allocations_of(&mut layer.layer(Echo), None), 0);
    assert_eq!((layer.handle().stats().mirrored, layer.handle().stats().dropped), (0, 0));
}

#[test]
fn neither_does_the_reading_of_a_load_report() {
    let handle = Balance::new(BalanceConfig::new(Strategy::ReportedWeights), [Endpoint::new("a", Echo)]);
    let handle = handle.expect("one name").handle();
    let message = LoadReport::new().with_cpu_utilization(0.5).with_requests_per_second(100.0).to_bytes();
    let read = || {
        let forms = [
            LoadReport::parse("TEXT cpu_utilization=0.5,rps_fractional=100"),
            LoadReport::parse(r#"JSON {"cpu_utilization":0.5,"named_metrics":{"a":[1]},"rps_fractional":100}"#),
            LoadReport::parse("BIN CQAAAAAAAOA/MQAAAAAAAFlA"),
            LoadReport::from_bytes(&message),
        ];
        for report in forms {
            handle.report("a", &report.expect("a report")).expect("it is there");
        }
    };
    read();
    assert_eq!(allocation_counter::measure(read).count_total, 0);
    assert_eq!(handle.get("a").and_then(|stats| stats.reported_weight), Some(200.0));
}
