//! A call through a balancer allocates nothing, and neither does a pick.

use std::{
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use plugin_core::{Call, PluginError, Reply};
use plugin_lb::{Balance, BalanceConfig, Endpoint, Hints, LoadReport, Strategy};
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
        for config in Strategy::ALL.iter().map(|strategy| BalanceConfig::new(*strategy)).chain(bounded) {
            let endpoints = (0..instances).map(|index| Endpoint::new(index.to_string(), Echo));
            let mut balance = Balance::new(config, endpoints).expect("distinct names").for_calls();
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
