//! The resource limits of a process.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

/// What a plugin's process may use. Absent means as much as the host may.
///
/// In documents the keys are `max_memory_mb`, in MiB, and `max_file_handles`.
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

    /// Bytes of writable memory, when they are limited.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        self.memory
    }

    /// Open files, when they are limited.
    #[must_use]
    pub fn file_handles(&self) -> Option<u64> {
        self.file_handles
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_never_passes_the_hosts_own() {
        let hard = getrlimit(Resource::Nofile).maximum;
        let limits: Vec<_> = ResourceLimits::new().with_file_handles(u64::MAX - 1).each().collect();
        assert_eq!(limits.len(), 1, "an absent limit is not set");
        assert_eq!(limits[0].1.maximum, hard.or(Some(u64::MAX - 1)));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_document_is_read_strictly_and_written_back() {
        let limits: ResourceLimits = serde_json::from_str(r#"{"max_memory_mb":256}"#).expect("valid");
        assert_eq!(limits, ResourceLimits::new().with_memory(256 << 20));
        assert_eq!(serde_json::to_string(&limits).expect("plain"), r#"{"max_memory_mb":256}"#);
        assert!(serde_json::from_str::<ResourceLimits>(r#"{"max_memory":1}"#).is_err());
    }
}
