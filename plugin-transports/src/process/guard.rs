//! What ends the plugins' process groups when their host is gone.
//!
//! The kernel kills a plugin when its host dies, but not what the plugin has started, and a launcher (`npx`, `uv run`, a
//! script) starts the very program that is meant. So one process per host outlives it for a moment: a shell, which every
//! program that uses this library has at hand. It reads which groups there are from a pipe whose other end only the host
//! holds, and at its end, however the host came by its own, kills what is left of them.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{ChildStdin, Command, Stdio},
    time::Duration,
};

use plugin_core::clock::{self, Instant};
use rustix::{io::ioctl_fionbio, process::Pid};

use super::pre_exec;

/// `+ GROUP` and `- GROUP` per line. What is left in the background is nobody's child, so that the host has nothing to reap,
/// and ignores what a terminal or an init system sends to everybody: it ends when its input does.
const SCRIPT: &str = r#"
exec 3<&0 0</dev/null 1>&0 2>&0
cd /
trap '' HUP INT QUIT TERM
(
    groups=
    while read -r sign group <&3; do
        case $sign in
            +) groups="$groups $group" ;;
            -)
                rest=
                for other in $groups; do
                    [ "$other" = "$group" ] || rest="$rest $other"
                done
                groups=$rest
                ;;
        esac
    done
    for group in $groups; do
        kill -s KILL -- "-$group"
    done
) &
"#;

/// What a list of processes shows it as.
const NAME: &str = "plugin-guard";

const SHELL: &str = "/bin/sh";

/// The host's end. Only the spawning thread has it.
#[derive(Debug)]
pub(super) struct Guard {
    shell: &'static str,
    pipe: Option<ChildStdin>,
    /// Starts in a row that have failed.
    failures: u32,
    /// No other is tried before.
    not_before: Option<Instant>,
}

/// The pauses between starts that fail: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

impl Default for Guard {
    fn default() -> Self {
        Self { shell: SHELL, pipe: None, failures: 0, not_before: None }
    }
}

impl Guard {
    /// A process leads a group of its own from now on. `living` are the leaders of all groups, this one's included.
    pub(super) fn watch(&mut self, group: Pid, living: impl Iterator<Item = Pid>) {
        if self.tell('+', group) || self.not_before.is_some_and(|at| clock::now() < at) {
            return;
        }
        // The first of all, or the last guard was killed, or could not be started: what was short then, such as open files, may
        // be there now.
        match start(self.shell) {
            Ok(pipe) => {
                if self.failures > 0 {
                    tracing::info!(failures = self.failures, "the plugins have a guard after all");
                }
                (self.pipe, self.failures, self.not_before) = (Some(pipe), 0, None);
                for group in living {
                    self.tell('+', group);
                }
            }
            Err(error) => {
                let pause = PAUSES.0.saturating_mul(1 << self.failures.min(6)).min(PAUSES.1);
                self.failures = self.failures.saturating_add(1);
                self.not_before = Some(clock::now().saturating_add(pause));
                tracing::warn!(
                    %error,
                    failures = self.failures,
                    "no {} guards the plugins: what a plugin starts itself may outlive this process if it is killed; it is \
                     tried again when a plugin is started",
                    self.shell
                );
            }
        }
    }

    /// The group is gone, and its number may become another's.
    pub(super) fn forget(&mut self, group: Pid) {
        self.tell('-', group);
    }

    fn tell(&mut self, sign: char, group: Pid) -> bool {
        let Some(pipe) = &mut self.pipe else { return false };
        // A line this short is written whole or not at all.
        match pipe.write_all(format!("{sign} {}\n", group.as_raw_nonzero()).as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.pipe = None;
                false
            }
            // One that was stopped, so that thousands of lines wait for it, misses this one; closing its pipe would tell it
            // that the host is gone.
            _ => true,
        }
    }
}

/// Starts it, and waits until it is in the background.
fn start(shell: &str) -> io::Result<ChildStdin> {
    let mut command = Command::new(shell);
    command
        .args(["-c", SCRIPT, NAME])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    pre_exec::keep_descriptors(&mut command);
    let mut shell = command.spawn()?;
    let pipe = shell.stdin.take().ok_or_else(|| io::Error::other("the pipe to it is missing"))?;
    ioctl_fionbio(&pipe, true)?;
    let status = shell.wait()?;
    if status.success() { Ok(pipe) } else { Err(io::Error::other(format!("it ended: {status}"))) }
}

#[cfg(test)]
mod tests {
    use std::{os::fd::AsRawFd, os::unix::process::ExitStatusExt, process::Child};

    use rustix::process::{Signal, kill_process};

    use super::*;

    fn sleeper() -> (Child, Pid) {
        let child = Command::new("sleep").arg("20").process_group(0).spawn().expect("it starts");
        let pid = Pid::from_child(&child);
        (child, pid)
    }

    /// `None`: it has come to its own end.
    fn killed_by(child: &mut Child) -> Option<i32> {
        child.wait().expect("ours").signal()
    }

    #[test]
    fn what_is_watched_ends_with_the_guards_input_and_what_was_forgotten_does_not() {
        let (mut kept, kept_pid) = sleeper();
        let (mut ended, ended_pid) = sleeper();
        let mut guard = Guard::default();
        guard.watch(kept_pid, [kept_pid].into_iter());
        guard.watch(ended_pid, [kept_pid, ended_pid].into_iter());
        guard.forget(kept_pid);
        drop(guard);
        assert_eq!(killed_by(&mut ended), Some(9));
        assert_eq!(kept.try_wait().expect("ours"), None);
        kill_process(kept_pid, Signal::KILL).expect("ours");
        kept.wait().expect("reaped");
    }

    /// The process that reads this pipe as its descriptor 3.
    fn reader(pipe: &ChildStdin) -> Pid {
        let end = |path: String| std::fs::read_link(path).ok();
        let pipe = end(format!("/proc/self/fd/{}", pipe.as_raw_fd())).expect("it is open");
        let all = std::fs::read_dir("/proc").expect("it is mounted").flatten();
        let mut pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let pid = pids.find(|pid| end(format!("/proc/{pid}/fd/3")).is_some_and(|other| other == pipe));
        pid.and_then(Pid::from_raw).expect("the guard runs")
    }

    /// What it holds open would outlive this process, if for a moment: a lock, or the port of a listener.
    #[test]
    fn the_guard_has_no_descriptor_of_this_process() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        let file = std::fs::File::create(&path).expect("created");
        // Beyond those that the shell itself would put something else in the place of.
        let lock = rustix::io::fcntl_dupfd_cloexec(&file, 20).expect("a descriptor");
        rustix::io::fcntl_setfd(&lock, rustix::io::FdFlags::empty()).expect("it is open");
        let (mut plugin, pid) = sleeper();
        let mut guard = Guard::default();
        guard.watch(pid, [pid].into_iter());
        let reader = reader(guard.pipe.as_ref().expect("it was started"));
        let descriptors = format!("/proc/{}/fd", reader.as_raw_nonzero());
        let open = std::fs::read_dir(descriptors).expect("the guard runs").flatten();
        let links: Vec<_> = open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect();
        assert!(!links.is_empty() && !links.contains(&path), "{links:?}");
        drop((guard, lock, file));
        assert_eq!(killed_by(&mut plugin), Some(9));
    }

    #[test]
    fn a_guard_that_was_killed_is_replaced_by_one_that_knows_all_that_live() {
        let (mut first, first_pid) = sleeper();
        let (mut second, second_pid) = sleeper();
        let mut guard = Guard::default();
        guard.watch(first_pid, [first_pid].into_iter());
        let reader = reader(guard.pipe.as_ref().expect("it was started"));
        kill_process(reader, Signal::KILL).expect("ours");
        let descriptor = format!("/proc/{}/fd/3", reader.as_raw_nonzero());
        let tries = (0..30_000).take_while(|_| std::fs::read_link(&descriptor).is_ok());
        assert!(tries.map(|_| std::thread::sleep(Duration::from_millis(1))).count() < 30_000, "it does not end");
        guard.watch(second_pid, [first_pid, second_pid].into_iter());
        drop(guard);
        assert_eq!((killed_by(&mut first), killed_by(&mut second)), (Some(9), Some(9)));
    }

    #[test]
    fn a_guard_that_could_not_be_started_is_tried_again_after_a_pause_and_watches_all_that_live_then() {
        let ((mut first, first_pid), (mut second, second_pid)) = (sleeper(), sleeper());
        let mut guard = Guard { shell: "/nowhere/sh", ..Guard::default() };
        for failures in 1..=9 {
            guard.watch(first_pid, [first_pid].into_iter());
            assert_eq!((guard.pipe.is_none(), guard.failures), (true, failures));
            let pause = guard.not_before.expect("a pause").saturating_since(clock::now());
            assert!(pause <= PAUSES.1 && (failures > 1 || pause <= PAUSES.0), "{failures}: {pause:?}");
            guard.watch(first_pid, [first_pid].into_iter());
            assert_eq!(guard.failures, failures, "not in the pause");
            guard.not_before = Some(clock::now());
        }
        guard.shell = SHELL;
        guard.watch(second_pid, [first_pid, second_pid].into_iter());
        assert_eq!((guard.pipe.is_some(), guard.failures), (true, 0));
        drop(guard);
        assert_eq!((killed_by(&mut first), killed_by(&mut second)), (Some(9), Some(9)));
    }
}
