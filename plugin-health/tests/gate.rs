//! The gate on `Call` and on any other request.

use std::{sync::Arc, time::Duration};

use plugin_core::{
    Call, Code, HealthCell,
    HealthState::{self, Degraded, Healthy, Offline, Unhealthy, Unknown},
    HealthStatus, Plugin, PluginError, Rejected, Reply,
};
use plugin_health::{GatePolicy, HealthCheck, HealthConfig, HealthGateConfig, HealthGateLayer};
use tower::{Layer, Service, ServiceExt, service_fn};

const ALL: [HealthState; 5] = [Unknown, Healthy, Degraded, Unhealthy, Offline];

fn plugin() -> impl Plugin<(), ()> {
    service_fn(|_: Call<()>| async { Ok::<_, PluginError>(Reply::new(())) })
}

/// The states in which calls pass.
async fn passing(cell: &HealthCell, stack: &impl Plugin<(), ()>) -> Vec<HealthState> {
    let mut passing = Vec::new();
    for state in ALL {
        cell.set(HealthStatus::new(state, ""));
        match stack.clone().oneshot(Call::new(())).await {
            Ok(_) => passing.push(state),
            Err(error) => assert_eq!((error.code(), error.is_retryable()), (Code::Unhealthy, false)),
        }
    }
    passing
}

#[tokio::test]
async fn only_offline_is_refused_unless_the_policies_say_more() {
    let cell = Arc::new(HealthCell::default());
    let layer = HealthGateLayer::sharing(HealthGateConfig::default(), &cell);
    let stack = layer.layer(plugin());
    assert_eq!(passing(&cell, &stack).await, [Unknown, Healthy, Degraded, Unhealthy]);
    let refuse_all =
        HealthGateConfig::builder().with_unhealthy(GatePolicy::Refuse).with_unknown(GatePolicy::Refuse).build();
    let layer = HealthGateLayer::sharing(refuse_all, &cell);
    let stack = layer.layer(plugin());
    assert_eq!(passing(&cell, &stack).await, [Healthy, Degraded]);
    let handle = layer.handle();
    assert_eq!(handle.config(), refuse_all);
    handle.reconfigure(HealthGateConfig::builder().with_unknown(GatePolicy::Refuse).build());
    assert_eq!(passing(&cell, &stack).await, [Healthy, Degraded, Unhealthy], "policies change while it runs");
    assert_eq!((handle.stats().refused, handle.state()), (5, Offline));
}

#[tokio::test]
async fn over_a_group_it_yields_to_a_balancer_that_sends_calls_when_all_are_down() {
    let cell = Arc::new(HealthCell::default());
    let yielding = HealthGateConfig::builder().with_offline(GatePolicy::Pass).build();
    let layer = HealthGateLayer::sharing(yielding, &cell);
    let stack = layer.layer(plugin());
    assert_eq!(passing(&cell, &stack).await, ALL);
    assert_eq!((layer.handle().config(), layer.handle().stats().refused), (yielding, 0));
    layer.handle().reconfigure(HealthGateConfig::default());
    assert_eq!(passing(&cell, &stack).await, [Unknown, Healthy, Degraded, Unhealthy]);

    // All of a monitor together are never Offline, so a gate over them refuses only what it is told to.
    let monitor = plugin_health::HealthMonitor::new();
    let gate = |config| HealthGateLayer::sharing(config, &monitor.cell()).layer(plugin());
    let refusing = HealthGateConfig::builder().with_unhealthy(GatePolicy::Refuse).build();
    monitor.update("only", HealthStatus::new(Offline, "")).expect("open");
    monitor.cell().watch().wait_for(|status| status.state == Unhealthy).await.expect("it lives");
    gate(HealthGateConfig::default()).oneshot(Call::new(())).await.expect("it passes");
    assert!(gate(refusing).oneshot(Call::new(())).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_when_the_next_check_is() {
    let config = HealthConfig::builder().with_interval(Duration::from_secs(10)).with_failure_limit(1).with_jitter(0.0);
    let config = config.build().expect("valid");
    let probe: plugin_core::Probe = Arc::new(|| Box::pin(async { HealthStatus::new(Unhealthy, "down") }));
    let check = HealthCheck::start(config, probe);
    let stack = HealthGateLayer::sharing(HealthGateConfig::default(), &check.cell()).layer(plugin());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let refused = stack.clone().oneshot(Call::new(())).await.expect_err("one failed check is the limit");
    assert_eq!((refused.code(), refused.is_retryable()), (Code::Unhealthy, false));
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(7)));
    check.stop().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let refused = stack.clone().oneshot(Call::new(())).await.expect_err("still");
    assert_eq!(refused.retry_after(), None, "nobody checks any more");
    check.cell().set_next_check(Some(plugin_core::clock::now()));
    let refused = stack.oneshot(Call::new(())).await.expect_err("still");
    assert_eq!(refused.retry_after(), None, "it is due, or runs, and may end at any moment");
}

#[tokio::test]
async fn what_its_owner_holds_down_answers_for_itself() {
    let cell = Arc::new(HealthCell::default());
    let stack = HealthGateLayer::sharing(HealthGateConfig::default(), &cell).layer(plugin());
    cell.hold(HealthStatus::new(Offline, "the process has failed"));
    stack.clone().oneshot(Call::new(())).await.expect("the service behind it knows more than the gate");
    cell.release(HealthStatus::healthy());
    cell.set(HealthStatus::new(Offline, "checks failed"));
    assert_eq!(stack.oneshot(Call::new(())).await.expect_err("refused").code(), Code::Unhealthy);
}

#[tokio::test]
async fn a_disabled_gate_is_the_same_type_and_passes_everything_until_it_is_enabled() {
    let mut layer = HealthGateLayer::sharing(HealthGateConfig::default(), &Arc::default());
    assert!(layer.handle().is_enabled());
    layer = HealthGateLayer::disabled();
    let (stack, handle) = (layer.layer(plugin()), layer.handle());
    let cell = handle.cell();
    assert!(!handle.is_enabled());
    assert_eq!(passing(&cell, &stack).await, ALL);
    handle.enable();
    assert_eq!(passing(&cell, &stack).await, [Unknown, Healthy, Degraded, Unhealthy]);
    handle.disable();
    assert_eq!(passing(&cell, &stack).await, ALL);
    assert_eq!(handle.stats().refused, 1);
}

#[tokio::test]
async fn a_refused_request_never_reaches_the_inner_service_and_any_answer_will_do() {
    let cell = Arc::new(HealthCell::new(HealthStatus::new(Offline, "")));
    let layer = HealthGateLayer::sharing(HealthGateConfig::default(), &cell)
        .reject_with(|rejected: Rejected| Ok::<_, PluginError>(rejected.to_string()));
    let stack = layer.layer(service_fn(|request: std::rc::Rc<str>| async move {
        Err(PluginError::execution(format!("{request} came through")))
    }));
    let answer = stack.oneshot("request".into()).await.expect("an answer");
    assert_eq!(answer, "health checks found the service down (HEALTH_1601)");
}

#[tokio::test]
async fn calls_under_way_are_left_alone_when_the_state_changes() {
    let cell = Arc::new(HealthCell::default());
    let (answer, answered) = tokio::sync::oneshot::channel::<()>();
    let answered = std::sync::Mutex::new(Some(answered));
    let mut stack = HealthGateLayer::sharing(HealthGateConfig::default(), &cell).layer(service_fn(move |(): ()| {
        let answered = answered.lock().expect("no panic").take().expect("one call");
        async move { answered.await.map_err(|error| PluginError::execution("no answer").with_source(error)) }
    }));
    let call = stack.call(());
    cell.set(HealthStatus::new(Offline, ""));
    answer.send(()).expect("the call waits");
    assert!(call.await.is_ok());
}

#[test]
fn public_types_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + std::fmt::Debug>() {}
    shared::<HealthGateLayer>();
    shared::<plugin_health::HealthGate<()>>();
    shared::<plugin_health::HealthGateHandle>();
    shared::<plugin_health::HealthCheck>();
    shared::<plugin_health::HealthEvents>();
    shared::<plugin_health::HealthMonitor>();
    shared::<plugin_health::HealthConfig>();
    shared::<plugin_health::PassiveHealthLayer>();
    shared::<plugin_health::PassiveHealth<()>>();
    shared::<plugin_health::PassiveHealthHandle>();
    shared::<plugin_health::PassiveHealthConfig>();
}
