//! A word while a file is read that does not come.

use std::{
    fmt::Display,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
};

use super::output::note;
use crate::config::disk::ANSWERS_WITHIN;

/// Does what reads `file` and those that it names, and tells of it where that takes long: a disk that stands still, such as one of
/// another machine, would otherwise be a program that does nothing without a word.
pub(super) fn reading<T>(file: impl Display, read: impl FnOnce() -> T) -> T {
    let (end, is_over) = mpsc::channel::<()>();
    let waits = format!(
        "still reading {file}, or a file that it names, after {}s: does the disk stand still that has it?",
        ANSWERS_WITHIN.as_secs()
    );
    // Without a thread more there is only less to read.
    let _watch = thread::Builder::new().name("slow-read".to_owned()).spawn(move || {
        if is_over.recv_timeout(ANSWERS_WITHIN) == Err(RecvTimeoutError::Timeout) {
            note(waits);
        }
    });
    let done = read();
    drop(end);
    done
}
