//! The default stack: what a call through it costs, and that each layer is where it should be.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use plugin_breaker::{CircuitBreakerLayer, CircuitState};
use plugin_core::{
    Call, Code, HealthState, HealthStatus, PluginError, PluginInfo, PluginInstance, Reply, Sent, clock::fake::Machine,
    deadline::AttemptTimeoutLayer,
};
use plugin_health::HealthConfig;
use plugin_manager::{
    manager::Manager,
    stack::{Instance, StackSettings},
};
use plugin_ratelimit::RateLimitConfig;
use tower::{ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// Every layer on, nobody asked about the plugin's health.
fn everything() -> StackSettings {
    let plenty = RateLimitConfig::builder().with_requests_per_second(1e6).with_burst_size(100_000).build();
    StackSettings::default().with_rate_limit(plenty.expect("in bounds"))
}

fn instance<F, Fut>(name: &str, plugin: F) -> Instance<impl plugin_core::Plugin<Bytes, Bytes> + use<F, Fut>>
where
    F: Fn(Call<Bytes>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Reply<Bytes>, PluginError>> + Send + 'static,
{
    Instance::new(name, PluginInstance::new(service_fn(plugin), PluginInfo::new(name, "1.0.0")))
}

#[tokio::test]
async fn a_call_through_every_layer_allocates_at_most_once() {
    let manager = Manager::new();
    let echo = instance("echo", |call: Call<Bytes>| std::future::ready(Ok(Reply::new(call.into_payload()))));
    let registration = everything().build("echo", vec![echo]).expect("one instance");
    manager.register_with("echo", registration).expect("a free name");
    let payload = Bytes::from_static(b"\"hello\"");
    for _ in 0..100 {
        manager.execute("echo", payload.clone()).await.expect("a reply");
    }
    let calls = 1000;
    let info = allocation_counter::measure(|| {
        for _ in 0..calls {
            let call = manager.execute("echo", payload.clone());
            let reply = futures_util::FutureExt::now_or_never(call).expect("ready at once").expect("a reply");
            assert_eq!(reply.payload().len(), 7);
        }
    });
    assert!(info.count_total <= calls, "{} allocations in {calls} calls", info.count_total);
}

#[tokio::test]
async fn a_payload_that_nobody_shares_yet_costs_one_allocation_more() {
    let manager = Manager::new();
    let echo = instance("echo", |call: Call<Bytes>| std::future::ready(Ok(Reply::new(call.into_payload()))));
    let registration = everything().build("echo", vec![echo]).expect("one instance");
    manager.register_with("echo", registration).expect("a free name");
    let calls: u64 = 1000;
    let mut payloads: Vec<Bytes> = (0..calls + 100).map(|_| Bytes::from(b"\"hello\"".to_vec())).collect();
    for _ in 0..100 {
        manager.execute("echo", payloads.pop().expect("one more")).await.expect("a reply");
    }
    let info = allocation_counter::measure(|| {
        while let Some(payload) = payloads.pop() {
            let call = manager.execute("echo", payload);
            let reply = futures_util::FutureExt::now_or_never(call).expect("ready at once").expect("a reply");
            assert_eq!(reply.payload().len(), 7);
        }
    });
    assert!(info.count_total <= 2 * calls, "{} allocations in {calls} calls", info.count_total);
}

#[tokio::test(start_paused = true)]
async fn a_failing_plugin_opens_the_breaker_and_the_telemetry_counts_what_was_refused() {
    let manager = Manager::new();
    let failing = instance("bad", |_| std::future::ready(Err(PluginError::execution("as asked"))));
    manager
        .register_with("bad", StackSettings::default().build("bad", vec![failing]).expect("one instance"))
        .expect("a free name");
    for _ in 0..5 {
        let error = manager.execute("bad", Bytes::new()).await.expect_err("as asked");
        assert_eq!(error.code(), Code::ExecutionFailed);
    }
    let error = manager.execute("bad", Bytes::new()).await.expect_err("open");
    assert_eq!((error.code(), error.plugin()), (Code::CircuitOpen, Some("bad")));
    assert!(error.retry_after().is_some_and(|after| after <= 30 * SECOND));
    let view = manager.get("bad").expect("registered");
    assert_eq!(view.controls.breaker.expect("on").state(), CircuitState::Open);
    let counts = view.telemetry.expect("on").stats();
    assert_eq!(counts.codes(), [(Code::ExecutionFailed, 5), (Code::CircuitOpen, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_fails_is_retried_on_another_instance() {
    let manager = Manager::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let dead = instance("dead", |_| std::future::ready(Err(PluginError::connection("refused", Sent::Nothing))));
    let counted = Arc::clone(&calls);
    let alive = instance("alive", move |call: Call<Bytes>| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(Reply::new(call.into_payload())))
    });
    let registration = StackSettings::default().build("pair", vec![erase(dead), erase(alive)]).expect("two names");
    manager.register_with("pair", registration).expect("a free name");
    for _ in 0..20 {
        manager.execute("pair", Bytes::from_static(b"1")).await.expect("the other one answers");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 20);
}

fn erase(instance: Instance<impl plugin_core::Plugin<Bytes, Bytes>>) -> Instance<plugin_core::BoxPlugin<Bytes, Bytes>> {
    instance.map(plugin_core::BoxPlugin::new)
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_hangs_opens_its_breaker_although_the_deadline_is_the_same() {
    let manager = Manager::new();
    let hung = instance("hung", |_| std::future::pending());
    let registration = StackSettings::default().with_health_check(None).build("hung", vec![hung]);
    manager.register_with("hung", registration.expect("one instance")).expect("a free name");
    for _ in 0..5 {
        let error = manager.execute("hung", Bytes::new()).await.expect_err("too slow");
        assert_eq!(error.code(), Code::Timeout);
    }
    assert_eq!(manager.execute("hung", Bytes::new()).await.expect_err("open").code(), Code::CircuitOpen);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_refuses_before_anything_is_spent() {
    let manager = Manager::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let echo = instance("echo", move |call: Call<Bytes>| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(Reply::new(call.into_payload())))
    });
    let limit = RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(3).build();
    let registration = StackSettings::default().with_rate_limit(limit.expect("in bounds")).build("echo", vec![echo]);
    manager.register_with("echo", registration.expect("one instance")).expect("a free name");
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(manager.execute("echo", Bytes::new()).await.err().map(|error| error.code()));
    }
    assert_eq!(codes, [None, None, None, Some(Code::RateLimited), Some(Code::RateLimited)]);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_whose_checks_fail_is_refused_and_taken_back() {
    let manager = Manager::new();
    let healthy = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let told = Arc::clone(&healthy);
    let echo =
        service_fn(|call: Call<Bytes>| std::future::ready(Ok::<_, PluginError>(Reply::new(call.into_payload()))));
    let connected = PluginInstance::new(echo, PluginInfo::new("echo", "1.0.0")).with_probe(move || {
        let state = if told.load(Ordering::SeqCst) { HealthState::Healthy } else { HealthState::Unhealthy };
        std::future::ready(HealthStatus::new(state, "as told"))
    });
    let config = HealthConfig::builder().with_interval(10 * SECOND).with_failure_limit(2).with_jitter(0.0).build();
    let registration = StackSettings::default()
        .with_health_check(config.expect("in bounds"))
        .build("echo", vec![Instance::new("only", connected)]);
    manager.register_with("echo", registration.expect("one instance")).expect("a free name");
    tokio::time::sleep(11 * SECOND).await;
    assert!(manager.execute("echo", Bytes::new()).await.is_ok());
    healthy.store(false, Ordering::SeqCst);
    tokio::time::sleep(30 * SECOND).await;
    assert_eq!(manager.health(SECOND).await.state, HealthState::Unhealthy);
    assert_eq!(manager.execute("echo", Bytes::new()).await.expect_err("offline").code(), Code::Unhealthy);
    healthy.store(true, Ordering::SeqCst);
    tokio::time::sleep(30 * SECOND).await;
    assert!(manager.execute("echo", Bytes::new()).await.is_ok());
    let report = manager.unregister_gracefully("echo", SECOND).await.expect("known");
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_is_slower_than_the_open_time_closes_its_breaker() {
    use plugin_breaker::CircuitBreakerConfig;
    let manager = Manager::new();
    let slow = instance("slow", |call: Call<Bytes>| async move {
        tokio::time::sleep(2 * SECOND).await;
        Ok(Reply::new(call.into_payload()))
    });
    let breaker = CircuitBreakerConfig::builder().with_recovery_timeout(SECOND).build().expect("in bounds");
    let settings = StackSettings::default().with_timeout(5 * SECOND).with_circuit_breaker(breaker).with_retry(None);
    manager.register_with("slow", settings.build("slow", vec![slow]).expect("one instance")).expect("a free name");
    let breaker = manager.get("slow").expect("registered").controls.breaker.expect("on");
    assert_eq!(breaker.config().half_open_timeout(), 5 * SECOND, "as long as a call may take");
    breaker.force_open();
    tokio::time::sleep(SECOND).await;
    let calls = (0..10).map(|_| manager.execute("slow", Bytes::new()));
    let passed = futures_util::future::join_all(calls).await.into_iter().filter(Result::is_ok).count();
    assert_eq!((passed, breaker.state()), (2, CircuitState::Closed));
}

thread_local!(static CLOCK: RefCell<Option<Machine>> = const { RefCell::new(None) });

/// A plugin in this process that calls another one by the manager, and works on after it has the answer.
#[tokio::test]
async fn the_end_of_a_plugin_that_calls_another_is_its_own() {
    const WORK: Duration = Duration::from_millis(50);
    CLOCK.set(Some(Machine::install()));
    let manager = Manager::new();
    let inner = instance("inner", |_| std::future::ready(Ok(Reply::new(Bytes::new()))));
    manager.register_with("inner", everything().build("inner", vec![inner]).expect("one")).expect("a free name");
    let calls = manager.clone();
    let outer = instance("outer", move |_| {
        let calls = calls.clone();
        async move {
            let reply = calls.execute("inner", Bytes::new()).await?;
            CLOCK.with_borrow(|clock| clock.as_ref().expect("installed").pass(WORK));
            Ok(reply)
        }
    });
    manager.register_with("outer", everything().build("outer", vec![outer]).expect("one")).expect("a free name");
    // The balancer takes the time of the first calls by itself.
    for _ in 0..80 {
        manager.execute("outer", Bytes::new()).await.expect("a reply");
    }
    let counts = manager.get("outer").expect("registered").telemetry.expect("on").stats();
    assert_eq!((counts.min(), counts.max()), (WORK, WORK));
}

/// The plugin in here makes calls of its own, through a stack that limits attempts and no calls.
#[tokio::test(start_paused = true)]
async fn a_stack_that_a_plugin_calls_is_judged_by_its_own_limit_and_not_by_how_long_the_plugin_may_take() {
    let breaker = CircuitBreakerLayer::default();
    let handle = breaker.handle();
    let inner = ServiceBuilder::new()
        .layer(breaker)
        .layer(AttemptTimeoutLayer::new(30 * SECOND))
        .service(service_fn(|_: Call<Bytes>| std::future::pending::<Result<Reply<Bytes>, PluginError>>()));
    let outer = instance("outer", move |_| inner.clone().oneshot(Call::new(Bytes::new())));
    let settings = StackSettings::default().with_timeout(SECOND).with_retry(None);
    let manager = Manager::new();
    manager.register_with("outer", settings.build("outer", vec![outer]).expect("one instance")).expect("a free name");
    let error = manager.execute("outer", Bytes::new()).await.expect_err("it hangs");
    assert_eq!(error.code(), Code::Timeout);
    let stats = handle.stats();
    assert_eq!((stats.failures, stats.cancelled), (0, 1), "a second of its thirty: {stats:?}");
    let stats = manager.get("outer").expect("registered").controls.breaker.expect("on").stats();
    assert_eq!(stats.failures, 1, "and all of the second that the plugin may take: {stats:?}");
}
