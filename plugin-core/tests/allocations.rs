//! What a call costs in allocations and in bytes of its future. Counts are per thread, so the tests do not disturb each
//! other. Each does the thing once before it counts: a clock's anchor or a thread's stripe is made only once.

use std::{
    future::Future,
    hint::black_box,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::measure;
use bytes::Bytes;
use futures_util::future::{Ready, ready};
use plugin_core::{
    BoxPlugin, Call, CallContext, Code, Plugin, PluginError, Reply,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
    sync::{Slots, Striped},
};
use plugin_telemetry::TelemetryLayer;
use tower::{Service, ServiceBuilder, service_fn};

/// Allocations of the second run of `f`.
fn allocations<T>(mut f: impl FnMut() -> T) -> u64 {
    drop(black_box(f()));
    measure(|| drop(black_box(f()))).count_total
}

/// The output of a future that is ready at once. Its waker allocates nothing.
fn polled_once<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is ready at once"),
    }
}

fn call() -> Call<Bytes> {
    Call::new(Bytes::from_static(b"payload"))
}

fn echo(call: Call<Bytes>) -> Ready<Result<Reply<Bytes>, PluginError>> {
    ready(Ok(Reply::new(call.into_payload())))
}

/// Three layers with named futures, as an application writes them.
fn typed() -> impl Plugin<Bytes, Bytes> {
    ServiceBuilder::new()
        .layer(TelemetryLayer::new("echo").for_calls())
        .layer(DeadlineLayer::new(Duration::from_secs(30)))
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(10)))
        .service(service_fn(echo))
}

#[test]
fn a_call_allocates_nothing_to_be_made() {
    let payload = Bytes::from_static(b"payload");
    assert_eq!(allocations(|| Call::new(payload.clone())), 0);
    assert_eq!(allocations(|| Call::new(payload.clone()).with_timeout(Duration::from_secs(1))), 0);
}

#[test]
fn three_typed_layers_over_a_ready_call_allocate_nothing() {
    let mut stack = typed();
    assert_eq!(allocations(|| polled_once(stack.call(call())).expect("a reply")), 0);
}

#[test]
fn an_erased_plugin_costs_one_allocation_per_call_and_one_per_clone() {
    let mut plugin = BoxPlugin::new(typed());
    assert_eq!(allocations(|| polled_once(plugin.call(call())).expect("a reply")), 1);
    assert_eq!(allocations(|| plugin.clone()), 1);
}

#[test]
fn a_call_through_slots_and_a_lease_allocates_nothing() {
    let slots = Striped::new(Slots::new(typed()));
    assert_eq!(allocations(|| polled_once(Slots::call(slots.lease(), call())).expect("a reply")), 0);
}

#[test]
fn a_call_through_slots_to_an_erased_plugin_costs_the_box_of_its_future() {
    let slots = Arc::new(Slots::new(BoxPlugin::new(typed())));
    assert_eq!(allocations(|| polled_once(Slots::call(&*slots, call())).expect("a reply")), 1);
}

#[test]
fn a_lease_allocates_nothing() {
    let striped = Striped::new(String::from("state"));
    assert_eq!(allocations(|| striped.lease()), 0);
    assert_eq!(allocations(|| striped.clone()), 0);
}

#[test]
fn cloning_a_context_allocates_nothing_whatever_it_carries() {
    let mut context = CallContext::new();
    assert_eq!(allocations(|| context.clone()), 0);
    context.headers_mut().insert("x-tenant", http::HeaderValue::from_static("blue"));
    context.metadata_mut().insert("tenant".into(), "blue".into());
    context.set_request_id("order-17");
    context.prefer("blue-1");
    assert_eq!(allocations(|| context.clone()), 0);
    assert_eq!(context.clone().metadata(), context.metadata());
}

#[test]
fn a_refusal_costs_one_allocation_and_its_text_is_made_when_it_is_read() {
    let mut stack = ServiceBuilder::new().layer(DeadlineLayer::enforce_only()).service(service_fn(echo));
    let error = polled_once(stack.call(expired())).expect_err("refused");
    assert_eq!(error.code(), Code::Timeout);
    assert_eq!(allocations(|| polled_once(stack.call(expired())).is_err()), 1);
}

fn expired() -> Call<Bytes> {
    Call::new(Bytes::from_static(b"payload")).with_timeout(Duration::ZERO)
}

#[test]
fn the_future_of_three_typed_layers_stays_small() {
    let mut stack = typed();
    let future = stack.call(Call::new(Bytes::new()));
    // The response of the plugin itself is the largest part. Nested async blocks would double it with each layer.
    let (whole, own) = (size_of_val(&future), size_of::<Ready<Result<Reply<Bytes>, PluginError>>>());
    assert!(whole <= own + 320, "{whole} bytes over {own} of the plugin's own");
    // The context, the payload, and what is known of it.
    let limit = 96 + size_of::<Bytes>() + size_of::<usize>();
    assert!(size_of::<Call<Bytes>>() <= limit, "{}", size_of::<Call<Bytes>>());
}
