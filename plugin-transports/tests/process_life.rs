//! The life of a plugin's process: death, restart, crash loops, shutdown, and the death of the host.

mod support;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use plugin_core::{Call, Code, HealthState, Kind, Sent, clock, deadline::DeadlineLayer};
use plugin_transports::process::{ProcessEvent, ProcessState, RestartConfig};
use serde_json::json;
use support::{call, call_with, event, fixture, gone, kill, proc_state, signal, start, within};
use tower::{Layer, ServiceExt};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn quick(max_in_window: u32) -> RestartConfig {
    RestartConfig::new(millis(10), millis(10), Duration::from_secs(60), max_in_window).expect("in bounds")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_under_32_way_load_gives_typed_errors_only_and_calls_succeed_again() {
    let instance = start(fixture(&["obliging"])).await;
    let service = instance.service().clone();
    let mut events = service.handle().subscribe();
    let (stop, lost, served) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = (0..32_u64)
        .map(|n| {
            let (service, stop, lost, served) = (service.clone(), stop.clone(), lost.clone(), served.clone());
            tokio::spawn(async move {
                let mut round = 0;
                while !stop.load(Ordering::Relaxed) {
                    round += 1;
                    let payload = json!({"n": n, "round": round, "sleep": n % 3});
                    match call(&service, &payload).await {
                        Ok(reply) => {
                            assert_eq!(reply, payload);
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => {
                            assert_eq!((error.kind(), error.is_retryable()), (Kind::Connection, true), "{error:?}");
                            let expected = if error.sent() == Sent::Nothing {
                                Code::ConnectionFailed
                            } else {
                                Code::ExecTransport
                            };
                            assert_eq!(error.code(), expected, "{error:?}");
                            lost.fetch_add(1, Ordering::Relaxed);
                            tokio::time::sleep(error.retry_after().unwrap_or_default().min(millis(20))).await;
                        }
                    }
                }
            })
        })
        .collect();

    for _ in 0..3 {
        let before = served.load(Ordering::Relaxed);
        within(async {
            while served.load(Ordering::Relaxed) < before + 100 {
                tokio::time::sleep(millis(1)).await;
            }
        })
        .await;
        let pid = service.handle().pid().expect("running");
        // Before the kill: of when it was noticed, which begins the wait, this task may hear late.
        let since = clock::now();
        kill(pid);
        let died = event(&mut events, |event| matches!(event, ProcessEvent::Died { .. })).await;
        assert_eq!(died, ProcessEvent::Died { pid, why: "was killed by signal 9".into() });
        assert_eq!(proc_state(pid), None, "reaped before anybody is told");
        let ready = event(&mut events, |event| matches!(event, ProcessEvent::Ready { .. })).await;
        assert_ne!(ready, ProcessEvent::Ready { pid });
        let took = since.elapsed();
        assert!(took >= millis(100), "it waits the backoff: {took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.expect("typed errors only");
    }
    assert!(lost.load(Ordering::Relaxed) > 0, "the kills were felt");
    assert_eq!(service.handle().stats().restarts, 3);
    assert_eq!(call(&service, &json!("again")).await.expect("an echo"), "again");
}

#[tokio::test]
async fn a_call_in_flight_on_a_process_that_dies_fails_at_once() {
    let instance = start(fixture(&["dies-on", "2"])).await;
    assert_eq!(call(instance.service(), &json!(1)).await.expect("an echo"), 1);
    let since = clock::now();
    let error = call(instance.service(), &json!(2)).await.expect_err("it dies");
    assert!(since.elapsed() < Duration::from_secs(5), "not after the request timeout of 30 s");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ExecTransport, Sent::Maybe, true));
    assert!(error.message().contains("exited with status 7"), "{error}");
    assert_eq!(instance.check().await.state, HealthState::Unhealthy);
}

/// Whoever judges the process by its calls forgets it before they say anything of it.
#[tokio::test]
async fn what_is_to_be_done_before_calls_are_lost_is_done_before_any_of_them_hears_of_it() {
    let instance = start(fixture(&["mute"]).with_shutdown_grace(millis(1)).with_restart(quick(5))).await;
    let (handle, told) = (instance.service().handle(), Arc::new(AtomicUsize::new(0)));
    let mut events = handle.subscribe();
    let (seen, count) = (handle.clone(), told.clone());
    handle.before_calls_are_lost(|| panic!("no harm is done by it"));
    handle.before_calls_are_lost(move || {
        assert_ne!(seen.pid(), Some(0), "it may be looked at");
        assert!(!matches!(seen.state(), ProcessState::Running { .. }), "nobody is sent to it any more");
        count.fetch_add(1, Ordering::SeqCst);
    });
    let lost = async |before: usize| {
        let calls = (0..8).map(|n| {
            let (service, told) = (instance.service().clone(), told.clone());
            async move {
                call(&service, json!(n)).await.expect_err("no answer");
                told.load(Ordering::SeqCst)
            }
        });
        let heard = tokio::spawn(futures_util::future::join_all(calls.collect::<Vec<_>>()));
        within(async {
            while handle.stats().in_flight < 8 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        (heard, vec![before + 1; 8])
    };
    let (heard, expected) = lost(0).await;
    kill(handle.pid().expect("running"));
    assert_eq!(within(heard).await.expect("no panic"), expected);
    event(&mut events, |event| matches!(event, ProcessEvent::Ready { .. })).await;
    let (heard, expected) = lost(1).await;
    within(handle.restart()).await.expect("it starts");
    assert_eq!(within(heard).await.expect("no panic"), expected);
    let (heard, expected) = lost(2).await;
    // By itself or killed: it has next to no time.
    let _closed = within(instance.close(millis(1))).await;
    assert_eq!(within(heard).await.expect("no panic"), expected);
    handle.before_calls_are_lost(|| unreachable!("nothing happens any more"));
}

#[tokio::test]
async fn of_a_plugin_that_cannot_be_asked_no_more_is_known_than_that_its_process_is_up() {
    let instance = start(fixture(&["mute"])).await;
    let status = instance.check().await;
    let said = "the process is up; the plugin has no health method";
    assert_eq!((status.state, status.message.as_str()), (HealthState::Healthy, said));
}

/// Which is all that there is at 3 a.m., when nobody has kept the lines before it.
#[tokio::test]
async fn what_a_process_said_last_is_remembered_and_in_the_line_of_the_log_that_tells_of_its_death() {
    let written = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = tracing_subscriber::fmt().json().with_writer({
        let written = written.clone();
        move || Log(written.clone())
    });
    let _guard = tracing::subscriber::set_default(log.finish());
    let slow = RestartConfig::new(Duration::from_secs(60), Duration::from_secs(60), Duration::from_secs(60), 5);
    let instance = start(fixture(&["obliging"]).with_restart(slow.expect("in bounds"))).await;
    let health = instance.health().expect("a cell").clone();
    let mut events = instance.service().handle().subscribe();
    let lost = call(instance.service(), json!({"log": "out of memory\nin module \"x\"", "exit": 7})).await;
    assert_eq!(lost.expect_err("it dies").code(), Code::ExecTransport);
    event(&mut events, |event| matches!(event, ProcessEvent::Restarting { .. })).await;
    let end = instance.service().handle().last_end().expect("it has ended");
    let said = "the end of its stderr:\nout of memory\nin module \"x\"";
    assert_eq!((end.why.as_str(), end.said.as_deref()), ("exited with status 7", Some(said)));
    assert!(!health.status().message.contains("memory"), "anybody may ask for it: {:?}", health.status());
    let refused = call_with(instance.service(), json!(1), |call| call.with_timeout(millis(20))).await;
    let refused = refused.expect_err("it is not started by then");
    assert!(!refused.message().contains("memory"), "a caller is not told: {refused}");
    assert_eq!(refused.detail(), Some(said));
    let log = String::from_utf8(written.lock().expect("no panic").clone()).expect("text");
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an event"));
    let died = lines.filter(|event| event["fields"]["message"] == "the plugin's process exited with status 7");
    let died: Vec<_> = died.map(|event| event["fields"]["detail"].clone()).collect();
    assert_eq!(died, [json!(said)]);
}

struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A call that is written a few milliseconds after the death, before anybody knows of it, is in the pipe, and nobody has read it.
#[tokio::test]
async fn a_request_that_a_dead_process_has_not_read_was_never_sent() {
    // What the kernel shows of the pipe is no proof while somebody else could read it.
    let shares = "exec 3<&0; setsid sh -c 'sleep 3 <&3 &' >&- 2>&-; exec 3<&-; exec \"$0\" deaf";
    let shared = plugin_transports::process::ProcessConfig::builder("fixture", "sh").with_args([
        "-c",
        shares,
        env!("CARGO_BIN_EXE_plugin-fixture"),
    ]);
    let nothing = (Code::ConnectionFailed, Sent::Nothing);
    for (builder, expected) in [(fixture(&["deaf"]), nothing), (shared, (Code::ExecTransport, Sent::Maybe))] {
        let instance = start(builder).await;
        let handle = instance.service().handle();
        let mut call = Box::pin(call(instance.service(), json!(1)));
        // One that is alone is written by its first poll.
        assert!((&mut call).now_or_never().is_none());
        kill(handle.pid().expect("running"));
        let error = call.await.expect_err("nobody reads");
        assert_eq!((error.code(), error.sent(), error.is_retryable()), (expected.0, expected.1, true), "{error:?}");
    }
}

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
    let mut events = handle.subscribe();
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
    let mut events = handle.subscribe();
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
async fn a_wait_for_a_process_that_is_never_ready_is_evidence_once_it_has_had_half_of_the_time() {
    let dir = tempfile::tempdir().expect("a directory");
    // Ready at its first start alone.
    let script = "test -e \"$0\" && exec sleep 60; touch \"$0\"; exec \"$1\" obliging";
    let builder = plugin_transports::process::ProcessConfig::builder("fixture", "sh")
        .with_args(["-c", script])
        .with_arg(dir.path().join("started"))
        .with_arg(env!("CARGO_BIN_EXE_plugin-fixture"));
    let instance = start(builder.with_start_timeout(Duration::from_secs(60))).await;
    let handle = instance.service().handle();
    let mut events = handle.subscribe();
    kill(handle.pid().expect("running"));
    event(&mut events, |event| matches!(event, ProcessEvent::Started { .. })).await;
    let limited = DeadlineLayer::new(millis(800)).layer(instance.service().clone());
    let ends = |given| {
        let call = Call::new(Bytes::from_static(b"1")).with_timeout(given);
        async { within(limited.clone().oneshot(call)).await.expect_err("it is never ready") }
    };
    // The whole of what is configured, and a caller in a hurry.
    let (patient, hurried) = tokio::join!(ends(millis(800)), ends(millis(100)));
    for (error, is_evidence) in [(patient, true), (hurried, false)] {
        let refusal = error.rejected().expect("cut");
        assert_eq!((error.code(), error.sent(), refusal.is_evidence()), (Code::Timeout, Sent::Nothing, is_evidence));
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
    let mut events = handle.subscribe();
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
    assert_eq!((error.code(), error.kind(), error.is_retryable()), (Code::CrashLoop, Kind::Lifecycle, false));
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
    let mut events = handle.subscribe();
    std::fs::rename(&file, &away).expect("moved");
    kill(handle.pid().expect("running"));
    for _ in 0..3 {
        event(&mut events, |event| matches!(event, ProcessEvent::Failed { .. })).await;
        assert_eq!(handle.state(), ProcessState::Failed);
    }
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
    let mut events = handle.subscribe();
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
    let mut events = handle.subscribe();
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
    let mut events = handle.subscribe();
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
    let mut events = handle.subscribe();
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

#[tokio::test]
async fn a_plugin_that_writes_garbage_is_killed_and_started_again() {
    for mode in [&["garbage", "1000"][..], &["endless"], &["close-stdout"]] {
        let instance = start(fixture(mode).with_max_line(64 << 10).with_restart(quick(5))).await;
        let handle = instance.service().handle();
        let mut events = handle.subscribe();
        let pid = handle.pid().expect("running");
        let error = call(instance.service(), &json!(1)).await.expect_err("garbage");
        assert_eq!((error.code(), error.is_retryable()), (Code::ExecTransport, true), "{mode:?}: {error}");
        assert!(error.message().contains("stdout"), "{mode:?}: {error}");
        event(&mut events, |event| matches!(event, ProcessEvent::Ready { .. })).await;
        assert_eq!(proc_state(pid), None, "{mode:?}");
    }
}

#[tokio::test]
async fn a_plugin_that_closes_its_stdin_is_killed_and_started_again() {
    let instance = start(fixture(&["close-stdin"]).with_restart(quick(5))).await;
    let handle = instance.service().handle();
    let mut events = handle.subscribe();
    let service = instance.service().clone();
    let first = tokio::spawn(async move { call(&service, json!(1)).await });
    // Calls go on until one meets the closed pipe; those before it were written to nobody.
    let error = within(async {
        loop {
            let short = |call: plugin_core::Call<bytes::Bytes>| call.with_timeout(millis(20));
            let error = call_with(instance.service(), json!(2), short).await.expect_err("nobody reads");
            if error.code() != Code::Timeout {
                return error;
            }
        }
    })
    .await;
    assert_eq!((error.kind(), error.is_retryable()), (Kind::Connection, true), "{error}");
    let first = first.await.expect("no panic").expect_err("lost");
    assert!(first.message().contains("left a broken pipe"), "{first}");
    event(&mut events, |event| matches!(event, ProcessEvent::Ready { .. })).await;
}

#[tokio::test]
async fn a_process_that_is_stopped_by_a_signal_times_out_and_can_be_closed() {
    let instance = start(fixture(&["obliging"]).with_request_timeout(millis(100))).await;
    let pid = instance.service().handle().pid().expect("running");
    signal(pid, rustix::process::Signal::STOP);
    let errors = futures_util::future::join_all((0..32).map(|n| call(instance.service(), json!(n)))).await;
    assert!(errors.into_iter().all(|error| error.expect_err("it is stopped").code() == Code::Timeout));
    signal(pid, rustix::process::Signal::CONT);
    assert_eq!(call(instance.service(), json!("awake")).await.expect("an echo"), "awake");
    signal(pid, rustix::process::Signal::STOP);
    within(instance.close(millis(200))).await.expect_err("it had to be killed");
    assert_eq!(proc_state(pid), None);
}

#[tokio::test]
async fn closing_ends_the_process_and_every_later_call() {
    let instance = start(fixture(&["obliging"])).await;
    let handle = instance.service().handle();
    let pid = handle.pid().expect("running");
    let slow = json!({"sleep": 100});
    let in_flight = call(instance.service(), &slow);
    let close = async {
        tokio::task::yield_now().await;
        within(instance.close(Duration::from_secs(20))).await
    };
    let (reply, closed) = tokio::join!(in_flight, close);
    closed.expect("in time");
    assert_eq!(reply.expect("what is in work is finished"), slow);
    assert_eq!((proc_state(pid), handle.state()), (None, ProcessState::Stopped));
    let error = call(instance.service(), &json!(1)).await.expect_err("closed");
    assert_eq!((error.code(), error.sent()), (Code::ShuttingDown, Sent::Nothing));
    assert_eq!(instance.check().await.state, HealthState::Offline);
    within(instance.close(millis(1))).await.expect("closing twice does no harm");
    assert_eq!(handle.restart().await.expect_err("closed").code(), Code::ShuttingDown);
}

#[tokio::test]
async fn a_process_that_ignores_every_request_to_stop_is_killed_after_the_grace_period() {
    let instance = start(fixture(&["stubborn"])).await;
    let pid = instance.service().handle().pid().expect("running");
    let since = clock::now();
    let error = within(instance.close(millis(400))).await.expect_err("it had to be killed");
    let took = since.elapsed();
    assert!((millis(400)..Duration::from_secs(5)).contains(&took), "{took:?}");
    assert!(error.message().contains("400ms and was killed"), "{error}");
    assert_eq!(proc_state(pid), None);

    // A gateway that stops gives its plugins all the time that it has, which is for their calls.
    let instance = start(fixture(&["stubborn"]).with_shutdown_grace(millis(200))).await;
    let pid = instance.service().handle().pid().expect("running");
    let error = within(instance.close(Duration::from_secs(3600))).await.expect_err("it had to be killed");
    assert!(error.message().contains("200ms and was killed"), "{error}");
    assert_eq!(proc_state(pid), None);
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipes_hangs_nobody_and_goes_too() {
    let instance = start(fixture(&["grandchild"]).with_restart(quick(5))).await;
    let mut events = instance.service().handle().subscribe();
    let pid = call(instance.service(), &json!(null)).await.expect("a pid");
    let grandchild = u32::try_from(pid.as_u64().expect("a pid")).expect("a pid");
    assert!(proc_state(grandchild).is_some_and(|state| state != 'Z'));
    let error = call(instance.service(), &json!("die")).await.expect_err("it dies");
    assert!(error.message().contains("exited with status 7"), "{error}");
    not_running(grandchild).await;

    event(&mut events, |event| matches!(event, ProcessEvent::Ready { .. })).await;
    let pid = call(instance.service(), &json!(null)).await.expect("a pid");
    let grandchild = u32::try_from(pid.as_u64().expect("a pid")).expect("a pid");
    let since = clock::now();
    within(instance.close(Duration::from_secs(10))).await.expect("in time");
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    not_running(grandchild).await;
}

#[tokio::test]
async fn a_process_that_nobody_holds_any_more_is_stopped() {
    let instance = start(fixture(&["obliging"])).await;
    let handle = instance.service().handle();
    let mut events = handle.subscribe();
    let pid = handle.pid().expect("running");
    let service = instance.service().clone();
    drop(instance);
    assert_eq!(call(&service, &json!(1)).await.expect("a clone holds it"), 1);
    drop(service);
    event(&mut events, |event| *event == ProcessEvent::Stopped).await;
    assert_eq!(proc_state(pid), None);
    assert_eq!(handle.state(), ProcessState::Stopped);
}

#[tokio::test]
async fn a_start_that_is_dropped_leaves_no_process() {
    let config = fixture(&["silent"]).build().expect("in bounds");
    for wait in [0, 1, 3, 10, 30] {
        let start = plugin_transports::process::connect(config.clone());
        assert!(tokio::time::timeout(millis(wait), start).await.is_err());
    }
    within(async {
        while children_of_this_process("silent") > 0 {
            tokio::time::sleep(millis(1)).await;
        }
    })
    .await;
}

#[test]
fn a_runtime_that_is_dropped_takes_its_processes_with_it_and_leaves_no_zombie() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let instance = runtime.block_on(start(fixture(&["stubborn"])));
    let handle = instance.service().handle();
    let pid = handle.pid().expect("running");
    drop(runtime);
    assert_eq!(handle.state(), ProcessState::Stopped);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    other.block_on(gone(pid));
    let error = other.block_on(call(instance.service(), &json!(1))).expect_err("gone");
    assert_eq!(error.code(), Code::ShuttingDown);
}

#[tokio::test]
async fn no_process_is_left_when_the_host_exits_returns_or_is_killed() {
    for how in ["exit", "return", "kill"] {
        let mut host = Command::new(env!("CARGO_BIN_EXE_plugin-fixture"))
            .args(["host", how])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the host starts");
        let mut line = String::new();
        BufReader::new(host.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let pid: u32 = line.trim().parse().expect("a pid");
        assert_ne!(pid, 0, "the host has started its plugin");
        if how == "kill" {
            assert!(proc_state(pid).is_some());
            host.kill().expect("killed");
        }
        host.wait().expect("reaped");
        not_running(pid).await;
    }
}

#[tokio::test]
async fn what_a_launcher_has_started_goes_with_a_host_that_is_killed_and_so_does_the_guard() {
    let mut host = Command::new(env!("CARGO_BIN_EXE_plugin-fixture"))
        .args(["host", "launcher"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the host starts");
    let mut line = String::new();
    let mut output = BufReader::new(host.stdout.take().expect("a pipe"));
    output.read_line(&mut line).expect("a line");
    let launcher: u32 = line.trim().parse().expect("a pid");
    let plugins = processes(|stat, _| stat.parent == launcher);
    assert_eq!(plugins.len(), 1, "the launcher {launcher} has started the plugin");
    assert_eq!(processes(|stat, _| stat.parent == host.id()), [launcher], "the guard is no child of the host");
    host.kill().expect("killed");
    host.wait().expect("reaped");
    not_running(launcher).await;
    not_running(plugins[0]).await;
    // Whoever waits for the end of the host's output hears of it: the guard does not hold it.
    assert_eq!(output.read_line(&mut line).expect("its end"), 0);
}

/// Waits until a process that is not a child of this one has ended. Whether its zombie is reaped is up to the init
/// process of the machine.
async fn not_running(pid: u32) {
    within(async {
        while proc_state(pid).is_some_and(|state| state != 'Z' && state != 'X') {
            tokio::time::sleep(millis(1)).await;
        }
    })
    .await;
}

/// Children of this process, zombies included, with this argument; those of tests that run beside this one have others.
fn children_of_this_process(argument: &str) -> usize {
    processes(|stat, line| {
        let ours = line.split(|byte| *byte == 0).any(|part| part == argument.as_bytes());
        stat.parent == std::process::id() && (ours || (line.is_empty() && stat.name.contains("plugin-fixture")))
    })
    .len()
}

/// What the kernel says of a process.
struct Stat {
    name: String,
    parent: u32,
}

/// The ids of the processes of which this holds, by what the kernel says of each and its command line.
fn processes(is: impl Fn(&Stat, &[u8]) -> bool) -> Vec<u32> {
    let dirs = std::fs::read_dir("/proc").expect("readable").flatten();
    dirs.filter_map(|dir| {
        let pid = dir.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(dir.path().join("stat")).ok()?;
        let (name, rest) = stat.rsplit_once(')')?;
        let parent = rest.split_whitespace().nth(1)?.parse().ok()?;
        let line = std::fs::read(dir.path().join("cmdline")).unwrap_or_default();
        is(&Stat { name: name.to_owned(), parent }, &line).then_some(pid)
    })
    .collect()
}
