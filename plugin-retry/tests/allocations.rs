//! What a call that does not fail costs in allocations, and in bytes of its future.
#![cfg(not(loom))]

mod common;

use std::{
    future::{Future, Ready, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use bytes::Bytes;
use common::{SECOND, call};
use plugin_core::{Call, PluginError, Reply};
use plugin_retry::{HedgeConfig, HedgeLayer, RetryConfig, RetryLayer};
use tower::{Layer, Service, service_fn};

type Answer = Ready<Result<Reply<Bytes>, PluginError>>;

fn echo(call: Call<Bytes>) -> Answer {
    ready(Ok(Reply::new(call.into_payload())))
}

/// Allocations of the second call: a clock's anchor and a thread's stripe are made only once.
fn allocations<S>(mut service: S) -> u64
where
    S: Service<Call<Bytes>, Error = PluginError>,
{
    let mut once = || {
        let mut context = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut context).is_ready());
        match pin!(service.call(call())).poll(&mut context) {
            Poll::Ready(result) => drop(black_box(result)),
            Poll::Pending => panic!("it is ready at once"),
        }
    };
    once();
    measure(once).count_total
}

#[test]
fn a_call_that_does_not_fail_allocates_nothing() {
    let free = RetryConfig::builder().without_budget().build().expect("in bounds");
    assert_eq!(allocations(RetryLayer::new(free).layer(service_fn(echo))), 0);
    assert_eq!(allocations(RetryLayer::default().layer(service_fn(echo))), 0);
    assert_eq!(allocations(RetryLayer::disabled().layer(service_fn(echo))), 0);
    let hedge = HedgeConfig::builder().with_delay(SECOND).build().expect("in bounds");
    assert_eq!(allocations(HedgeLayer::new(hedge).layer(service_fn(echo))), 0);
    let hedge = HedgeConfig::builder().with_percentile(95.0).build().expect("in bounds");
    assert_eq!(allocations(HedgeLayer::new(hedge).layer(service_fn(echo))), 0);
}

#[test]
fn a_layer_adds_a_kept_call_and_little_more_to_a_future() {
    let inner = size_of::<Answer>();
    let mut retry = RetryLayer::default().layer(service_fn(echo));
    let future = retry.call(call());
    // The request of an attempt that waits shares the room of an attempt that runs.
    let limit = 2 * size_of::<Call<Bytes>>() + inner + 96;
    assert!(size_of_val(&future) <= limit, "{} bytes of {limit}", size_of_val(&future));
}

#[cfg(feature = "http")]
#[test]
fn a_request_that_may_not_be_repeated_is_not_copied() {
    use http::{Method, Request, Response};
    use http_body_util::Full;
    use plugin_core::BoxError;

    let count = |method: Method| {
        let service = service_fn(|_: Request<Full<Bytes>>| ready(Ok::<_, BoxError>(Response::new(()))));
        let mut service = RetryLayer::new(RetryConfig::default()).for_http().layer(service);
        let mut once = || {
            let request = Request::builder().method(method.clone()).header("x-key", "7");
            let request = request.body(Full::new(Bytes::from_static(b"payload"))).expect("valid");
            measure(|| {
                let polled = pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_ready());
            })
            .count_total
        };
        once();
        once()
    };
    assert_eq!(count(Method::POST), 0);
    assert!(count(Method::GET) > 0, "the head is copied, which shows that the count counts");
}
