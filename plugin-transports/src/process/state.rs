//! How a plugin's process is and was, as its operator reads it.

use std::time::SystemTime;

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
    /// Died too often. It is tried again, and stays failed until it is ready.
    Failed,
    /// Closed for good.
    Stopped,
}

impl ProcessState {
    /// The state in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running { .. } => "running",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// How a process of a plugin has ended that was not stopped, or why it did not become ready.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessEnd {
    /// When that was noticed.
    pub at: SystemTime,
    /// How, as the second half of a sentence about the process, such as "exited with status 7".
    pub why: String,
    /// What it said last: some lines from the end of its stderr, below a line that says so. For its operator, and no caller.
    pub said: Option<String>,
}

/// Numbers about a plugin's process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessStats {
    /// Starts after the first one, whether the process became ready or not.
    pub restarts: u64,
    /// Starts that failed, the first one too: the process could not be started, or did not become ready.
    pub failed_starts: u64,
    /// Calls that the process may have seen and that were cut off since a restart, or a close, was asked for.
    pub cut_calls: u64,
    /// Calls in flight, or waiting to be sent, also those that wait for a process to be ready.
    pub in_flight: usize,
    /// Calls that the present process was sent after the latest that it has answered, and that nobody waits for any more: a
    /// plugin that takes one call at a time has these to do before the next.
    pub abandoned: usize,
    /// Replies of the present process that came after their call had ended.
    pub late_replies: u64,
    /// Lines of the present process on stdout that are not replies.
    pub noise_lines: u64,
    /// Lines on stderr that were more than [`StderrConfig`](super::StderrConfig) lets be logged.
    pub dropped_lines: u64,
}
