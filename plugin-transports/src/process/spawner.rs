//! The one thread that starts, signals and reaps child processes.
//!
//! The parent-death signal of a child follows the *thread* that forked it: a child that was started on a worker thread
//! dies when the runtime retires that worker. So all children are started by one thread, which lives as long as the
//! host. The same thread reaps them, whatever becomes of the runtime that asked for them, so that none stays a zombie;
//! and it alone signals them, so that no signal can reach another process that was given the number of one reaped.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Child, ExitStatus},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid},
};
use tokio::sync::oneshot;

use super::guard::Guard;

type Job = Box<dyn FnOnce(&mut Children) + Send>;

struct Spawner {
    jobs: Sender<Job>,
    /// Written to after each job, to wake the thread from its poll.
    wake: OwnedFd,
}

static SPAWNER: Mutex<Option<Spawner>> = Mutex::new(None);

/// The children that have not been reaped. Only the thread has it.
#[derive(Default)]
pub(super) struct Children {
    living: Vec<Living>,
    started: u64,
    guard: Guard,
}

struct Living {
    key: ChildKey,
    child: Child,
    pid: Pid,
    /// Readable once the child has ended.
    pidfd: OwnedFd,
    /// Nobody waits for a child whose owner is gone; it is reaped all the same.
    ended: Option<oneshot::Sender<ExitStatus>>,
}

/// Names a child for ever, unlike its process id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChildKey(u64);

impl Children {
    /// Takes over a child that leads its own process group.
    pub(super) fn adopt(&mut self, mut child: Child) -> io::Result<(ChildKey, Pid, oneshot::Receiver<ExitStatus>)> {
        let pid = Pid::from_child(&child);
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(error) => {
                let _ = kill_process_group(pid, Signal::KILL);
                let _ = child.wait();
                return Err(error.into());
            }
        };
        let (ended, end) = oneshot::channel();
        self.started += 1;
        let key = ChildKey(self.started);
        self.living.push(Living { key, child, pid, pidfd, ended: Some(ended) });
        self.guard.watch(pid, self.living.iter().map(|living| living.pid));
        Ok((key, pid, end))
    }

    /// The process id of a child that has not been reaped, and so is its own.
    pub(super) fn pid(&self, key: ChildKey) -> Option<Pid> {
        self.living.iter().find(|living| living.key == key).map(|living| living.pid)
    }

    /// Blocks until there is a job, or a child has ended.
    fn wait(&self, wake: &OwnedFd) {
        let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
        fds.extend(self.living.iter().map(|living| PollFd::new(&living.pidfd, PollFlags::IN)));
        // An interruption is an early look.
        let _ = poll(&mut fds, None);
        let mut count = [0; 8];
        // Empty unless there was a job; the eventfd does not block.
        let _ = rustix::io::read(wake, &mut count);
    }

    fn reap(&mut self) {
        self.living.retain_mut(|living| {
            let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            if !matches!(waitid(WaitId::Pid(living.pid), look), Ok(Some(_))) {
                return true;
            }
            // Before the leader is reaped: afterwards the number of the group could be another's.
            let _ = kill_process_group(living.pid, Signal::KILL);
            self.guard.forget(living.pid);
            match living.child.try_wait() {
                Ok(Some(status)) => {
                    if let Some(ended) = living.ended.take() {
                        let _ = ended.send(status);
                    }
                    false
                }
                _ => true,
            }
        });
    }
}

/// Runs a job on the thread; a job must not block for long.
///
/// # Errors
///
/// When the thread cannot be started.
pub(super) fn post(job: impl FnOnce(&mut Children) + Send + 'static) -> io::Result<()> {
    let mut spawner = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner);
    let Spawner { jobs, wake } = match &mut *spawner {
        Some(spawner) => spawner,
        none => none.insert(start()?),
    };
    let gone = |_| io::Error::other("the thread that starts processes is gone");
    jobs.send(Box::new(job)).map_err(gone)?;
    // Full only after 2^64 - 2 jobs that the thread has not seen.
    rustix::io::write(wake.as_fd(), &1_u64.to_ne_bytes())?;
    Ok(())
}

/// Runs a job on the thread, and resolves to what it returns. Dropping the future drops the result, on the thread.
pub(super) async fn run<T: Send + 'static>(job: impl FnOnce(&mut Children) -> T + Send + 'static) -> io::Result<T> {
    let (reply, answer) = oneshot::channel();
    post(move |children| drop(reply.send(job(children))))?;
    answer.await.map_err(|_| io::Error::other("the job that starts a process failed"))
}

fn start() -> io::Result<Spawner> {
    let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let woken = wake.try_clone()?;
    let (jobs, inbox) = mpsc::channel();
    thread::Builder::new().name("plugin-spawner".into()).spawn(move || work(&inbox, &woken))?;
    Ok(Spawner { jobs, wake })
}

fn work(jobs: &Receiver<Job>, wake: &OwnedFd) {
    let mut children = Children::default();
    loop {
        children.wait(wake);
        for job in jobs.try_iter() {
            // The thread must outlive whatever goes wrong in one job: its end would kill every child.
            let _ = catch_unwind(AssertUnwindSafe(|| job(&mut children)));
        }
        children.reap();
    }
}
