//! What a process may use.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

/// What a plugin's process may use. Absent means as much as the host may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceLimits {
    memory: Option<u64>,
    file_handles: Option<u64>,
}

impl ResourceLimits {
    /// No limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of writable memory (`RLIMIT_DATA`: heap and private mappings; not the address space, of which a Go
    /// program reserves much more than it uses). Beyond it the plugin's allocations fail.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Open files (`RLIMIT_NOFILE`).
    #[must_use]
    pub fn with_file_handles(mut self, count: u64) -> Self {
        self.file_handles = Some(count);
        self
    }

    /// Limits this very process; for between fork and exec, so it only makes system calls.
    pub(super) fn apply_to_self(self) -> rustix::io::Result<()> {
        self.each().try_for_each(|(resource, limit)| setrlimit(resource, limit))
    }

    /// Limits a child that has not been reaped, so that its number is still its own.
    pub(super) fn apply_to(self, pid: Pid) -> rustix::io::Result<()> {
        self.each().try_for_each(|(resource, limit)| prlimit(Some(pid), resource, limit).map(drop))
    }

    /// Soft and hard limit alike, or the process could lift it again. Never above the host's own hard limit, which a
    /// process without privileges may not pass.
    fn each(self) -> impl Iterator<Item = (Resource, Rlimit)> {
        let wanted = [(Resource::Data, self.memory), (Resource::Nofile, self.file_handles)];
        wanted.into_iter().filter_map(|(resource, most)| {
            let most = most?;
            let most = getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
            Some((resource, Rlimit { current: Some(most), maximum: Some(most) }))
        })
    }
}
