//! How often a file is read.

use std::time::Duration;

use plugin_core::{ConfigError, settings};

/// How often a file is read. A value that exists is valid.
///
/// The [page of the crate](crate#settings-of-a-file) has the key, with its default and bounds.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_discovery::file::FileConfig;
///
/// let config = FileConfig::builder().with_interval(Duration::from_secs(10)).build()?;
/// assert_eq!(config.interval(), Duration::from_secs(10));
/// assert_eq!(FileConfig::default().interval(), Duration::from_secs(1));
///
/// let fault = FileConfig::builder().with_interval(Duration::ZERO).build().expect_err("no time");
/// assert_eq!(fault.to_string(), "`interval` must be from 1ms to 365d, and is 0s");
/// # Ok::<(), plugin_discovery::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileConfig {
    interval: Duration,
}

/// Makes a [`FileConfig`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct FileConfigBuilder(FileConfig);

impl Default for FileConfig {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1) }
    }
}

impl FileConfig {
    /// A builder that starts with the defaults.
    pub fn builder() -> FileConfigBuilder {
        FileConfigBuilder(Self::default())
    }

    /// The time between two looks at the file.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

impl FileConfigBuilder {
    /// Sets the time between two looks at the file. 1 s unless set.
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.0.interval = interval;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#settings-of-a-file).
    pub fn build(self) -> Result<FileConfig, ConfigError> {
        settings::fitting(self.0)
    }
}
