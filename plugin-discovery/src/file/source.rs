//! The source that reads a file.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{FileConfig, contents::contents, parse::parse};
use crate::{FaultKind, Publisher, Source};

/// Finds the instances of a service in a file, and follows how it changes. The [page of the module](crate::file) says
/// what is in it, when it is read, and what fails.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_discovery::file::{FileConfig, FileSource};
///
/// let config = FileConfig::builder().with_interval(Duration::from_secs(10)).build()?;
/// let source = FileSource::new("/etc/users/instances.json").with_config(config);
/// # drop(source);
/// # Ok::<(), plugin_discovery::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a source does nothing until it is started"]
pub struct FileSource {
    path: Arc<Path>,
    config: FileConfig,
}

impl FileSource {
    /// The most bytes that a file may have: 16 MiB, which is room for 100,000 instances.
    pub const MAX_LENGTH: u64 = 16 << 20;

    /// The file of this path, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into().into(), config: FileConfig::default() }
    }

    /// Sets how often it is read.
    pub fn with_config(mut self, config: FileConfig) -> Self {
        self.config = config;
        self
    }
}

/// What was published last, as it stood in the file; `None` while the file is none that can be.
struct Seen(Option<Vec<u8>>);

impl Source for FileSource {
    fn run(self, publisher: Publisher) -> impl Future<Output = ()> + Send {
        let Self { path, config } = self;
        async move {
            let mut seen = Seen(None);
            loop {
                let file = Arc::clone(&path);
                let read = tokio::task::spawn_blocking(move || contents(&file, Self::MAX_LENGTH)).await;
                let read = match read {
                    Ok(read) => read.map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                };
                if let Err(problem) = seen.take(read, &publisher) {
                    seen.0 = None;
                    publisher.fault(FaultKind::Unreadable, format!("{}: {problem}", path.display()));
                }
                tokio::time::sleep(config.interval()).await;
            }
        }
    }
}

impl Seen {
    /// Publishes what was read. Nothing is published of a file that cannot be.
    fn take(&mut self, read: Result<Vec<u8>, String>, publisher: &Publisher) -> Result<(), String> {
        let bytes = read?;
        if self.0.as_ref() == Some(&bytes) {
            publisher.confirm();
        } else {
            publisher.publish(parse(&bytes)?);
            self.0 = Some(bytes);
        }
        Ok(())
    }
}
