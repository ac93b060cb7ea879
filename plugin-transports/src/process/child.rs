//! A child process as an async task sees it.

use std::{
    io,
    os::fd::OwnedFd,
    process::{Child as StdChild, Command, ExitStatus},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::{
    net::unix::pipe::{Receiver, Sender},
    sync::oneshot,
};

use super::spawner::{self, ChildKey, Children};

/// The host's ends of the child's standard streams, as they come from the spawning thread.
#[derive(Debug)]
pub(super) struct Pipes {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Pipes {
    fn take(child: &mut StdChild) -> Option<Self> {
        Some(Self {
            stdin: child.stdin.take()?.into(),
            stdout: child.stdout.take()?.into(),
            stderr: child.stderr.take()?.into(),
        })
    }

    /// Registers the pipes with the runtime. Only the host's ends become non-blocking, the child's stay as they are.
    pub(super) fn register(self) -> io::Result<(Sender, Receiver, Receiver)> {
        Ok((
            Sender::from_owned_fd(self.stdin)?,
            Receiver::from_owned_fd(self.stdout)?,
            Receiver::from_owned_fd(self.stderr)?,
        ))
    }
}

/// A running child that leads a process group. Dropping it kills the group; the spawning thread reaps it.
#[derive(Debug)]
pub(super) struct Child {
    key: ChildKey,
    pid: Pid,
    end: oneshot::Receiver<ExitStatus>,
    status: Option<ExitStatus>,
}

impl Child {
    /// Starts a command whose three streams are pipes. Runs on the spawning thread.
    pub(super) fn start(command: &mut Command, children: &mut Children) -> io::Result<(Self, Pipes)> {
        let mut child = command.spawn()?;
        let pipes = Pipes::take(&mut child);
        let (key, pid, end) = children.adopt(child)?;
        let child = Self { key, pid, end, status: None };
        pipes.map(|pipes| (child, pipes)).ok_or_else(|| io::Error::other("a pipe to the child is missing"))
    }

    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits until the child has ended, what was left of its group is killed, and it is reaped. Dropping the future
    /// changes nothing; waiting again after the end answers at once.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        let status = (&mut self.end).await.map_err(|_| io::Error::other("nobody watches the process"))?;
        self.status = Some(status);
        Ok(status)
    }

    /// Asks the child to stop.
    pub(super) fn terminate(&self) {
        self.signal(|pid| kill_process(pid, Signal::TERM));
    }

    /// Kills the whole process group.
    pub(super) fn kill(&self) {
        self.signal(|pid| kill_process_group(pid, Signal::KILL));
    }

    /// Runs `visit` with the child's process id, unless it has been reaped.
    pub(super) async fn visit<T: Send + 'static>(
        &self,
        visit: impl FnOnce(Pid) -> rustix::io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let key = self.key;
        let gone = rustix::io::Errno::SRCH;
        let result = spawner::run(move |children| children.pid(key).ok_or(gone).and_then(visit)).await?;
        Ok(result?)
    }

    fn signal(&self, send: impl FnOnce(Pid) -> rustix::io::Result<()> + Send + 'static) {
        if self.status.is_none() {
            let key = self.key;
            // Neither error is one: the thread runs, or there would be no child, and a child that cannot be signalled
            // has ended.
            let _ = spawner::post(move |children| {
                let _ = children.pid(key).map(send);
            });
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a process ended, as the second half of a sentence.
pub(super) fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => format!("ended: {status}"),
    }
}
