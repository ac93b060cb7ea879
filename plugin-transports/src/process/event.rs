//! What happens to a plugin's process, as whoever listens is told.

use std::time::Duration;

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
    /// The process died too often, or a process that had failed could not be started. Calls are refused meanwhile. It is also
    /// what follows at once when a process dies that had failed before and was ready for less than the window.
    Failed {
        /// The time until it is tried again; `None` when only [`ProcessHandle::restart`](super::ProcessHandle::restart) and
        /// [`ProcessHandle::retry_now`](super::ProcessHandle::retry_now) do that.
        after: Option<Duration>,
    },
    /// The process was closed for good.
    Stopped,
}
