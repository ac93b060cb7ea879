//! What of a process's stderr becomes the host's log.

use plugin_core::{ConfigError, settings};

/// How much of what a plugin writes to stderr is logged.
///
/// The [page of the crate](crate#settings) has the settings, with their defaults and bounds. What is dropped is told of once
/// a second; a line that is cut has the field `cut`.
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
    /// When a value is outside the bounds on the [page of the crate](crate#settings).
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
