//! What the log says of a process that has failed, and of one that is stopped for a restart: whom it wakes, and how often.

mod support;

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use plugin_transports::process::{ProcessConfig, ProcessEvent, ProcessState, RestartConfig};
use serde_json::{Value, json};
use support::{call, event, fixture, kill, millis, start, within};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What is logged on this thread from now on.
    fn begin() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone());
        (log, tracing::subscriber::set_default(subscriber.finish()))
    }

    /// The lines whose message has this in it.
    fn lines(&self, says: &str) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().expect("no panic").clone()).expect("text");
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event"));
        events.filter(|event| event["fields"]["message"].as_str().is_some_and(|said| said.contains(says))).collect()
    }

    /// The levels of these, and when each says that it is tried again.
    fn failures(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let lines = self.lines("died too often and has failed");
        lines.iter().map(|event| (text(&event["level"]), text(&event["fields"]["again"]))).collect()
    }
}

fn failed(event: &ProcessEvent) -> bool {
    matches!(event, ProcessEvent::Failed { .. })
}

fn ready(event: &ProcessEvent) -> bool {
    matches!(event, ProcessEvent::Ready { .. })
}

fn failure(again: &str) -> (String, String) {
    ("ERROR".to_owned(), again.to_owned())
}

#[tokio::test]
async fn a_process_that_fails_wakes_somebody_once_and_again_after_it_was_well() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, away) = (dir.path().join("plugin"), dir.path().join("away"));
    std::fs::copy(env!("CARGO_BIN_EXE_plugin-fixture"), &file).expect("copied");
    let (log, _guard) = Log::begin();
    // A try comes later than a window after the last, so that one death of a process that was ready again is no crash loop.
    let restart = RestartConfig::new(millis(10), millis(300), millis(200), 1).expect("in bounds");
    let instance = start(ProcessConfig::builder("fixture", &file).with_arg("obliging").with_restart(restart)).await;
    let handle = instance.service().handle();
    let mut events = handle.events();
    std::fs::rename(&file, &away).expect("moved");
    kill(handle.pid().expect("running"));
    event(&mut events, failed).await;
    let told = log.lines("could not be started again").len();
    for _ in 0..2 {
        event(&mut events, failed).await;
    }
    assert_eq!(log.failures(), [failure("in 300ms")]);
    assert_eq!(log.lines("could not be started again").len(), told, "the tries after it are told of once a minute");
    std::fs::rename(&away, &file).expect("moved");
    event(&mut events, ready).await;
    std::fs::rename(&file, &away).expect("moved");
    kill(handle.pid().expect("running"));
    event(&mut events, failed).await;
    assert_eq!(log.failures(), [failure("in 300ms"), failure("in 300ms")]);
}

#[tokio::test]
async fn a_process_that_fails_after_somebody_has_asked_for_a_start_wakes_somebody_again() {
    let (log, _guard) = Log::begin();
    let never = RestartConfig::new(millis(10), millis(10), Duration::from_secs(60), 0).expect("in bounds");
    let instance = start(fixture(&["obliging"]).with_restart(never)).await;
    let handle = instance.service().handle();
    let mut events = handle.events();
    kill(handle.pid().expect("running"));
    event(&mut events, failed).await;
    within(handle.start()).await.expect("it starts");
    kill(handle.pid().expect("running"));
    event(&mut events, failed).await;
    assert_eq!(log.failures(), [failure("not by itself"), failure("not by itself")]);
}

/// Who asks for one at night looks for a warning, and reads it only when something was lost or forced.
#[tokio::test]
async fn a_restart_on_request_is_a_warning_when_calls_were_cut_or_the_process_had_to_be_killed() {
    for (mode, cut, killed) in [("obliging", 0, false), ("says", 1, false), ("stubborn", 0, true)] {
        let (log, _guard) = Log::begin();
        let instance = start(fixture(&[mode]).with_shutdown_grace(millis(400))).await;
        let handle = instance.service().handle();
        let lost = (cut > 0).then(|| {
            let service = instance.service().clone();
            tokio::spawn(async move { call(&service, json!("what is said to it, and no reply")).await })
        });
        within(async {
            // Then it has read the call.
            while handle.stats().noise_lines < cut {
                tokio::task::yield_now().await;
            }
        })
        .await;
        within(handle.restart()).await.expect("it starts");
        assert!(matches!(handle.state(), ProcessState::Running { .. }));
        let lines = log.lines("was stopped for the restart");
        let [line] = &lines[..] else { panic!("{mode}: {lines:?}") };
        let level = if cut > 0 || killed { "WARN" } else { "INFO" };
        let said = (&line["level"], &line["fields"]["cut"], &line["fields"]["killed"]);
        assert_eq!(said, (&json!(level), &json!(cut), &json!(killed)), "{mode}");
        if let Some(lost) = lost {
            within(lost).await.expect("no panic").expect_err("it was cut");
        }
        let _ = within(instance.close(millis(1))).await;
    }
}
