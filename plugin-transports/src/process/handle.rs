//! What an operator holds of a process.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use plugin_core::{
    Code, PluginError, Sent,
    clock::{self, Instant},
};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{
    ProcessConfig, ResourceLimits,
    hello::Methods,
    running::{Pipe, Running},
};
use crate::lines::client::Connection;

/// Events that a slow listener can fall behind by before it misses some.
const EVENTS: usize = 64;

/// What happened to a plugin's process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessEvent {
    /// A process was started; it is not ready yet.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// The process answered and has its options: calls reach it.
    Ready {
        /// Its process id.
        pid: u32,
    },
    /// A process that was ready died, or was killed because it was broken.
    Died {
        /// Its process id.
        pid: u32,
        /// How, such as "was killed by signal 9".
        why: String,
    },
    /// A process could not be started, or did not become ready.
    StartFailed {
        /// Why.
        why: String,
    },
    /// The process is started again after this time.
    Restarting {
        /// The wait.
        after: Duration,
    },
    /// The process died too often. Only [`ProcessHandle::restart`] starts it again.
    GivenUp,
    /// The process was closed for good.
    Stopped,
}

/// Where a plugin's process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessState {
    /// Ready for calls.
    Running {
        /// Its process id.
        pid: u32,
    },
    /// Between a death, or a restart that was asked for, and readiness.
    Restarting,
    /// Died too often, see [`RestartConfig`](super::RestartConfig).
    GivenUp,
    /// Closed for good.
    Stopped,
}

/// Numbers about a plugin's process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessStats {
    /// Processes that became ready after the first one.
    pub restarts: u64,
    /// Calls in flight, or waiting to be sent.
    pub in_flight: usize,
    /// Replies of the present process that came after their call had ended.
    pub late_replies: u64,
    /// Lines of the present process on stdout that are not replies.
    pub garbage_lines: u64,
}

/// How calls reach the process now.
#[derive(Debug)]
pub(super) enum Link {
    Up {
        connection: Arc<Connection<Pipe>>,
        pid: u32,
        methods: Methods,
    },
    /// `until` is when it is tried again; the past, when it is being started now.
    Down {
        until: Instant,
        why: String,
    },
    GivenUp {
        why: String,
    },
    Stopped,
}

/// What the supervisor writes and everybody reads.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) config: Arc<ProcessConfig>,
    pub(super) link: ArcSwap<Link>,
    events: broadcast::Sender<ProcessEvent>,
    restarts: AtomicU64,
}

impl Shared {
    pub(super) fn new(config: Arc<ProcessConfig>) -> Self {
        let link = Link::Down { until: Instant::ZERO, why: "has not been started".into() };
        Self {
            name: config.name.as_str().into(),
            config,
            link: ArcSwap::from_pointee(link),
            events: broadcast::Sender::new(EVENTS),
            restarts: AtomicU64::new(0),
        }
    }

    pub(super) fn tell(&self, event: ProcessEvent) {
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    /// Calls reach this process from now on.
    pub(super) fn up(&self, running: &Running) {
        let (connection, pid, methods) = (running.connection().clone(), running.id(), running.methods());
        self.link.store(Arc::new(Link::Up { connection, pid, methods }));
        tracing::info!(plugin = %self.name, pid, "the plugin's process is ready");
        self.tell(ProcessEvent::Ready { pid });
    }

    pub(super) fn count_restart(&self) {
        // Relaxed: a number for display, ordered with nothing.
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// Why there is no process to call, or the connection to it.
    pub(super) fn connection(&self) -> Result<Arc<Connection<Pipe>>, PluginError> {
        let error = match &**self.link.load() {
            Link::Up { connection, .. } => return Ok(connection.clone()),
            Link::Down { until, why } => {
                let text = format!("the plugin's process is being restarted: it {why}");
                PluginError::connection(text, Sent::Nothing).with_retry_after(until.saturating_since(clock::now()))
            }
            Link::GivenUp { why } => {
                let text = format!("the plugin's process died too often and is not started again: it {why}");
                PluginError::new(Code::CrashLoop, text).with_sent(Sent::Nothing)
            }
            Link::Stopped => PluginError::new(Code::ShuttingDown, "the plugin was stopped").with_sent(Sent::Nothing),
        };
        Err(error.with_plugin(self.name.clone()))
    }
}

pub(super) type Answer<T> = oneshot::Sender<Result<T, PluginError>>;

/// What the supervisor is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Restart(Answer<()>),
    Limit(ResourceLimits, Answer<()>),
    Close { grace: Duration, done: oneshot::Sender<bool> },
}

/// Everybody who may keep the process alive holds one; when the last is dropped, the process is stopped.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::Sender<Command>,
}

impl Owner {
    /// Stops the process. Doing it twice does no harm.
    pub(super) async fn close(&self, grace: Duration) -> Result<(), PluginError> {
        let (done, stopped) = oneshot::channel();
        // Neither error is one: the supervisor has ended, and the process with it.
        let _ = self.commands.send(Command::Close { grace, done }).await;
        if stopped.await.unwrap_or(true) {
            return Ok(());
        }
        let text = format!("the plugin did not stop within the grace period of {grace:?} and was killed");
        Err(PluginError::new(Code::Timeout, text).with_plugin(self.shared.name.clone()))
    }
}

/// Reads and controls one plugin's process. It does not keep the process alive.
#[derive(Clone)]
pub struct ProcessHandle {
    shared: Arc<Shared>,
    commands: mpsc::WeakSender<Command>,
}

impl ProcessHandle {
    pub(super) fn new(owner: &Owner) -> Self {
        Self { shared: owner.shared.clone(), commands: owner.commands.downgrade() }
    }

    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Where the process stands.
    #[must_use]
    pub fn state(&self) -> ProcessState {
        match &**self.shared.link.load() {
            Link::Up { pid, .. } => ProcessState::Running { pid: *pid },
            Link::Down { .. } => ProcessState::Restarting,
            Link::GivenUp { .. } => ProcessState::GivenUp,
            Link::Stopped => ProcessState::Stopped,
        }
    }

    /// The process id, while it is ready.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match self.state() {
            ProcessState::Running { pid } => Some(pid),
            _ => None,
        }
    }

    /// Numbers for display.
    #[must_use]
    pub fn stats(&self) -> ProcessStats {
        let counts = match &**self.shared.link.load() {
            Link::Up { connection, .. } => connection.counts(),
            _ => Default::default(),
        };
        ProcessStats {
            // Relaxed: see `count_restart`.
            restarts: self.shared.restarts.load(Ordering::Relaxed),
            in_flight: counts.in_flight,
            late_replies: counts.late,
            garbage_lines: counts.garbage,
        }
    }

    /// Follows what happens from now on. A listener that falls 64 events behind misses the oldest.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<ProcessEvent> {
        self.shared.events.subscribe()
    }

    /// Stops the process and starts it again, or starts one that was given up; earlier deaths are forgotten. Resolves
    /// when the new process is ready. Dropping the future changes nothing: the restart goes on.
    ///
    /// # Errors
    ///
    /// When the new process does not become ready (it is then tried again by the usual rules), or when the plugin was
    /// closed (`LIFECYCLE_2102`).
    pub async fn restart(&self) -> Result<(), PluginError> {
        self.ask(Command::Restart).await
    }

    /// Changes the limits of the present process; those after it start with the configured ones. A limit that is
    /// absent stays as it is. To raise one above what the process was started with takes privileges.
    ///
    /// # Errors
    ///
    /// When no process is running, or the kernel refuses.
    pub async fn limit(&self, limits: ResourceLimits) -> Result<(), PluginError> {
        self.ask(|done| Command::Limit(limits, done)).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, PluginError> {
        let closed =
            || PluginError::new(Code::ShuttingDown, "the plugin was stopped").with_plugin(self.shared.name.clone());
        let commands = self.commands.upgrade().ok_or_else(closed)?;
        let (done, answer) = oneshot::channel();
        commands.send(command(done)).await.map_err(|_| closed())?;
        // Waiting for the answer must not keep the process alive.
        drop(commands);
        answer.await.map_err(|_| closed())?
    }
}

impl fmt::Debug for ProcessHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessHandle").field("name", &self.shared.name).field("state", &self.state()).finish()
    }
}
