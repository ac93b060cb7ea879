//! Reads files of which the size is bounded, on a thread that may wait.

use std::{
    fs,
    io::Read as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::failure::Failure;
use crate::FaultKind;

/// The most that is read of a file. A configuration with the certificates of many clusters is far below it.
const LARGEST_FILE: u64 = 8 * 1024 * 1024;

/// Reads on a thread that may wait, one at a time: a disk that stands still holds up one thread and not one more for each try.
/// Clones are the same reader.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader(Arc<AtomicBool>);

/// A reading that goes on. Dropping it lets the next one begin.
struct Reading(Arc<AtomicBool>);

impl Drop for Reading {
    fn drop(&mut self) {
        // Relaxed: nothing is handed over by it but the permission itself.
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Reader {
    /// A future that is dropped leaves the reading to itself.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, Failure> + Send + 'static,
    {
        if self.0.swap(true, Ordering::Relaxed) {
            return Err(unusable(
                "the files that say how the API server is reached are still being read, since an earlier try",
            ));
        }
        let reading = Reading(Arc::clone(&self.0));
        let read = tokio::task::spawn_blocking(move || {
            let _reading = reading;
            read()
        });
        read.await.unwrap_or_else(|error| Err(unusable(format!("no file was read: {error}"))))
    }
}

pub(super) fn unusable(message: impl Into<String>) -> Failure {
    Failure::new(FaultKind::Unreadable, message)
}

/// A whole file, of which the size is bounded.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes));
    read.map_err(|error| unusable(format!("{} cannot be read: {error}", path.display())))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST_FILE {
        return Err(unusable(format!("{} is larger than {LARGEST_FILE} bytes", path.display())));
    }
    Ok(bytes)
}

/// A file of one word, such as a token. Its end of line is no part of it.
pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    let bytes = read_file(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| unusable(format!("{} is no text", path.display())))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(unusable(format!("{} is empty", path.display())));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_one_word_is_that_word_and_an_empty_one_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("token");
        for (bytes, read) in [(&b"abc\n"[..], Some("abc")), (b" \n", None), (b"\xff", None)] {
            fs::write(&path, bytes).expect("a file");
            assert_eq!(read_text(&path).ok().as_deref(), read);
        }
    }
}
