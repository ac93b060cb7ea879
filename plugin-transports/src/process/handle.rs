//! The handle of a process: its state and events, and starting it again.

use std::{fmt, sync::Arc, time::Duration};

use plugin_core::{Code, PluginError, PluginInfo, clock::Instant, rounded};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{
    ProcessEnd, ProcessEvent, ProcessState, ProcessStats, ResourceLimits,
    link::{Link, LinkState},
};

/// How a process ended that was stopped: by itself, or killed after this time.
pub(super) type Stopped = Result<(), Duration>;

pub(super) type CommandAnswer<T> = oneshot::Sender<Result<T, PluginError>>;

/// What the supervisor is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Restart(CommandAnswer<()>),
    /// Somebody may wait for the process to be ready.
    RetryNow(Option<CommandAnswer<()>>),
    Limit(ResourceLimits, CommandAnswer<()>),
    Close {
        grace: Duration,
        done: oneshot::Sender<Stopped>,
    },
}

/// Everybody who may keep the process alive holds one; when the last is dropped, the process is stopped.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) shared: Arc<LinkState>,
    pub(super) commands: mpsc::Sender<Command>,
}

impl Owner {
    /// Stops the process. Doing it twice does no harm.
    pub(super) async fn close(&self, grace: Duration) -> Result<(), PluginError> {
        let (done, stopped) = oneshot::channel();
        // Neither error is one: the supervisor has ended, and the process with it.
        let _ = self.commands.send(Command::Close { grace, done }).await;
        stopped.await.unwrap_or(Ok(())).map_err(|grace| {
            let text = format!("the plugin did not stop within the grace period of {} and was killed", rounded(grace));
            PluginError::new(Code::Timeout, text).with_plugin(self.shared.name.clone())
        })
    }
}

/// Reads and controls one plugin's process. It does not keep the process alive.
///
/// ```
/// use plugin_transports::process::{ProcessConfig, connect};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let config = ProcessConfig::builder("greeter", "python3").with_arg("greeter.py").build()?;
/// let plugin = connect(config).await?;
/// let process = plugin.service().handle();
///
/// process.restart().await?; // a new version was installed
/// println!("{}, pid {:?}, {} restarts", process.state().as_str(), process.pid(), process.stats().restarts);
/// # Ok(())
/// # }
/// # let _ = run;
/// ```
#[derive(Clone)]
pub struct ProcessHandle {
    shared: Arc<LinkState>,
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
        self.shared.state()
    }

    /// Whether the plugin was ready at any time, in whichever process.
    #[must_use]
    pub fn has_been_ready(&self) -> bool {
        self.shared.has_been_ready()
    }

    /// Since when the present process is ready; `None` while there is none that is.
    #[must_use]
    pub fn ready_since(&self) -> Option<Instant> {
        self.shared.ready_since()
    }

    /// What the plugin said of itself when it was last ready; `None` before that.
    #[must_use]
    pub fn info(&self) -> Option<PluginInfo> {
        self.shared.info()
    }

    /// The time until the process is started next, while it waits for that: after a death, and while it has failed. `None` where it is
    /// ready, where the start goes on, and where nobody but an operator starts it.
    #[must_use]
    pub fn next_start(&self) -> Option<Duration> {
        self.shared.retry_after()
    }

    /// Whether the process has failed and nobody but an operator starts it again: `max_in_window` is 0.
    #[must_use]
    pub fn waits_for_operator(&self) -> bool {
        self.shared.waits_for_operator()
    }

    /// Why there is no process that is ready, in the words that callers are told, such as "the plugin's process is being
    /// restarted: it exited with status 7". `None` where there is one, and when the plugin was closed.
    #[must_use]
    pub fn why_down(&self) -> Option<String> {
        self.shared.why_down()
    }

    /// The process id, while it is ready.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match self.state() {
            ProcessState::Running { pid } => Some(pid),
            _ => None,
        }
    }

    /// How the last process ended that did so by itself, or why it did not become ready; it is remembered when another one
    /// runs.
    #[must_use]
    pub fn last_end(&self) -> Option<ProcessEnd> {
        self.shared.last_end()
    }

    /// Numbers for display.
    #[must_use]
    pub fn stats(&self) -> ProcessStats {
        self.shared.stats()
    }

    /// Follows what happens from now on. A listener that falls 64 events behind misses the oldest.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<ProcessEvent> {
        self.shared.subscribe()
    }

    /// Runs this each time that calls in flight are about to be lost with the process, before any of them hears of it: what
    /// judges the process by its calls can forget there what it knows of it, so that nobody meets, in the place of the
    /// restart, what the calls that are lost say of a process that is no more. Calls that come from then on wait for the next
    /// one, or are refused.
    ///
    /// It runs on the task that watches the process, and must not block. It is kept until the plugin is closed, and so is all
    /// that it holds: an instance of the plugin, or its service, would keep the process alive.
    ///
    /// ```no_run
    /// # use plugin_transports::process::ProcessHandle;
    /// # fn example(process: &ProcessHandle) {
    /// process.before_calls_are_lost(|| println!("the process has died"));
    /// # }
    /// ```
    pub fn before_calls_are_lost(&self, act: impl Fn() + Send + Sync + 'static) {
        self.shared.before_calls_are_lost(Arc::new(act));
    }

    /// Stops the process and starts it again, or starts one that has failed; earlier deaths are forgotten. Resolves
    /// when the new process is ready. Calls that the old one has may end first, for as long as `request_timeout`, unless none
    /// ends for `shutdown_grace`; those that have no answer then are refused with `LIFECYCLE_2101`, and are counted in
    /// [`ProcessStats::cut_calls`]. New calls wait meanwhile. One that is being started already is not interrupted: this waits for it too.
    /// Dropping the future changes nothing: the restart goes on.
    ///
    /// # Errors
    ///
    /// When the new process does not become ready (it is then tried again by the usual rules), or when the plugin was
    /// closed (`LIFECYCLE_2102`).
    pub async fn restart(&self) -> Result<(), PluginError> {
        self.ask(Command::Restart).await
    }

    /// Forgets earlier deaths, and starts a process that has failed, or waits to be started again, now. A process that is
    /// ready or being started is left alone. Does not wait; [`state`](Self::state) and
    /// [`subscribe`](Self::events) tell what comes of it.
    pub fn retry_now(&self) {
        if let Some(commands) = self.commands.upgrade() {
            // Full: as many commands wait already, and the supervisor is about to do one of them.
            let _ = commands.try_send(Command::RetryNow(None));
        }
    }

    /// The same, and resolves when the process is ready: at once where it is. Dropping the future changes nothing: the start
    /// goes on.
    ///
    /// # Errors
    ///
    /// As [`restart`](Self::restart).
    ///
    /// ```no_run
    /// # async fn example(process: plugin_transports::process::ProcessHandle) -> Result<(), plugin_core::PluginError> {
    /// process.start().await?;
    /// assert!(process.pid().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start(&self) -> Result<(), PluginError> {
        self.ask(|done| Command::RetryNow(Some(done))).await
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

    async fn ask<T>(&self, command: impl FnOnce(CommandAnswer<T>) -> Command) -> Result<T, PluginError> {
        let closed = || self.shared.refusal(&Link::Stopped);
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
