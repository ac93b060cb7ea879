//! What the tests of subprocesses share.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{borrow::Borrow, future::Future, path::PathBuf, time::Duration};

use bytes::Bytes;
use plugin_core::{Call, PluginError, PluginInstance};
use plugin_transports::process::{
    ProcessConfig, ProcessConfigBuilder, ProcessEvent, ProcessService, RestartConfig, connect,
};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;
use tower::ServiceExt;

/// Far more than anything here needs on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Restarts at once, so many times.
pub(crate) fn quick(max_in_window: u32) -> RestartConfig {
    RestartConfig::new(millis(10), millis(10), Duration::from_secs(60), max_in_window).expect("in bounds")
}

/// A plugin that runs in this mode of the fixture.
pub(crate) fn fixture(mode: &[&str]) -> ProcessConfigBuilder {
    ProcessConfig::builder("fixture", env!("CARGO_BIN_EXE_plugin-fixture")).with_args(mode.iter().copied())
}

pub(crate) async fn start(builder: ProcessConfigBuilder) -> PluginInstance<ProcessService> {
    within(connect(builder.build().expect("in bounds"))).await.expect("the plugin starts")
}

pub(crate) async fn start_error(builder: ProcessConfigBuilder) -> PluginError {
    within(connect(builder.build().expect("in bounds"))).await.expect_err("the plugin must not start")
}

/// Nothing in these tests may hang.
pub(crate) async fn within<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(PATIENCE, work).await.expect("a test that hangs has failed")
}

pub(crate) async fn call(service: &ProcessService, payload: impl Borrow<Value>) -> Result<Value, PluginError> {
    call_with(service, payload, |call| call).await
}

pub(crate) async fn call_with(
    service: &ProcessService,
    payload: impl Borrow<Value>,
    with: impl FnOnce(Call<Bytes>) -> Call<Bytes>,
) -> Result<Value, PluginError> {
    let call = with(Call::new(Bytes::from(payload.borrow().to_string())));
    let reply = within(service.clone().oneshot(call)).await?;
    Ok(serde_json::from_slice(reply.payload()).expect("a reply is JSON"))
}

/// Waits for an event.
pub(crate) async fn event(events: &mut Receiver<ProcessEvent>, is: impl Fn(&ProcessEvent) -> bool) -> ProcessEvent {
    within(async {
        loop {
            let event = events.recv().await.expect("no event is missed");
            if is(&event) {
                return event;
            }
        }
    })
    .await
}

/// The process's state letter in /proc; `None` when there is no such process.
pub(crate) fn proc_state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything, brackets included.
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Waits until there is no such process, not even a zombie.
pub(crate) async fn gone(pid: u32) {
    within(async {
        while proc_state(pid).is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

pub(crate) fn kill(pid: u32) {
    signal(pid, rustix::process::Signal::KILL);
}

pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, signal).expect("the process is ours");
}

/// A file of this repository.
pub(crate) fn in_repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
