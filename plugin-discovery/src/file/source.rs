//! The source that reads a file.

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use plugin_core::settings;

use super::{FileConfig, parse::parse};
use crate::{FaultKind, Publisher, Source, contents::contents};

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

/// A file that takes longer to be read than this does not answer.
const LONGEST_READ: Duration = Duration::from_secs(10);

/// What was published last, as it stood in the file; `None` while the file is none that can be.
struct Seen(Option<Vec<u8>>);

impl Source for FileSource {
    fn run(self, publisher: Publisher) -> impl Future<Output = ()> + Send {
        let Self { path, config } = self;
        async move {
            let mut seen = Seen(None);
            loop {
                let file = Arc::clone(&path);
                let reading = tokio::task::spawn_blocking(move || contents(&file, Self::MAX_LENGTH));
                let late = || {
                    let longest = settings::time(&LONGEST_READ);
                    let message = format!("{}: it is still being read after {longest}", path.display());
                    publisher.fault(FaultKind::Unreachable, message);
                };
                let read = match waited_for(reading, late).await {
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

/// Waits to the end, and says so once when that takes long. A reading cannot be ended from outside.
async fn waited_for<T>(reading: impl Future<Output = T>, late: impl FnOnce()) -> T {
    let mut reading = pin!(reading);
    if let Ok(read) = tokio::time::timeout(LONGEST_READ, &mut reading).await {
        return read;
    }
    late();
    reading.await
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_read_for_long_is_told_once_and_waited_for() {
        for (takes, is_late) in [(LONGEST_READ / 2, 0), (LONGEST_READ * 20, 1)] {
            let (began, told) = (tokio::time::Instant::now(), Cell::new(0));
            let reading = tokio::time::sleep(takes);
            waited_for(reading, || {
                told.set(told.get() + 1);
                assert_eq!(began.elapsed().as_secs(), LONGEST_READ.as_secs());
            })
            .await;
            assert_eq!((told.get(), began.elapsed().as_secs()), (is_late, takes.as_secs()));
        }
    }
}
