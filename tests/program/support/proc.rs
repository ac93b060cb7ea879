//! Which processes there are.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::until;

/// The state of a process as `/proc` has it, such as `S`, or `Z` for a zombie.
pub(crate) fn state(pid: u32) -> Option<char> {
    stat(pid).map(|(state, _)| state)
}

/// The state and the parent.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may have blanks and parentheses in it.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// The children of a process, zombies included.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("readable").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent)).collect()
}

/// Waits until a process has ended. When its parent died first, reaping it is up to the init process of the machine.
pub(crate) async fn gone(pid: u32) {
    until(&format!("process {pid} is gone"), async || {
        state(pid).is_none_or(|state| matches!(state, 'Z' | 'X')).then_some(())
    })
    .await;
}

/// `kill -9`.
pub(crate) fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, Signal::KILL).expect("it runs");
}

/// Asserts that no process has this text in its command line.
#[track_caller]
pub(crate) fn none_running(text: &str) {
    let entries = fs::read_dir("/proc").expect("readable").flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let found: Vec<_> = lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect();
    assert!(found.is_empty(), "left running: {found:?}");
}
