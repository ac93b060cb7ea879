//! What of a process's stderr becomes the host's log.

use plugin_core::{ConfigError, settings};

/// How much of what a plugin writes to stderr is logged.
///
/// | setting | default | bounds |
/// |---|---|---|
/// | `lines_per_second`: more are dropped, counted, and told of once a second | 100 | 1 to 1,000,000 |
/// | `max_line`: of a longer line its beginning is logged, with the field `cut` | 16 KiB | 64 bytes to 1 MiB |
///
/// ```
/// use plugin_transports::process::{ProcessConfig, StderrConfig};
///
/// let stderr = StderrConfig::new(10, 1024)?;
/// let config = ProcessConfig::builder("chatty", "./chatty").with_stderr(stderr).build()?;
/// # let _ = config;
/// # Ok::<_, plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StderrConfig {
    pub(super) lines_per_second: u32,
    pub(super) max_line: usize,
}

pub(super) const MOST_LINES: u32 = 1_000_000;
pub(super) const LEAST_LINE: usize = 64;
pub(super) const MOST_LINE: usize = 1 << 20;

impl StderrConfig {
    /// Logs so many lines a second, of so many bytes each.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds of the table.
    pub fn new(lines_per_second: u32, max_line: usize) -> Result<Self, ConfigError> {
        settings::fitting(Self { lines_per_second, max_line })
    }

    /// Lines that are logged in a second at most.
    #[must_use]
    pub fn lines_per_second(&self) -> u32 {
        self.lines_per_second
    }

    /// Bytes that are logged of a line at most.
    #[must_use]
    pub fn max_line(&self) -> usize {
        self.max_line
    }
}

impl Default for StderrConfig {
    fn default() -> Self {
        Self { lines_per_second: 100, max_line: 16 << 10 }
    }
}
