//! A breaker per key.

mod common;

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use common::*;
use plugin_breaker::{CircuitBreakerConfig, CircuitState, KeyedBreaker, KeyedBreakerLayer};
use plugin_core::{BoxError, Code, Rejected};
use tower::{Layer, Service, ServiceExt};

/// A key, and whether the call succeeds.
type Request = (Option<u32>, bool);
type KeyFn = fn(&Request) -> Option<u32>;
type KeyedLayer = KeyedBreakerLayer<u32, KeyFn>;

#[derive(Clone)]
struct Inner;

impl Service<Request> for Inner {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (_, succeeds): Request) -> Self::Future {
        ready(if succeeds { Ok(()) } else { Err("failed".into()) })
    }
}

fn keyed(cap: usize) -> KeyedLayer {
    let key: KeyFn = |request| request.0;
    KeyedBreakerLayer::new(CircuitBreakerConfig::default(), key).with_cap(cap)
}

/// The code of the refusal, when the breaker refused.
async fn refused(stack: &KeyedBreaker<Inner, u32, KeyFn>, key: u32, succeeds: bool) -> Option<Code> {
    let error = stack.clone().oneshot((Some(key), succeeds)).await.err()?;
    Rejected::find(&*error).map(Rejected::code)
}

async fn trip(stack: &KeyedBreaker<Inner, u32, KeyFn>, key: u32) {
    for _ in 0..5 {
        assert_eq!(refused(stack, key, false).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_fails_is_refused_and_the_others_are_not() {
    let layer = keyed(100);
    let stack = layer.layer(Inner);
    trip(&stack, 7).await;
    assert_eq!(refused(&stack, 7, true).await, Some(Code::CircuitOpen));
    assert_eq!(refused(&stack, 8, true).await, None);
    let handle = layer.handle();
    assert_eq!(handle.get(&7).expect("used").state(), CircuitState::Open);
    assert_eq!((handle.stats().breakers, handle.get(&9).is_none()), (2, true));
    advance(30 * SECOND).await;
    assert_eq!(refused(&stack, 7, true).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_key_passes_without_a_breaker() {
    let layer = keyed(100);
    let stack = layer.layer(Inner);
    for _ in 0..20 {
        let error = stack.clone().oneshot((None, false)).await.expect_err("fails by itself");
        assert!(Rejected::find(&*error).is_none());
    }
    assert_eq!((layer.handle().stats().breakers, layer.handle().stats().unguarded), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_keys_stays_below_the_cap_and_forgets_no_open_circuit() {
    let layer = keyed(100);
    let stack = layer.layer(Inner);
    for key in 0..20 {
        trip(&stack, key).await;
    }
    for key in 1000..5000 {
        assert_eq!(refused(&stack, key, true).await, None);
        assert!(layer.handle().stats().breakers <= 100);
    }
    for key in 0..20 {
        assert_eq!(refused(&stack, key, true).await, Some(Code::CircuitOpen), "{key}");
    }
    assert_eq!(layer.handle().stats().unguarded, 0, "closed and idle ones made room");
}

#[tokio::test(start_paused = true)]
async fn when_every_breaker_must_stay_a_new_key_passes_without_one_and_is_counted() {
    let layer = keyed(10);
    let stack = layer.layer(Inner);
    for key in 0..10 {
        trip(&stack, key).await;
    }
    assert_eq!(refused(&stack, 99, false).await, None);
    assert_eq!((layer.handle().stats().breakers, layer.handle().stats().unguarded), (10, 1));
    // Open circuits that nobody asks for any more make room once their open time is over.
    advance(31 * SECOND).await;
    for key in 100..110 {
        assert_eq!(refused(&stack, key, true).await, None);
    }
    assert!(layer.handle().get(&109).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_breaker_whose_call_is_running_or_whose_handle_is_held_stays() {
    let layer = keyed(4);
    let mut stack = layer.layer(Inner);
    let held = stack.ready().await.expect("ready").call((Some(1), true));
    refused(&stack, 2, true).await;
    let handle = layer.handle().get(&2).expect("used");
    handle.isolate();
    for key in 10..500 {
        refused(&stack, key, true).await;
    }
    assert!(layer.handle().get(&1).is_some() && layer.handle().get(&2).is_some());
    held.await.expect("succeeds");
    assert_eq!(layer.handle().get(&1).expect("stayed").stats().successes, 1);
    assert_eq!(refused(&stack, 2, true).await, Some(Code::CircuitOpen));
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_has_said_of_a_key_is_not_forgotten_for_others() {
    let layer = keyed(3);
    let stack = layer.layer(Inner);
    for key in 0..3 {
        refused(&stack, key, true).await;
    }
    let handle = |key| layer.handle().get(&key).expect("it is there");
    handle(0).isolate();
    handle(1).disable();
    handle(2).metrics_only();
    advance(3600 * SECOND).await;
    for key in 10..20 {
        assert_eq!(refused(&stack, key, true).await, None);
    }
    let states = [CircuitState::Isolated, CircuitState::Disabled, CircuitState::MetricsOnly];
    assert_eq!([0, 1, 2].map(|key| handle(key).state()), states);
    assert_eq!(layer.handle().stats().unguarded, 10);
}

#[tokio::test(start_paused = true)]
async fn other_settings_reach_the_keys_that_are_there_and_those_that_come() {
    let layer = keyed(100);
    let stack = layer.layer(Inner);
    refused(&stack, 1, true).await;
    let strict = config().with_failure_threshold(1).with_min_request_threshold(0).build().expect("valid");
    layer.handle().reconfigure(strict);
    for key in [1, 2] {
        assert_eq!(refused(&stack, key, false).await, None);
        assert_eq!(refused(&stack, key, true).await, Some(Code::CircuitOpen));
    }
    layer.handle().reconfigure(config().with_enabled(false).build().expect("valid"));
    for key in [1, 2, 3] {
        assert_eq!(refused(&stack, key, true).await, None);
    }
    assert_eq!(layer.handle().stats().breakers, 2);
}

#[tokio::test(start_paused = true)]
async fn all_services_of_a_layer_share_the_breakers_of_its_keys() {
    let layer = keyed(100);
    trip(&layer.layer(Inner), 5).await;
    assert_eq!(refused(&layer.clone().layer(Inner), 5, true).await, Some(Code::CircuitOpen));
    layer.handle().remove(&5);
    assert_eq!(refused(&layer.layer(Inner), 5, true).await, None);
    assert_eq!(layer.handle().list().len(), 1);
}
