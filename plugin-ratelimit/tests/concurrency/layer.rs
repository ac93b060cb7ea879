//! The layer over `Call`, over any other request, and over a mock that shows when the inner service is asked.

use std::rc::Rc;

use plugin_core::{Call, Code, PluginError, Rejected, Reply, Sent, deadline::DeadlineLayer, readiness};
use plugin_ratelimit::concurrency::{ConcurrencyLimitLayer, HoldPermit};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{MS, SECOND, config, counts, take};

#[tokio::test(start_paused = true)]
async fn readiness_is_that_of_the_inner_service_and_reserves_nothing() {
    let (mock, mut inner) = tower_test::mock::pair::<(), ()>();
    inner.allow(0);
    let layer = ConcurrencyLimitLayer::new(config(1, 0));
    let mut stack = task::spawn(layer.layer(mock));
    assert_pending!(stack.enter(|cx, mut stack| stack.poll_ready(cx)));
    inner.allow(10);
    for _ in 0..3 {
        let mut ready = layer.layer(stack.get_ref().clone());
        assert_ready_ok!(task::spawn(ready.ready()).poll()); // and dropped
    }
    assert_eq!(layer.handle().stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_reaches_the_inner_service_when_another_has_ended() {
    let (mock, mut inner) = tower_test::mock::pair::<&str, &str>();
    let layer = ConcurrencyLimitLayer::new(config(1, 1));
    let mut stack = layer.layer(mock);
    assert_ready_ok!(task::spawn(stack.ready()).poll());
    let mut first = task::spawn(stack.call("first"));
    assert_pending!(first.poll());
    assert_ready_ok!(task::spawn(stack.ready()).poll());
    let mut second = task::spawn(stack.call("second"));
    assert_pending!(second.poll());
    assert_ready_ok!(task::spawn(stack.ready()).poll());
    let refused = assert_ready!(task::spawn(stack.call("third")).poll()).expect_err("one may wait");
    assert_eq!(Rejected::find(&*refused).map(Rejected::code), Some(Code::QueueFull));

    let (request, respond) = inner.next_request().await.expect("it passed");
    assert_eq!(request, "first");
    assert_pending!(task::spawn(inner.next_request()).poll(), "only one came through");
    respond.send_response("one");
    assert_eq!(assert_ready_ok!(first.poll()), "one");
    assert!(second.is_woken());
    assert_pending!(second.poll());
    let (request, respond) = inner.next_request().await.expect("its turn");
    assert_eq!(request, "second");
    respond.send_response("two");
    assert_eq!(assert_ready_ok!(second.poll()), "two");
    let stats = layer.handle().stats();
    assert_eq!((stats.in_flight, stats.admitted, stats.refused), (0, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn all_that_a_layer_makes_is_under_one_limit() {
    let layer = ConcurrencyLimitLayer::new(config(1, 0));
    let service = service_fn(|(): ()| async { Ok::<_, Rejected>(()) });
    let (first, second) = (layer.layer(service), layer.clone().layer(service));
    let permit = take(layer.handle().limit(), 1);
    for service in [first.clone(), second, first] {
        assert_eq!(service.oneshot(()).await.expect_err("no place").code(), Code::ConcurrencyExceeded);
    }
    drop(permit);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_as_important_as_its_context_says() {
    let layer = ConcurrencyLimitLayer::new(config(1, 1)).for_calls();
    let limit = layer.handle().limit().clone();
    let service =
        layer.layer(service_fn(|call: Call<i16>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) }));
    let call = |priority: i16| {
        let mut call = Call::new(priority);
        call.context_mut().set_priority(priority);
        task::spawn(service.clone().oneshot(call))
    };
    let permit = take(&limit, 1);
    let mut usual = call(0);
    assert_pending!(usual.poll());
    let mut high = call(5);
    assert_pending!(high.poll());
    assert_eq!(assert_ready!(usual.poll()).expect_err("it gave way").code(), Code::Shed);
    drop(permit);
    assert_eq!(*assert_ready_ok!(high.poll()).payload(), 5);
}

#[tokio::test(start_paused = true)]
async fn the_request_may_be_anything_and_a_closure_reads_its_priority_and_answers_refusals() {
    let layer = ConcurrencyLimitLayer::new(config(1, 1))
        .prioritize(|request: &Rc<i16>| **request)
        .reject_with(|rejected: Rejected| Ok::<_, PluginError>(rejected.to_string()));
    let limit = layer.handle().limit().clone();
    let stack = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(|request: Rc<i16>| async move { Ok(format!("passed {request}")) }));
    let permit = take(&limit, 1);
    let mut first = task::spawn(stack.clone().oneshot(Rc::new(1)));
    assert_pending!(first.poll());
    let answer = stack.clone().oneshot(Rc::new(0)).await.expect("an answer");
    assert_eq!(answer, "the waiting line is full (OVERLOAD_2002)");
    drop(permit);
    assert_eq!(assert_ready_ok!(first.poll()), "passed 1");
}

#[tokio::test(start_paused = true)]
async fn a_disabled_layer_is_the_same_type_and_passes_everything_until_it_is_enabled() {
    let layer = ConcurrencyLimitLayer::disabled();
    let handle = layer.handle();
    handle.reconfigure(config(1, 0));
    let service = layer.layer(service_fn(|(): ()| async { Ok::<_, Rejected>(()) }));
    let permits = take(handle.limit(), 2);
    assert!(service.clone().oneshot(()).await.is_ok());
    assert_eq!((counts(handle.limit()), handle.stats().admitted), ((0, 0), 0), "what passes is not counted");
    handle.enable();
    let counted = take(handle.limit(), 1);
    assert!(handle.is_enabled() && service.clone().oneshot(()).await.is_err());
    drop(permits);
    assert!(service.clone().oneshot(()).await.is_err(), "the permits of before are nobody's place");
    drop(counted);
    assert!(service.oneshot(()).await.is_ok());
    assert_eq!(counts(handle.limit()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_polled_ready_for_a_call_that_waits_or_is_refused_is_said_to_be_unused() {
    let layer = ConcurrencyLimitLayer::new(config(1, 1));
    let mut kept = layer.layer(service_fn(|(): ()| async { Ok::<_, Rejected>(()) }));
    let mut given_back = Vec::new();
    let mut calls = Vec::new();
    for _ in 0..3 {
        let mut unused = false;
        calls.push(task::spawn(readiness::call_or(&mut kept, (), |service| {
            unused = true;
            service.clone()
        })));
        given_back.push(unused);
    }
    assert_eq!(given_back, [false, true, true]);
    let first = calls.remove(0);
    assert_pending!(calls[0].poll());
    assert!(assert_ready!(calls[1].poll()).is_err());
    drop(first);
    assert!(assert_ready!(calls[0].poll()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_its_place_and_waits_for_the_service_was_not_sent() {
    let (mock, mut inner) = tower_test::mock::pair::<Call<u8>, Reply<u8>>();
    inner.allow(0);
    let layer = ConcurrencyLimitLayer::new(config(1, 1));
    let permit = take(layer.handle().limit(), 1);
    // A clone waits for its place, and then for the service, which never is ready.
    let mut limited = layer.layer(mock);
    let answered = DeadlineLayer::new(SECOND).layer(service_fn(move |call: Call<u8>| limited.call(call)));
    let mut call = task::spawn(answered.oneshot(Call::new(1)));
    assert_pending!(call.poll());
    drop(permit);
    assert_pending!(call.poll());
    assert_eq!(counts(layer.handle().limit()), (1, 0));
    tokio::time::advance(SECOND + MS).await;
    let error = assert_ready!(call.poll()).expect_err("its time is up");
    let rejected = Rejected::find(&*error).expect("a refusal");
    assert_eq!((rejected.sent(), rejected.stage()), (Sent::Nothing, Some("waiting for the service to be ready")));
    assert_eq!(counts(layer.handle().limit()), (0, 0));
}

#[test]
fn the_head_holds_a_permit_by_default_for_any_response() {
    fn holds<Res, O: HoldPermit<Res>>() {}
    holds::<Rc<()>, plugin_core::AtHead>();
}
