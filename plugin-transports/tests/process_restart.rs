//! What follows a death: restarts, calls that wait for them, and a process that has failed.

mod support;

use std::time::Duration;

use bytes::Bytes;
use plugin_core::{Call, Code, CodeKind, HealthState, Sent, deadline::DeadlineLayer};
use plugin_transports::process::{ProcessEvent, ProcessState, RestartConfig};
use serde_json::json;
use support::{call, call_with, event, fixture, kill, millis, proc_state, quick, start, within};
use tower::{Layer, ServiceExt};

#[tokio::test]
async fn a_call_that_meets_a_restart_waits_for_it_however_long_the_first_start_took() {
    let dir = tempfile::tempdir().expect("a directory");
    let started = dir.path().join("started");
    // As where the first start fills a cache.
    let slow_at_first = "test -e \"$0\" || { touch \"$0\"; sleep 0.3; }; exec \"$1\" obliging";
    let builder = plugin_transports::process::ProcessConfig::builder("fixture", "sh")
        .with_args(["-c", slow_at_first])
        .with_arg(&started)
        .with_arg(env!("CARGO_BIN_EXE_plugin-fixture"));
    let instance = start(builder).await;
    let (handle, health) = (instance.service().handle(), instance.health().expect("a cell").clone());
    let mut events = handle.events();
    kill(handle.pid().expect("running"));
    event(&mut events, |event| matches!(event, ProcessEvent::Died { .. })).await;
    // At once, and not with the next check.
    assert_eq!((handle.state(), handle.state().as_str()), (ProcessState::Restarting, "restarting"));
    assert_eq!(health.state(), HealthState::Unhealthy);
    assert!(health.status().message.contains("restarted: it was killed by signal 9"), "{:?}", health.status());
    let waiting = (0..10).map(|n| call(instance.service(), json!(n)));
    for (n, answer) in futures_util::future::join_all(waiting).await.into_iter().enumerate() {
        assert_eq!(answer.expect("it waited"), json!(n));
    }
    assert_eq!((health.state(), handle.stats().in_flight), (HealthState::Healthy, 0));
    // One that is asked for is no other.
    let (restarted, answer) = tokio::join!(handle.restart(), async {
        event(&mut events, |event| matches!(event, ProcessEvent::Started { .. })).await;
        call(instance.service(), json!("meanwhile")).await
    });
    restarted.expect("it starts");
    assert_eq!(answer.expect("it waited"), "meanwhile");
}

/// The host counts it from when the call began to wait, and a plugin that was told more would work for nobody.
#[tokio::test]
async fn a_call_that_waited_for_a_start_tells_the_plugin_what_is_left_of_the_attempt() {
    let dir = tempfile::tempdir().expect("a directory");
    // Each start but the first takes a while.
    let slow_again = "test -e \"$0\" && sleep 0.4; touch \"$0\"; exec \"$1\" obliging";
    let builder = plugin_transports::process::ProcessConfig::builder("fixture", "sh")
        .with_args(["-c", slow_again])
        .with_arg(dir.path().join("started"))
        .with_arg(env!("CARGO_BIN_EXE_plugin-fixture"));
    let instance = start(builder.with_request_timeout(millis(20_000)).with_restart(quick(9))).await;
    let handle = instance.service().handle();
    let left = |answer: Result<serde_json::Value, plugin_core::PluginError>| {
        answer.expect("an answer")["left_ms"].as_u64().expect("it is told a time")
    };
    for deadline in [None, Some(millis(30_000))] {
        let asked = || {
            call_with(instance.service(), json!({"tell": "context"}), |call| {
                deadline.into_iter().fold(call, Call::with_timeout)
            })
        };
        let before = left(asked().await);
        assert!((19_700..=20_000).contains(&before), "all of it: {before} ms");
        let mut events = handle.events();
        kill(handle.pid().expect("running"));
        event(&mut events, |event| matches!(event, ProcessEvent::Died { .. })).await;
        let after = left(asked().await);
        assert!(after <= 19_600, "less by what the start took, with {deadline:?}: {after} ms");
    }
}

#[tokio::test]
async fn as_many_calls_may_wait_for_a_restart_as_may_be_in_flight_and_one_that_goes_away_leaves_its_place() {
    let dir = tempfile::tempdir().expect("a directory");
    // Ready at its first start alone.
    let script = "test -e \"$0\" && exec sleep 60; touch \"$0\"; exec \"$1\" obliging";
    let builder = plugin_transports::process::ProcessConfig::builder("fixture", "sh")
        .with_args(["-c", script])
        .with_arg(dir.path().join("started"))
        .with_arg(env!("CARGO_BIN_EXE_plugin-fixture"));
    let instance = start(builder.with_start_timeout(Duration::from_secs(60)).with_max_in_flight(2)).await;
    let handle = instance.service().handle();
    let mut events = handle.events();
    kill(handle.pid().expect("running"));
    event(&mut events, |event| matches!(event, ProcessEvent::Restarting { .. })).await;
    let hurried = call_with(instance.service(), json!(0), |call| call.with_timeout(millis(20))).await;
    assert_eq!(hurried.expect_err("it is not even started by then").code(), Code::ConnectionFailed);
    event(&mut events, |event| matches!(event, ProcessEvent::Started { .. })).await;
    let short = |call: plugin_core::Call<bytes::Bytes>| call.with_timeout(millis(50));
    let (first, second, third) = tokio::join!(
        call_with(instance.service(), json!(1), short),
        call_with(instance.service(), json!(2), short),
        call(instance.service(), json!(3)),
    );
    for cut in [first, second] {
        let cut = cut.expect_err("its time is up");
        assert_eq!((cut.code(), cut.sent()), (Code::Timeout, Sent::Nothing), "{cut:?}");
        assert!(cut.message().contains("waiting for the plugin's process to be ready"), "{cut}");
    }
    assert_eq!(third.expect_err("one too many").code(), Code::ConcurrencyExceeded);
    assert_eq!(handle.stats().in_flight, 0);
    let waits = tokio::spawn({
        let service = instance.service().clone();
        async move { call(&service, json!(4)).await }
    });
    within(async {
        while handle.stats().in_flight == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    within(instance.close(millis(1))).await.expect("there is no process");
    assert_eq!(waits.await.expect("no panic").expect_err("closed").code(), Code::ShuttingDown, "nobody waits for ever");
}

#[tokio::test]
async fn a_wait_for_a_process_that_is_not_ready_is_no_evidence_however_long_it_was() {
    let dir = tempfile::tempdir().expect("a directory");
    // Ready at its first start alone.
    let script = "test -e \"$0\" && exec sleep 60; touch \"$0\"; exec \"$1\" obliging";
    let builder = plugin_transports::process::ProcessConfig::builder("fixture", "sh")
        .with_args(["-c", script])
        .with_arg(dir.path().join("started"))
        .with_arg(env!("CARGO_BIN_EXE_plugin-fixture"));
    let instance = start(builder.with_start_timeout(Duration::from_secs(60))).await;
    let handle = instance.service().handle();
    let mut events = handle.events();
    kill(handle.pid().expect("running"));
    event(&mut events, |event| matches!(event, ProcessEvent::Started { .. })).await;
    let limited = DeadlineLayer::new(millis(800)).layer(instance.service().clone());
    let ends = |given| {
        let call = Call::new(Bytes::from_static(b"1")).with_timeout(given);
        async { within(limited.clone().oneshot(call)).await.expect_err("it is never ready") }
    };
    // The whole of what is configured, and a caller in a hurry.
    let (patient, hurried) = tokio::join!(ends(millis(800)), ends(millis(100)));
    for error in [patient, hurried] {
        let refusal = error.rejected().expect("cut");
        assert_eq!((error.code(), error.sent(), refusal.is_evidence()), (Code::Timeout, Sent::Nothing, false));
        assert!(error.message().contains("waiting for the plugin's process to be ready"), "{error}");
    }
    within(instance.close(millis(1))).await.expect("there is no process");
}

#[tokio::test]
async fn a_crash_loop_has_failed_until_somebody_asks_for_a_restart() {
    let long =
        RestartConfig::new(millis(10), Duration::from_secs(3600), Duration::from_secs(60), 2).expect("in bounds");
    let instance = start(fixture(&["dies-on", "1"]).with_restart(long)).await;
    let handle = instance.service().handle();
    let health = instance.health().expect("a process says itself how it is").clone();
    let mut events = handle.events();
    for death in 1..=3 {
        let error = call(instance.service(), &json!(death)).await.expect_err("it dies");
        assert_eq!(error.code(), Code::ExecTransport);
        let next = |event: &ProcessEvent| matches!(event, ProcessEvent::Ready { .. } | ProcessEvent::Failed { .. });
        let next = event(&mut events, next).await;
        assert_eq!(
            next == ProcessEvent::Failed { after: Some(Duration::from_secs(3600)) },
            death == 3,
            "death {death}"
        );
    }
    let error = call(instance.service(), &json!(4)).await.expect_err("failed");
    assert_eq!((error.code(), error.kind(), error.is_retryable()), (Code::CrashLoop, CodeKind::Lifecycle, false));
    let left = error.retry_after().expect("it is tried again").as_secs();
    assert!((3590..=3610).contains(&left), "{left}");
    assert_eq!((handle.state(), handle.state().as_str()), (ProcessState::Failed, "failed"));
    assert_eq!((instance.check().await.state, health.state()), (HealthState::Offline, HealthState::Offline));
    assert!(health.status().message.contains("exited with status 7"), "{:?}", health.status());

    within(handle.restart()).await.expect("it starts");
    assert!(matches!(handle.state(), ProcessState::Running { .. }));
    assert_eq!((instance.check().await.state, health.state()), (HealthState::Healthy, HealthState::Healthy));
    assert!(!health.is_held(), "checks are heard again");
}

#[tokio::test]
async fn what_has_failed_is_tried_again_every_longest_wait_and_comes_back_by_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, away) = (dir.path().join("plugin"), dir.path().join("away"));
    std::fs::copy(env!("CARGO_BIN_EXE_plugin-fixture"), &file).expect("copied");
    let builder = plugin_transports::process::ProcessConfig::builder("fixture", &file).with_arg("obliging");
    let instance = start(builder.with_restart(quick(2))).await;
    let handle = instance.service().handle();
    let mut events = handle.events();
    std::fs::rename(&file, &away).expect("moved");
    kill(handle.pid().expect("running"));
    for _ in 0..3 {
        event(&mut events, |event| matches!(event, ProcessEvent::Failed { .. })).await;
        assert_eq!(handle.state(), ProcessState::Failed);
    }
    let refused = call(instance.service(), &json!(1)).await.expect_err("there is none");
    let [told, for_callers] = [refused.message(), refused.message_for_callers()].map(|text| text.replace('"', ""));
    assert!(told.contains(&format!("the executable {} does not exist", file.display())), "{told}");
    assert_eq!(for_callers, told.replace(&format!("{} ", file.display()), ""), "no caller hears where it was");
    let why = handle.why_down().expect("it is down");
    assert!(!why.contains(&file.display().to_string()), "{why}");
    let stats = handle.stats();
    assert!(stats.failed_starts >= 4 && stats.restarts == stats.failed_starts, "{stats:?}");
    std::fs::rename(&away, &file).expect("moved");
    event(&mut events, |event| matches!(event, ProcessEvent::Ready { .. })).await;
    assert_eq!(call(instance.service(), &json!(1)).await.expect("an echo"), 1);
    let stats = handle.stats();
    assert_eq!(stats.restarts, stats.failed_starts + 1, "{stats:?}");
}

#[tokio::test]
async fn what_has_failed_is_started_at_once_when_somebody_wants_it_and_what_runs_is_left_alone() {
    let never = RestartConfig::new(millis(10), millis(10), Duration::from_secs(60), 0).expect("in bounds");
    let instance = start(fixture(&["obliging"]).with_restart(never)).await;
    let handle = instance.service().handle();
    let mut events = handle.events();
    let pid = handle.pid().expect("running");
    handle.retry_now();
    assert_eq!(call(instance.service(), &json!(1)).await.expect("an echo"), 1);
    assert_eq!(handle.pid(), Some(pid));
    kill(pid);
    event(&mut events, |event| *event == ProcessEvent::Failed { after: None }).await;
    let error = call(instance.service(), &json!(2)).await.expect_err("failed");
    assert_eq!((error.code(), error.retry_after()), (Code::CrashLoop, None));
    handle.retry_now();
    event(&mut events, |event| matches!(event, ProcessEvent::Ready { .. })).await;
    assert_eq!(call(instance.service(), &json!(3)).await.expect("an echo"), 3);
    // Who waits for it hears when it is there, and what is there is left alone.
    let pid = handle.pid().expect("running");
    kill(pid);
    event(&mut events, |event| *event == ProcessEvent::Failed { after: None }).await;
    assert!(handle.why_down().is_some_and(|why| why.ends_with("by itself: it was killed by signal 9")));
    within(handle.start()).await.expect("it starts");
    let anew = handle.pid().expect("ready by then");
    within(handle.start()).await.expect("it runs");
    assert_eq!((handle.pid(), handle.why_down(), handle.next_start()), (Some(anew), None, None));
}

/// A plugin that takes one call at a time was stopped with those that were in its line.
#[tokio::test]
async fn a_restart_on_request_lets_the_calls_end_that_the_process_has_and_new_ones_wait_for_the_next() {
    let plugin = "
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    if request['method'] == 'execute':
        time.sleep(0.3)
    print(json.dumps({'id': request['id'], 'result': os.getpid()}), flush=True)
";
    let builder = plugin_transports::process::ProcessConfig::builder("serial", "python3").with_args(["-c", plugin]);
    let instance = start(builder).await;
    let handle = instance.service().handle();
    let before = handle.pid().expect("running");
    let ask = || {
        let service = instance.service().clone();
        tokio::spawn(async move { call(&service, &json!(1)).await })
    };
    let first: Vec<_> = (0..6).map(|_| ask()).collect();
    within(async {
        while handle.stats().in_flight < first.len() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let restarted = handle.clone();
    let restart = tokio::spawn(async move { restarted.restart().await });
    within(async {
        while handle.state() != ProcessState::Restarting {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let new = ask();
    for call in first {
        assert_eq!(within(call).await.expect("no panic").expect("it may end"), before);
    }
    within(restart).await.expect("no panic").expect("it starts");
    let after = handle.pid().expect("running");
    assert_eq!(within(new).await.expect("no panic").expect("it waits"), after);
    assert_ne!(before, after);
}

/// It was the operator, and counted as the plugin's failure.
#[tokio::test]
async fn a_call_that_a_restart_on_request_cuts_is_no_evidence_against_the_plugin() {
    let instance = start(fixture(&["obliging"]).with_shutdown_grace(millis(50))).await;
    let handle = instance.service().handle();
    let (service, hangs) = (instance.service().clone(), json!({"sleep": 600_000}));
    let lost = tokio::spawn(async move { call(&service, &hangs).await });
    within(async {
        while handle.stats().in_flight == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    within(handle.restart()).await.expect("it starts");
    let lost = within(lost).await.expect("no panic").expect_err("it was cut");
    assert_eq!((lost.code(), lost.sent(), lost.is_retryable()), (Code::Draining, Sent::Maybe, true), "{lost:?}");
    assert!(lost.rejected().is_some_and(|refusal| !refusal.is_evidence()), "{lost:?}");
    assert!(lost.message().contains("was stopped for a restart on request before it had answered"), "{lost}");
    // The same where the plugin is closed.
    let (service, hangs) = (instance.service().clone(), json!({"sleep": 600_000}));
    let lost = tokio::spawn(async move { call(&service, &hangs).await });
    within(async {
        while handle.stats().in_flight == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let _ = within(instance.close(millis(50))).await;
    let lost = within(lost).await.expect("no panic").expect_err("it was cut");
    assert_eq!((lost.code(), lost.sent()), (Code::Draining, Sent::Maybe), "{lost:?}");
}

#[tokio::test]
async fn a_refusal_after_a_start_that_failed_says_the_time_until_the_next_and_is_no_evidence() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, away) = (dir.path().join("plugin"), dir.path().join("away"));
    std::fs::copy(env!("CARGO_BIN_EXE_plugin-fixture"), &file).expect("copied");
    let builder = plugin_transports::process::ProcessConfig::builder("fixture", &file).with_arg("obliging");
    let slow = RestartConfig::new(millis(200), Duration::from_secs(60), Duration::from_secs(60), 5).expect("in bounds");
    let instance = start(builder.with_restart(slow)).await;
    std::fs::rename(&file, &away).expect("moved");
    let (handle, health) = (instance.service().handle(), instance.health().expect("a cell").clone());
    let mut events = handle.events();
    kill(handle.pid().expect("running"));
    event(&mut events, |event| matches!(event, ProcessEvent::Restarting { .. })).await;
    let refused = call(instance.service(), json!(1)).await.expect_err("the start that it waits for fails");
    assert_eq!((refused.code(), refused.sent()), (Code::ConnectionFailed, Sent::Nothing), "{refused:?}");
    assert!(refused.is_retryable() && refused.rejected().is_some_and(|refusal| !refusal.is_evidence()));
    let after = refused.retry_after().expect("it is started again");
    assert!(after > millis(100) && after <= millis(400), "{after:?}");
    assert!(health.status().message.contains("does not exist"), "{:?}", health.status());
    std::fs::rename(&away, &file).expect("moved");
    assert_eq!(call(instance.service(), json!(2)).await.expect("the next start is awaited too"), 2);
}

#[tokio::test]
async fn a_restart_that_is_asked_for_gives_a_new_process() {
    let instance = start(fixture(&["obliging"])).await;
    let handle = instance.service().handle();
    let before = handle.pid().expect("running");
    within(handle.restart()).await.expect("it starts");
    let after = handle.pid().expect("running");
    assert_ne!(before, after);
    assert_eq!(proc_state(before), None);
    assert_eq!(call(instance.service(), &json!(1)).await.expect("an echo"), 1);
}

#[tokio::test]
async fn a_restart_that_is_asked_for_while_one_goes_on_waits_for_that_one() {
    let instance = start(fixture(&["obliging"])).await;
    let handle = instance.service().handle();
    let mut events = handle.events();
    // The first stops the process; the others are asked for while the next one starts.
    let (first, second, third) =
        within(async { tokio::join!(handle.restart(), handle.restart(), handle.restart()) }).await;
    assert_eq!([first.is_ok(), second.is_ok(), third.is_ok()], [true; 3], "{first:?} {second:?} {third:?}");
    assert_eq!(handle.stats().restarts, 1);
    let pid = handle.pid().expect("running");
    assert_eq!(events.recv().await, Ok(ProcessEvent::Started { pid }), "no other was started, and killed");
    assert_eq!(events.recv().await, Ok(ProcessEvent::Ready { pid }));
}

#[tokio::test]
async fn an_executable_that_vanishes_is_tried_again_and_found_when_it_is_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("plugin");
    std::fs::copy(env!("CARGO_BIN_EXE_plugin-fixture"), &file).expect("copied");
    let builder = plugin_transports::process::ProcessConfig::builder("fixture", &file).with_arg("obliging");
    let instance = start(builder.with_restart(quick(1000))).await;
    let handle = instance.service().handle();
    let mut events = handle.events();
    let away = dir.path().join("away");
    std::fs::rename(&file, &away).expect("moved");
    kill(handle.pid().expect("running"));
    let failed = event(&mut events, |event| matches!(event, ProcessEvent::StartFailed { .. })).await;
    assert!(format!("{failed:?}").contains("does not exist"), "{failed:?}");
    assert_eq!(handle.state(), ProcessState::Restarting);
    std::fs::rename(&away, &file).expect("moved");
    event(&mut events, |event| matches!(event, ProcessEvent::Ready { .. })).await;
    assert_eq!(call(instance.service(), &json!(1)).await.expect("an echo"), 1);
}

/// They were written into the process that hangs, since what is said last must not wait, and ended with it.
#[tokio::test]
async fn what_was_held_back_when_a_restart_is_asked_for_goes_to_the_next_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let hangs = folder.path().join("hangs");
    std::fs::write(&hangs, "").expect("written");
    let plugin = "
import json, os, sys
hangs = os.path.exists(sys.argv[1])
for line in sys.stdin:
    request = json.loads(line)
    if request['method'] != 'execute' or request['payload'] == 0 or not hangs:
        print(json.dumps({'id': request['id'], 'result': os.getpid()}), flush=True)
";
    let config = plugin_transports::process::ProcessConfig::builder("hangs", "python3");
    let config = config.with_args(["-c".into(), plugin.into(), hangs.display().to_string()]);
    let instance = start(config.with_shutdown_grace(millis(50))).await;
    let handle = instance.service().handle();
    for _ in 0..4 {
        call(instance.service(), &json!(0)).await.expect("an answer");
    }
    let hasty = |call: Call<Bytes>| call.with_timeout(millis(200));
    let given_up = (0..4).map(|_| call_with(instance.service(), json!(1), hasty));
    for end in within(futures_util::future::join_all(given_up)).await {
        assert_eq!(end.expect_err("it hangs").code(), Code::Timeout);
    }
    std::fs::remove_file(&hangs).expect("it is there");
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let service = instance.service().clone();
            tokio::spawn(async move { call(&service, &json!(1)).await })
        })
        .collect();
    within(async {
        while handle.stats().in_flight < calls.len() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    within(handle.restart()).await.expect("it starts");
    let (next, mut answered) = (handle.pid().expect("running"), 0);
    for call in calls {
        if let Ok(pid) = within(call).await.expect("no panic") {
            assert_eq!(pid, next);
            answered += 1;
        }
    }
    assert!(answered >= 16, "{answered} of 20: what the process had not is answered by the next");
}

/// Everybody was told that it was the operator.
#[tokio::test]
async fn a_process_that_dies_while_a_restart_lets_its_calls_end_has_died_for_its_calls_and_for_those_who_watch() {
    let instance = start(fixture(&["obliging"]).with_shutdown_grace(Duration::from_secs(20))).await;
    let handle = instance.service().handle();
    let (mut events, pid) = (handle.events(), handle.pid().expect("running"));
    let (service, long) = (instance.service().clone(), json!({"sleep": 600_000}));
    let lost = tokio::spawn(async move { call(&service, &long).await });
    within(async {
        while handle.stats().in_flight == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // It has read what was written before.
    call(instance.service(), json!(1)).await.expect("an answer");
    let restarted = handle.clone();
    let restart = tokio::spawn(async move { restarted.restart().await });
    within(async {
        while handle.state() != ProcessState::Restarting {
            tokio::task::yield_now().await;
        }
    })
    .await;
    kill(pid);
    let error = within(lost).await.expect("no panic").expect_err("it was in there");
    assert!(error.to_string().contains("was killed by signal 9"), "{error}");
    assert!(error.rejected().is_none_or(plugin_core::Rejected::is_evidence), "{error}");
    event(&mut events, |event| matches!(event, ProcessEvent::Died { .. })).await;
    within(restart).await.expect("no panic").expect("it starts all the same");
    assert!(handle.last_end().is_some_and(|end| end.why.contains("signal 9")));
}
