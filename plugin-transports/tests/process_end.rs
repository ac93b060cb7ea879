//! The end of a plugin's process: closing, grandchildren, and the death of the host.

mod support;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use plugin_core::{Code, HealthState, Sent, clock};
use plugin_transports::process::{ProcessEvent, ProcessState};
use serde_json::json;
use support::{call, event, fixture, gone, millis, proc_state, quick, start, within};

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
    let mut events = instance.service().handle().events();
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
    let mut events = handle.events();
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
