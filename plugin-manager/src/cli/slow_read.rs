//! A word while a file is read that does not come.

use std::{
    fmt::Display,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use super::output::note;

/// So long nobody wonders.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does what reads `file` and those that it names, and tells of it where that takes long: a disk that stands still, such as one of
/// another machine, would otherwise be a program that does nothing without a word.
pub(super) fn reading<T>(file: impl Display, read: impl FnOnce() -> T) -> T {
    let (end, is_over) = mpsc::channel::<()>();
    let waits = format!(
        "still reading {file}, or a file that it names, after {}s: does the disk stand still that has it?",
        PATIENCE.as_secs()
    );
    // Without a thread more there is only less to read.
    let _watch = thread::Builder::new().name("slow-read".to_owned()).spawn(move || {
        if is_over.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            note(waits);
        }
    });
    let done = read();
    drop(end);
    done
}
