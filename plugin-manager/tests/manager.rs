//! The manager as a library: names, calls, drain and shutdown, over stacks that `ServiceBuilder` made.
//! The stack that a configuration builds is tested in `tests/in_process/default_stack.rs` of the workspace.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_core::{
    Call, Code, HealthState, HealthStatus, Plugin, PluginError, PluginInfo, PluginInstance, Reply, clock,
    deadline::DeadlineLayer,
};
use plugin_manager::manager::{Manager, Registration, ServingState};
use tokio::sync::Notify;
use tower::{ServiceBuilder, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn double() -> impl Plugin<u32, u32> {
    service_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 2)) })
}

/// Answers when it is told to.
fn waits_for(go: &Arc<Notify>) -> impl Plugin<u32, u32> + use<> {
    let go = Arc::clone(go);
    service_fn(move |call: Call<u32>| {
        let go = Arc::clone(&go);
        async move {
            go.notified().await;
            Ok::<_, PluginError>(Reply::new(call.into_payload()))
        }
    })
}

async fn code(manager: &Manager<u32, u32>, name: &str) -> Code {
    manager.execute(name, 1).await.expect_err("an error").code()
}

#[tokio::test(start_paused = true)]
async fn a_registered_stack_is_called_by_its_name() {
    let manager = Manager::new();
    let stack = ServiceBuilder::new().layer(DeadlineLayer::new(SECOND)).service(double());
    manager.register("double", stack).expect("a free name");
    assert_eq!(manager.execute("double", 21).await.expect("a reply").into_payload(), 42);
    assert_eq!(manager.execute_with("double", Call::new(4)).await.expect("a reply").into_payload(), 8);
    let names: Vec<_> = manager.list().into_iter().map(|view| view.name).collect();
    assert_eq!(names, ["double"]);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_name_is_a_clear_error_and_so_is_one_that_is_taken() {
    let manager = Manager::new();
    manager.register("double", double()).expect("a free name");
    assert_eq!(code(&manager, "duble").await, Code::NotFound);
    let taken = manager.register("double", double()).expect_err("taken");
    assert_eq!((taken.code(), taken.plugin()), (Code::DuplicateName, Some("double")));
    for name in ["../etc", ".", "pay\u{200b}ment", "cafe\u{301}"] {
        assert_eq!(manager.register(name, double()).expect_err(name).code(), Code::InvalidName, "{name:?}");
    }
    manager.register("caf\u{e9}", double()).expect("in whole letters");
    assert_eq!(code(&manager, "cafe\u{301}").await, Code::NotFound, "what looks alike is not the same");
    let long = "x".repeat(100_000);
    let error = manager.execute(&long, 1).await.expect_err("unknown");
    assert!(error.to_string().len() < 500, "a caller's text is bounded in errors");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_stack_names_the_plugin() {
    let manager = Manager::<u32, u32>::new();
    let failing = service_fn(|_: Call<u32>| async { Err::<Reply<u32>, _>(PluginError::execution("no such user")) });
    manager.register("users", failing).expect("a free name");
    let error = manager.execute("users", 1).await.expect_err("as asked");
    assert_eq!(error.to_string(), "plugin \"users\": no such user (PLUGIN_1203)");
}

#[tokio::test(start_paused = true)]
async fn a_disabled_plugin_is_refused_and_comes_back() {
    let manager = Manager::new();
    manager.register_with("double", Registration::new(double()).enabled(false)).expect("a free name");
    assert_eq!(code(&manager, "double").await, Code::NotEnabled);
    manager.enable("double").expect("known");
    assert!(manager.execute("double", 1).await.is_ok());
    assert_eq!(manager.enable("other").expect_err("unknown").code(), Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_calls_end_refuses_new_ones_and_no_other_plugin_notices() {
    let manager = Manager::new();
    let go = Arc::new(Notify::new());
    manager.register("slow", waits_for(&go)).expect("a free name");
    manager.register("other", double()).expect("a free name");
    let call = tokio::spawn(manager.execute("slow", 7));
    tokio::task::yield_now().await;
    let drain = tokio::spawn({
        let manager = manager.clone();
        async move { manager.unregister_gracefully("slow", 60 * SECOND).await }
    });
    tokio::time::sleep(SECOND).await;
    assert_eq!(code(&manager, "slow").await, Code::Draining);
    assert_eq!(manager.get("slow").expect("still listed").state, ServingState::Draining);
    assert_eq!(manager.execute("other", 2).await.expect("untouched").into_payload(), 4);
    assert!(!drain.is_finished());
    go.notify_one();
    assert_eq!(call.await.expect("no panic").expect("the call ended as usual").into_payload(), 7);
    let report = drain.await.expect("no panic").expect("known");
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(code(&manager, "slow").await, Code::NotFound);
    manager.register("slow", double()).expect("the name is free again");
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_undone_by_enabling_whether_it_is_over_or_not() {
    let manager = Manager::new();
    let go = Arc::new(Notify::new());
    manager.register("slow", waits_for(&go)).expect("a free name");
    let call = tokio::spawn(manager.execute("slow", 7));
    tokio::task::yield_now().await;
    let drain = tokio::spawn({
        let manager = manager.clone();
        async move { manager.drain("slow", 60 * SECOND).await }
    });
    tokio::time::sleep(SECOND).await;
    manager.disable("slow").expect("it takes no calls anyway");
    assert_eq!(manager.get("slow").expect("kept").state, ServingState::Disabled);
    manager.enable("slow").expect("it may be undone");
    let report = drain.await.expect("no panic").expect("known");
    assert_eq!((report.undone, report.is_clean()), (true, false), "{report:?}");
    go.notify_one();
    assert_eq!(call.await.expect("no panic").expect("untouched").into_payload(), 7);

    let report = manager.drain("slow", SECOND).await.expect("known");
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(manager.get("slow").expect("kept").state, ServingState::Drained);
    assert_eq!(code(&manager, "slow").await, Code::Draining);
    assert!(manager.health(SECOND).await.plugins.is_empty(), "what was taken out is not asked");
    manager.enable("slow").expect("known");
    go.notify_one();
    assert_eq!(manager.execute("slow", 8).await.expect("it serves again").into_payload(), 8);

    let call = tokio::spawn(manager.execute("slow", 9));
    tokio::task::yield_now().await;
    let switch_off = async {
        tokio::time::sleep(SECOND).await;
        manager.disable("slow").expect("it drains");
        tokio::time::sleep(SECOND).await;
        go.notify_one();
    };
    let (report, ()) = tokio::join!(manager.drain("slow", 60 * SECOND), switch_off);
    assert!(report.expect("known").is_clean());
    assert_eq!(call.await.expect("no panic").expect("untouched").into_payload(), 9);
    assert_eq!(code(&manager, "slow").await, Code::NotEnabled, "as it was asked last");
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_is_being_taken_out_may_stay_until_its_transport_is_closed() {
    let manager = Manager::<u32, u32>::new();
    let (go, closing) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let closed = Arc::clone(&closing);
    let registration = Registration::new(waits_for(&go)).on_close(move |_| {
        let closed = Arc::clone(&closed);
        async move {
            closed.notified().await;
            Ok(())
        }
    });
    manager.register_with("slow", registration).expect("a free name");
    let unregister = |limit| {
        let manager = manager.clone();
        tokio::spawn(async move { manager.unregister_gracefully("slow", limit).await })
    };
    let call = tokio::spawn(manager.execute("slow", 7));
    tokio::task::yield_now().await;
    let undone = unregister(60 * SECOND);
    tokio::time::sleep(SECOND).await;
    manager.enable("slow").expect("it may be undone");
    assert!(undone.await.expect("no panic").expect("known").undone);
    assert_eq!(manager.get("slow").expect("kept").state, ServingState::Serving);
    go.notify_one();
    call.await.expect("no panic").expect("untouched");

    let taken_out = unregister(SECOND);
    tokio::time::sleep(SECOND).await;
    assert_eq!(manager.enable("slow").expect_err("too late").code(), Code::Draining);
    closing.notify_one();
    assert!(taken_out.await.expect("no panic").expect("known").is_clean());
    assert_eq!(code(&manager, "slow").await, Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_at_its_limit_and_says_what_did_not_finish() {
    let manager = Manager::new();
    manager.register("stuck", waits_for(&Arc::new(Notify::new()))).expect("a free name");
    let call = tokio::spawn(manager.execute("stuck", 7));
    tokio::task::yield_now().await;
    let start = clock::now();
    let report = manager.unregister_gracefully("stuck", 5 * SECOND).await.expect("known");
    assert_eq!((report.unfinished, report.is_clean()), (1, false));
    assert!(start.elapsed() < 7 * SECOND);
    assert!(!call.is_finished(), "the call is left to its own deadline");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_not_waited_for() {
    let manager = Manager::new();
    manager.register("stuck", waits_for(&Arc::new(Notify::new()))).expect("a free name");
    let mut call = manager.execute("stuck", 7);
    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!(manager.get("stuck").expect("known").in_flight, 1);
    drop(call);
    let start = clock::now();
    assert!(manager.unregister_gracefully("stuck", 60 * SECOND).await.expect("known").is_clean());
    assert!(start.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn shutdown_closes_every_transport_and_refuses_what_comes_later() {
    let manager = Manager::new();
    let closed = Arc::new(AtomicUsize::new(0));
    for name in ["a", "b", "c"] {
        let closed = Arc::clone(&closed);
        let instance = PluginInstance::new(double(), PluginInfo::new(name, "1.0.0")).with_close(move |_| {
            closed.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }
        });
        manager.register_with(name, Registration::from_instance(&instance)).expect("a free name");
    }
    let reports = manager.shutdown(10 * SECOND).await;
    assert_eq!(
        reports.iter().map(|report| (report.name.as_str(), report.is_clean())).collect::<Vec<_>>(),
        [("a", true), ("b", true), ("c", true)]
    );
    assert_eq!(closed.load(Ordering::SeqCst), 3);
    assert_eq!(code(&manager, "a").await, Code::ShuttingDown);
    assert_eq!(manager.register("late", double()).expect_err("too late").code(), Code::ShuttingDown);
    assert!(manager.shutdown(SECOND).await.is_empty(), "a second shutdown finds nothing left");
}

#[tokio::test(start_paused = true)]
async fn overall_health_names_those_that_are_not_well() {
    let manager = Manager::new();
    for (name, state) in [("good", HealthState::Healthy), ("so-so", HealthState::Degraded)] {
        let registration = Registration::new(double()).with_probe(move || async move { HealthStatus::new(state, "") });
        manager.register_with(name, registration).expect("a free name");
    }
    let health = manager.health(SECOND).await;
    assert_eq!((health.state, health.message.as_str()), (HealthState::Degraded, "so-so is degraded"));
    let hung = Registration::new(double()).with_probe(std::future::pending);
    manager.register_with("hung", hung).expect("a free name");
    let health = manager.health(SECOND).await;
    assert_eq!((health.state, health.message.as_str()), (HealthState::Unhealthy, "hung is unhealthy"));
    manager.disable("hung").expect("known");
    assert_eq!(manager.health(SECOND).await.state, HealthState::Degraded, "what is switched off is not asked");
    let panics = Registration::new(double()).with_probe(|| async { panic!("a fault of its author") });
    manager.register_with("panics", panics).expect("a free name");
    let health = manager.health(SECOND).await;
    assert_eq!((health.state, health.message.as_str()), (HealthState::Unhealthy, "panics is unhealthy"));
    let of = |name: &str, plugins: Vec<(String, HealthStatus)>| {
        plugins.into_iter().find(|(known, _)| known == name).expect("it is switched on").1
    };
    assert_eq!(of("panics", health.plugins).message, "the health check panicked (HEALTH_1601)");
    manager.disable("panics").expect("known");
    let full = Registration::new(double()).with_probe(|| async { HealthStatus::not_checked("all places are taken") });
    manager.register_with("full", full).expect("a free name");
    let full = of("full", manager.health(SECOND).await.plugins);
    assert!(full.is_not_checked() && full.message == "all places are taken", "{full:?}");
}

#[tokio::test]
async fn calls_lose_nothing_while_names_come_and_go() {
    let manager = Manager::new();
    manager.register("steady", double()).expect("a free name");
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let manager = manager.clone();
            tokio::spawn(async move {
                for number in 0..2_000 {
                    assert_eq!(manager.execute("steady", number).await.expect("a reply").into_payload(), number * 2);
                    if number % 64 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for round in 0..200 {
        let name = format!("guest-{}", round % 7);
        manager.register(&name, double()).expect("a free name");
        tokio::task::yield_now().await;
        manager.unregister_gracefully(&name, SECOND).await.expect("known");
    }
    for caller in callers {
        caller.await.expect("no panic");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_announced_is_known_and_takes_its_plugin_in_as_it_was_left() {
    let manager: Manager<u32, u32> = Manager::new();
    let coming = |name: &str| manager.announce(name, PluginInfo::new("", "1.0.0")).expect("a free name");
    let [plain, off, drained] = ["plain", "off", "drained"].map(coming);
    let view = |name: &str| manager.get(name).expect("known");
    assert_eq!((view("plain").state, view("plain").info.version.as_str()), (ServingState::Starting, "1.0.0"));
    let refused = manager.execute("plain", 1).await.expect_err("not there yet");
    assert_eq!((refused.code(), refused.retry_after()), (Code::Starting, Some(SECOND)));
    assert!(refused.is_retryable() && refused.rejected().is_some(), "layers take it for a refusal: {refused:?}");
    let health = manager.health(SECOND).await;
    assert_eq!((health.state, health.plugins.len()), (HealthState::Unhealthy, 3));
    assert_eq!(manager.announce("plain", PluginInfo::default()).expect_err("taken").code(), Code::DuplicateName);
    assert_eq!(manager.register("plain", double()).expect_err("taken").code(), Code::DuplicateName);
    assert_eq!(manager.restart("plain").await.expect_err("it has no process").code(), Code::Starting);

    manager.disable("off").expect("known");
    assert!(manager.drain("drained", SECOND).await.expect("known").is_clean());
    assert_eq!((code(&manager, "off").await, code(&manager, "drained").await), (Code::NotEnabled, Code::Draining));
    for coming in [plain, off, drained] {
        coming.register(Registration::new(double())).expect("nobody took it out");
    }
    let states = ["plain", "off", "drained"].map(|name| view(name).state);
    assert_eq!(states, [ServingState::Serving, ServingState::Disabled, ServingState::Drained]);
    manager.enable("drained").expect("known");
    assert_eq!(manager.execute("drained", 21).await.expect("a reply").into_payload(), 42);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_does_not_come_is_unknown_again_and_one_that_comes_too_late_is_turned_away() {
    let manager: Manager<u32, u32> = Manager::new();
    drop(manager.announce("never", PluginInfo::default()).expect("a free name"));
    assert_eq!(code(&manager, "never").await, Code::NotFound);

    let taken_out = manager.announce("out", PluginInfo::default()).expect("a free name");
    assert!(manager.unregister("out", SECOND).await.expect("known").is_clean());
    manager.register("out", double()).expect("a free name");
    let late = taken_out.register(Registration::new(double())).expect_err("another has the name");
    assert_eq!(late.code(), Code::NotFound);
    assert_eq!(manager.execute("out", 21).await.expect("the other is left alone").into_payload(), 42);

    let late = manager.announce("late", PluginInfo::default()).expect("a free name");
    assert_eq!(manager.shutdown(SECOND).await.len(), 2);
    let late = late.register(Registration::new(double())).expect_err("too late");
    assert_eq!(late.code(), Code::ShuttingDown);
}
