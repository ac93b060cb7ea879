//! The death of a plugin's process, and what makes it broken.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use plugin_core::{Code, CodeKind, HealthState, Sent, clock};
use plugin_transports::process::{ProcessConfig, ProcessConfigBuilder, ProcessEvent, ProcessState, RestartConfig};
use serde_json::json;
use support::{call, call_with, event, fixture, kill, millis, proc_state, quick, signal, start, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_under_32_way_load_gives_typed_errors_only_and_calls_succeed_again() {
    let instance = start(fixture(&["obliging"])).await;
    let service = instance.service().clone();
    let mut events = service.handle().events();
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
                            assert_eq!((error.kind(), error.is_retryable()), (CodeKind::Connection, true), "{error:?}");
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
    let mut events = handle.events();
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
                // What was not read yet goes to the next process, and has no answer there either.
                let short = |call: plugin_core::Call<bytes::Bytes>| call.with_timeout(Duration::from_secs(1));
                call_with(&service, json!(n), short).await.expect_err("no answer");
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
    let mut events = instance.service().handle().events();
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

/// The first process reads no call, the others do.
fn deaf_at_first(dir: &tempfile::TempDir, more: &str) -> ProcessConfigBuilder {
    let script = format!("{more} mkdir \"$1\" 2>/dev/null && exec \"$0\" deaf; exec \"$0\" obliging");
    ProcessConfig::builder("fixture", "sh")
        .with_args(["-c", &script, env!("CARGO_BIN_EXE_plugin-fixture")])
        .with_arg(dir.path().join("first"))
        .with_restart(quick(5))
}

/// What is written a few milliseconds after the death, before anybody knows of it, is in the pipe, and nobody has read it.
#[tokio::test]
async fn a_request_that_a_dead_process_has_not_read_goes_to_the_next_one() {
    // What the kernel shows of the pipe is no proof while somebody else could read it.
    let shares = "exec 3<&0; setsid sh -c 'sleep 3 <&3 &' >&- 2>&-; exec 3<&-;";
    for (more, is_proved) in [("", true), (shares, false)] {
        let dir = tempfile::tempdir().expect("a directory");
        let instance = start(deaf_at_first(&dir, more)).await;
        let handle = instance.service().handle();
        let mut call = Box::pin(call(instance.service(), json!(1)));
        // One that is alone is written by its first poll.
        assert!((&mut call).now_or_never().is_none());
        kill(handle.pid().expect("running"));
        match call.await {
            Ok(answer) => assert!(is_proved && answer == 1, "{answer}"),
            Err(error) => {
                let found = (error.code(), error.sent(), error.is_retryable());
                assert!(!is_proved && found == (Code::ExecTransport, Sent::Maybe, true), "{error:?}");
            }
        }
    }
}

/// Its caller looks late.
#[tokio::test]
async fn a_request_that_was_not_read_goes_to_the_process_that_is_there_when_its_caller_looks() {
    let dir = tempfile::tempdir().expect("a directory");
    let instance = start(deaf_at_first(&dir, "")).await;
    let handle = instance.service().handle();
    let mut events = handle.events();
    let mut call = Box::pin(call(instance.service(), json!(1)));
    assert!((&mut call).now_or_never().is_none());
    kill(handle.pid().expect("running"));
    event(&mut events, |event| matches!(event, ProcessEvent::Ready { .. })).await;
    assert_eq!(call.await.expect("the next process answers"), 1);
}

/// Nobody has to repeat it: one death is no reason to count hundreds of attempts.
#[tokio::test]
async fn a_long_line_of_calls_that_a_dead_process_has_not_read_is_answered_by_the_next_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let instance = start(deaf_at_first(&dir, "")).await;
    let handle = instance.service().handle();
    let calls = (0..400).map(|n| {
        let service = instance.service().clone();
        async move { call(&service, json!(n)).await }
    });
    let answers = tokio::spawn(futures_util::future::join_all(calls.collect::<Vec<_>>()));
    within(async {
        while handle.stats().in_flight < 400 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    kill(handle.pid().expect("running"));
    for (n, answer) in within(answers).await.expect("no panic").into_iter().enumerate() {
        assert_eq!(answer.expect("the next process answers"), n);
    }
    assert_eq!(handle.stats().restarts, 1);
}

#[tokio::test]
async fn a_plugin_that_writes_garbage_is_killed_and_started_again() {
    for mode in [&["garbage", "1000"][..], &["endless"], &["close-stdout"]] {
        let instance = start(fixture(mode).with_max_line(64 << 10).with_restart(quick(5))).await;
        let handle = instance.service().handle();
        let mut events = handle.events();
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
    let mut events = handle.events();
    // Calls go on until one meets the closed pipe; those before it were written to nobody, and go to the next process, which
    // does the same.
    let why = within(async {
        loop {
            let short = |call: plugin_core::Call<bytes::Bytes>| call.with_timeout(millis(20));
            call_with(instance.service(), json!(2), short).await.expect_err("nobody reads");
            while let Ok(event) = events.try_recv() {
                if let ProcessEvent::Died { why, .. } = event {
                    return why;
                }
            }
        }
    })
    .await;
    assert!(why.contains("left a broken pipe"), "{why}");
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
