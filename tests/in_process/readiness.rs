//! Whatever refuses, and whoever keeps the stack: a permit of tower's own that the refused call had readied is free again
//! as soon as the call has been made.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use plugin_breaker::{CircuitBreakerConfig, CircuitBreakerLayer, KeyedBreakerLayer};
use plugin_core::{
    BoxPlugin, Call, Code, HealthCell, HealthState, HealthStatus, Plugin, PluginError, Reply, sync::Slots,
};
use plugin_health::{HealthGateConfig, HealthGateLayer};
use plugin_lb::{Balance, BalanceConfig, Endpoint};
use plugin_manager::manager::Manager;
use plugin_ratelimit::{RateLimitConfig, RateLimitLayer};
use plugin_retry::{HedgeConfig, HedgeLayer, RetryConfig, RetryLayer};
use tokio::sync::Semaphore;
use tower::{Layer, ServiceBuilder, ServiceExt, limit::ConcurrencyLimit, service_fn};

type Stack = BoxPlugin<Bytes, Bytes>;

/// A plugin that takes one call at a time, and its one permit.
fn limited() -> (impl Plugin<Bytes, Bytes>, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(1));
    let echo = service_fn(|call: Call<Bytes>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) });
    (ConcurrencyLimit::with_semaphore(echo, Arc::clone(&permits)), permits)
}

fn breaker() -> CircuitBreakerLayer {
    let layer = CircuitBreakerLayer::new(CircuitBreakerConfig::default());
    layer.handle().force_open();
    layer
}

/// A stack that refuses every call, for each layer that refuses; with the code that it refuses with.
fn refusing() -> Vec<(Code, Stack, Arc<Semaphore>)> {
    let stack = |code, stack: fn(_) -> Stack| {
        let (plugin, permits) = limited();
        (code, stack(BoxPlugin::new(plugin)), permits)
    };
    vec![
        stack(Code::CircuitOpen, |plugin: Stack| BoxPlugin::new(breaker().layer(plugin))),
        stack(Code::CircuitOpen, |plugin| {
            let keyed = KeyedBreakerLayer::new(CircuitBreakerConfig::default(), |_: &Call<Bytes>| Some(1));
            let stack = keyed.layer(plugin);
            // The first call makes the breaker of its key.
            stack.clone().oneshot(Call::new(Bytes::new())).now_or_never().expect("ready").expect("closed");
            keyed.handle().get(&1).expect("was called").force_open();
            BoxPlugin::new(stack)
        }),
        stack(Code::RateLimited, |plugin| {
            let config = RateLimitConfig::builder().with_requests_per_second(1e-3).with_burst_size(1);
            let stack = RateLimitLayer::new(config.build().expect("in bounds")).layer(plugin);
            stack.clone().oneshot(Call::new(Bytes::new())).now_or_never().expect("ready").expect("one token");
            BoxPlugin::new(stack)
        }),
        stack(Code::Unhealthy, |plugin| {
            let cell = Arc::new(HealthCell::new(HealthStatus::new(HealthState::Offline, "as the test says")));
            BoxPlugin::new(HealthGateLayer::sharing(HealthGateConfig::default(), &cell).layer(plugin))
        }),
    ]
}

/// Readies and calls a service that is kept, and says what it was refused with.
async fn refused(kept: &mut impl Plugin<Bytes, Bytes>) -> Code {
    kept.ready().await.expect("ready").call(Call::new(Bytes::new())).await.expect_err("refused").code()
}

#[tokio::test(start_paused = true)]
async fn under_slots() {
    for (code, stack, permits) in refusing() {
        let slots = Slots::new(stack);
        assert_eq!(Slots::call(&slots, Call::new(Bytes::new())).await.expect_err("refused").code(), code);
        assert_eq!(permits.available_permits(), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn under_a_retry() {
    for layer in [RetryLayer::new(RetryConfig::default()), RetryLayer::disabled()] {
        for (code, stack, permits) in refusing() {
            let mut kept = layer.layer(stack);
            assert_eq!(refused(&mut kept).await, code);
            assert_eq!(permits.available_permits(), 1, "{code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn under_a_hedge() {
    let hedging =
        HedgeConfig::builder().with_delay(Duration::from_millis(10)).with_idempotent(true).build().expect("in bounds");
    for layer in [HedgeLayer::new(hedging), HedgeLayer::disabled()] {
        for (code, stack, permits) in refusing() {
            let mut kept = layer.layer(stack);
            assert_eq!(refused(&mut kept).await, code);
            assert_eq!(permits.available_permits(), 1, "{code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn under_a_balancer() {
    for (code, stack, permits) in refusing() {
        let balance = Balance::new(BalanceConfig::default(), [Endpoint::new("one", stack)]).expect("one name");
        let mut kept = balance.for_calls();
        assert_eq!(refused(&mut kept).await, code);
        assert_eq!(permits.available_permits(), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn under_the_manager_whatever_is_registered() {
    for (code, stack, permits) in refusing() {
        let manager = Manager::new();
        manager.register("limited", stack).expect("a free name");
        let error = manager.execute("limited", Bytes::new()).await.expect_err("refused");
        assert_eq!((error.code(), permits.available_permits()), (code, 1));
    }
    // As a user writes it, with the retry inside: the permit that the retry has readied is under both.
    let (plugin, permits) = limited();
    let breaker = breaker();
    let handle = breaker.handle();
    let retry = RetryLayer::new(RetryConfig::default());
    let manager = Manager::new();
    manager
        .register("stack", ServiceBuilder::new().layer(retry).layer(breaker).service(plugin.clone()))
        .expect("a free name");
    let error = manager.execute("stack", Bytes::new()).await.expect_err("open");
    assert_eq!(error.code(), Code::CircuitOpen);
    let mut other = plugin;
    assert!(other.ready().now_or_never().is_some(), "another user of the plugin has its permit");
    drop(other);
    handle.force_closed();
    assert_eq!(manager.execute("stack", Bytes::from_static(b"1")).await.expect("closed").payload(), "1");
    assert_eq!(permits.available_permits(), 1);
}

#[tokio::test]
async fn refused_calls_on_all_threads_leave_the_permit_to_the_one_who_passes() {
    // Without it each stripe keeps a clone with a permit, and the one call that may pass waits for ever.
    let (plugin, permits) = limited();
    let manager = Arc::new(Manager::new());
    manager.register("refusing", breaker().layer(plugin.clone())).expect("a free name");
    manager.register("passing", plugin).expect("a free name");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    // Refused, or waiting for the permit of another thread's call that is about to be refused.
                    let _ = manager.execute("refusing", Bytes::new()).now_or_never();
                }
            });
        }
    });
    assert_eq!(permits.available_permits(), 1);
    manager.execute("passing", Bytes::new()).now_or_never().expect("a permit is free").expect("a reply");
}
