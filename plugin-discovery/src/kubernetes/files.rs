//! Reads files of which the size is bounded, on a thread that may wait.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::failure::Failure;
use crate::{FaultKind, contents::contents};

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
    contents(path, LARGEST_FILE).map_err(|error| unusable(format!("{} cannot be read: {error}", path.display())))
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
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_file_that_does_not_come_holds_up_one_thread_however_often_it_is_tried() {
        let reader = Reader::default();
        let (write, wait) = std::sync::mpsc::channel::<()>();
        let stuck = reader.read(move || wait.recv().map_err(|_| unusable("given up")));
        // Whoever waited for it does so no longer.
        let given_up = tokio::time::timeout(std::time::Duration::from_millis(20), stuck).await;
        assert!(given_up.is_err());
        for _ in 0..3 {
            let tried = reader.clone().read(|| Ok(())).await;
            assert!(tried.expect_err("one at a time").message.contains("are still being read"));
        }
        write.send(()).expect("it waits");
        while reader.read(|| Ok(())).await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn a_pipe_or_a_directory_in_the_place_of_a_file_is_refused_at_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("token");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("`mkfifo` is there");
        assert!(made.success());
        for path in [path.as_path(), dir.path()] {
            let path = path.to_owned();
            let (tell, told) = std::sync::mpsc::channel();
            std::thread::spawn(move || tell.send(read_text(&path).map_err(|failure| failure.message)));
            let read = told.recv_timeout(std::time::Duration::from_secs(10)).expect("it waits for nobody");
            assert!(read.expect_err("no file").ends_with("cannot be read: it is no regular file"));
        }
    }

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
