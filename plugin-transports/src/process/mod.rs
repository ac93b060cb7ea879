//! Plugins that run as processes of their own: started, watched, restarted and stopped. Linux only.
//!
//! ```no_run
//! use plugin_core::{Call, PluginError};
//! use plugin_transports::process::{ProcessConfig, connect};
//! use tower::ServiceExt;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = ProcessConfig::builder("greeter", "python3").with_arg("greeter.py").build()?;
//! let greeter = connect(config).await?;
//! let reply = greeter.service().clone().oneshot(Call::new("\"world\"".into())).await?;
//! println!("{}", String::from_utf8_lossy(reply.payload()));
//! greeter.close(std::time::Duration::from_secs(5)).await?;
//! # Ok(()) }
//! ```
//!
//! The process speaks the [line protocol](crate::lines). Many calls are in flight on it at once; a reply finds its call
//! by its id, so a call that timed out or was dropped delays no other, and its late reply reaches nobody.
//!
//! # Life
//!
//! A task of the runtime in which [`connect`] was called owns the process; no call and no caller does. When the process
//! dies, each call in flight fails at once (`TRANSPORT_1304`, or `PLUGIN_1205` when it has read nothing of it), it is reaped,
//! and started again by the rules of [`RestartConfig`]. A call in the meantime waits for that start to end, within its own
//! deadline and the limit of an attempt, and is sent when the process is ready; as many calls may wait as may be in flight.
//! When the start fails, or would begin only after a call's time is up, calls are refused with `PLUGIN_1205`, are worth a
//! second attempt, and say after which time the process is started next. They are refusals, not failures: nothing was sent, and
//! they are no evidence against the process that comes. A process that dies too often is `failed`: calls get
//! `LIFECYCLE_2103` at once, and it is tried again every `max`.
//!
//! While the process is not ready it [holds](plugin_core::HealthCell::hold) the cell that
//! [`PluginInstance::health`] gives, so that no regular check says otherwise: unhealthy while it restarts, offline when it
//! has failed.
//!
//! A reply that cannot be read (no JSON, no UTF-8, a key twice) ends its call at once with `TRANSPORT_1304` and says what is
//! wrong with it: its id is looked for wherever it is in the line. A reply longer than `max_line` ends its call with
//! `PLUGIN_1207`, also when its id comes last. A byte order mark is skipped. What makes a line a reply is said with the
//! [line protocol](crate::lines); a line of a log that names a call, such as `{"level":"info","id":".."}`, is none, and its
//! call goes on. What stands in one line with a reply that cannot be read, as after half a reply that was never ended, is
//! lost with it, and its calls end too. A log belongs on stderr all the same.
//!
//! A process is taken for broken, killed and started again when it closes its stdout, when it writes `max_noise` lines in a
//! row to stdout that are not replies and name no call, or one line of sixteen times `max_line`. Fewer such lines are logged
//! and counted.
//!
//! Each line on stderr becomes an event of `tracing` with the target `plugin::stderr` and the fields `plugin` and `source="stderr"`, as far as
//! [`StderrConfig`] allows: of a plugin that writes more lines a second the rest is dropped and counted.
//!
//! To stop a process, the host asks for `shutdown` where the plugin has that method, closes its stdin, and sends SIGTERM,
//! with a quarter of the grace period after each of the first two; at the end of the period the whole process group is
//! killed. The period is what [`PluginInstance::close`] gives while calls are in flight, and no more than `shutdown_grace` (5 s)
//! when there are none.
//!
//! # Calls that are given up
//!
//! A request that was not written goes with its caller. One that was written stays in the process's input, and a process that
//! takes one call at a time works it off for nobody, before the next. So that callers in a hurry do not fill it up for the
//! others, two rules hold calls back here after one was given up. One that has less time left than each of the last four
//! answers took is written when no other like it is in line (and no other at all, where every answer came in the order of the
//! calls), and holds up none that has more. And once more calls in line were given up than half of those that are waited for,
//! as many may be in line as are waited for, and one more with each answer, until none that was given up is in line; after
//! that as many are written as come, at first, and the oftener it went wrong the fewer. In line is what was written after the
//! latest call that was answered. As many as the process was seen to work on at once are written in any case, twice as many
//! of those that have time: an answer that overtakes others shows those at work that are no older than it took itself. Those
//! that have time are written no later than when a call's time and a quarter is left, unless others that were written so late
//! were mostly given up, or the first in line is there for longer and does not seem to hang. It ends with sixty-four answers
//! that somebody waited for, while nobody gave up.
//!
//! Calls that are held back keep their own limits, and cost nothing when they are given up. Where no
//! answer comes, one more call is written after a second, or the time that the slowest of the last four took (8 s at most), and
//! the next after twice as long. A call whose time ends while it is held back, or behind one that stands before it
//! in line, and while others were answered, is no evidence against the process ([`cut::report_held`](plugin_core::deadline::cut::report_held)); behind a
//! process that answers nobody it is. Health checks and `shutdown` never wait. [`ProcessStats::abandoned`] says how much there
//! may be to work off.
//!
//! # What holds the process in
//!
//! Nothing of the host's environment is passed on unless it is allowed by name. The process leads a group of its own,
//! which is killed with it, so that what it started does not live on; a grandchild that moves to another group or session
//! escapes. It cannot gain privileges, and has the [`ResourceLimits`] that it was given. Of the host's open files it has none
//! but its three streams, however the host came by them.
//!
//! When the host dies, however it does, the kernel kills the process (`PR_SET_PDEATHSIG`), and a guard, one small
//! `/bin/sh` per host that outlives it for a moment, kills what is left of its group: what a launcher such as `npx`, `uv run`
//! or a script has started goes too. Where it cannot be started the log says so, and it is tried
//! again when another plugin is started. A grandchild that moves
//! to another group or session escapes; it notices, if it reads, that its pipes were closed.

mod asking;
mod child;
mod command;
mod config;
mod env;
mod error;
mod event;
mod files;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
mod guard;
mod handle;
mod introduction;
mod limits;
mod link;
mod log_limits;
mod pre_exec;
mod restart;
mod running;
mod service;
mod settings;
mod spawner;
mod state;
mod stderr;
mod supervisor;
mod tries;

use std::sync::Arc;

use plugin_core::{PluginError, PluginInfo, PluginInstance};
use tokio::sync::mpsc;

pub use self::{
    config::{ProcessConfig, ProcessConfigBuilder},
    event::ProcessEvent,
    handle::ProcessHandle,
    limits::ResourceLimits,
    log_limits::StderrConfig,
    restart::RestartConfig,
    service::{ProcessFuture, ProcessService},
    state::{ProcessEnd, ProcessState, ProcessStats},
};
use self::{
    handle::Owner,
    link::LinkState,
    running::{Running, launch},
    supervisor::Supervisor,
};

/// Commands that can wait for the supervisor.
const COMMANDS: usize = 16;

/// Starts the plugin's process, and resolves when it is ready: it has answered, and taken its options.
///
/// Must run within a tokio runtime with I/O and time enabled; the process belongs to a task of that runtime and is
/// killed with it. Dropping the future kills what was started. After the first start the process is kept up by the
/// rules of [`RestartConfig`], until [`PluginInstance::close`] or until nobody holds the instance or its service.
///
/// # Errors
///
/// - `PLUGIN_1007`: the executable is missing, or is nothing that can be executed; the text says which and why.
/// - `CONFIG_1802`: the `work_dir` is not there, or the options cannot be delivered.
/// - `PLUGIN_1205`: the process ended, or did not answer, before it was ready. Its last words on stderr are the
///   error's [`detail`](PluginError::detail).
/// - `PLUGIN_1203`: the plugin refused its options.
/// - `TRANSPORT_1304`: the kernel would not start the process.
pub async fn connect(config: ProcessConfig) -> Result<PluginInstance<ProcessService>, PluginError> {
    let (shared, first) = first_start(config).await;
    Ok(instance(shared, Ok(first?)))
}

/// The same for a plugin that is to be kept whether it starts now or later: where the first start fails, why it did comes with
/// the instance, and the process is tried again by the rules of [`RestartConfig`], as after a death.
///
/// Of a plugin that was not ready yet the [`PluginInfo`] has no more than the name and the version of the configuration, also
/// later; [`ProcessHandle::info`] has what it says of itself when it is there.
///
/// ```no_run
/// # use plugin_transports::process::{ProcessConfig, supervise};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let config = ProcessConfig::builder("greeter", "python3").with_arg("greeter.py").build()?;
/// let (greeter, fault) = supervise(config).await;
/// if let Some(fault) = fault {
///     eprintln!("{fault}; calls are refused until it starts");
/// }
/// # drop(greeter);
/// # Ok(()) }
/// ```
pub async fn supervise(config: ProcessConfig) -> (PluginInstance<ProcessService>, Option<PluginError>) {
    let (shared, first) = first_start(config).await;
    match first {
        Ok(running) => (instance(shared, Ok(running)), None),
        Err(fault) => (instance(shared, Err(&fault)), Some(fault)),
    }
}

async fn first_start(config: ProcessConfig) -> (Arc<LinkState>, Result<Running, PluginError>) {
    let shared = Arc::new(LinkState::new(Arc::new(config)));
    let started = |pid| shared.tell(ProcessEvent::Started { pid });
    let first = launch(&shared, started).await;
    (shared, first)
}

/// The instance of a plugin whose first start has come to this, and from here on its supervisor.
fn instance(shared: Arc<LinkState>, first: Result<Running, &PluginError>) -> PluginInstance<ProcessService> {
    let info = match &first {
        Ok(running) => running.info().clone(),
        Err(_) => PluginInfo::new(&*shared.name, &shared.config.version).with_transport("exec"),
    };
    let (commands, inbox) = mpsc::channel(COMMANDS);
    let mut supervisor = Supervisor::new(shared.clone(), inbox);
    let phase = supervisor.begin(first);
    tokio::spawn(supervisor.run(phase));
    let health = shared.health.clone();
    let service = ProcessService::new(Arc::new(Owner { shared, commands }));
    let (probed, closed) = (service.clone(), service.owner().clone());
    PluginInstance::new(service, info)
        .with_health(health)
        .with_probe(move || {
            let probed = probed.clone();
            async move { probed.check().await }
        })
        .with_close(move |grace| {
            let owner = closed.clone();
            async move { owner.close(grace).await }
        })
}
