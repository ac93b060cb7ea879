//! The list `on`: the breaker itself takes for failures what it names, and nothing else.
#![cfg(all(feature = "http", not(loom)))]

use std::convert::Infallible;

use http::{Request, Response};
use plugin_breaker::{CircuitBreakerConfig, CircuitBreakerLayer, CircuitBreakerStats, KeyedBreakerLayer};
use plugin_core::{Code, PluginError};
use tower::{Layer, Service, ServiceExt, service_fn};

fn on(names: &[&str]) -> CircuitBreakerConfig {
    let names: Vec<_> = names.iter().map(|name| name.parse().expect("a condition")).collect();
    CircuitBreakerConfig::builder().with_failures_on(names).build().expect("in bounds")
}

/// Successes, failures, and what says nothing.
fn counts(stats: &CircuitBreakerStats) -> [u64; 3] {
    [stats.successes, stats.failures, stats.ignored]
}

/// A call that is answered with the status in its path, such as `/503`.
async fn answered<S, B>(service: S, status: u16)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    let request = Request::builder().uri(format!("/{status}")).body(()).expect("valid");
    service.oneshot(request).await.expect("infallible");
}

async fn answer(request: Request<()>) -> Result<Response<bytes::Bytes>, Infallible> {
    let status: u16 = request.uri().path()[1..].parse().expect("a number");
    Ok(Response::builder().status(status).body(bytes::Bytes::new()).expect("valid"))
}

#[tokio::test(start_paused = true)]
async fn the_list_says_what_a_failure_is_for_errors_and_for_statuses() {
    let layer = CircuitBreakerLayer::new(on(&["PLUGIN_1205"]));
    let stack = layer.layer(service_fn(|code: Code| async move { Err::<(), _>(PluginError::new(code, "no")) }));
    for code in [Code::ConnectionFailed, Code::ExecutionFailed] {
        stack.clone().oneshot(code).await.expect_err("as it was told");
    }
    assert_eq!(counts(&layer.handle().stats()), [0, 1, 1]);

    let layer = CircuitBreakerLayer::new(on(&["404", "503"])).for_http();
    let stack = layer.layer(service_fn(answer));
    for status in [200, 404, 500, 503] {
        answered(stack.clone(), status).await;
    }
    assert_eq!(counts(&layer.handle().stats()), [1, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_of_one_key_goes_by_the_list_too() {
    let layer = KeyedBreakerLayer::new(on(&["404"]), |_: &Request<()>| Some(1)).for_http();
    let stack = layer.layer(service_fn(answer));
    for status in [200, 404, 500] {
        answered(stack.clone(), status).await;
    }
    assert_eq!(counts(&layer.handle().get(&1).expect("used").stats()), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn another_list_counts_from_the_next_call_on() {
    let layer = CircuitBreakerLayer::new(on(&[])).for_http();
    let stack = layer.layer(service_fn(answer));
    for (names, expected) in [(&[][..], [1, 1, 0]), (&["404"], [1, 2, 1]), (&["5xx"], [2, 3, 1])] {
        layer.handle().reconfigure(on(names));
        answered(stack.clone(), 404).await;
        answered(stack.clone(), 500).await;
        assert_eq!(counts(&layer.handle().stats()), expected, "{names:?}");
    }
}
