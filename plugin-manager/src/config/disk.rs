//! A disk that stands still, and a configuration that names files on it.

use std::{
    cell::RefCell,
    io,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

/// So long a reading of files is waited for, here as at a plugin's start, and so long nobody is told that it takes long.
pub(crate) const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// So long a reading is waited for once one has not come back: of a thousand plugins on one disk not each is to wait for it.
const AFTER_ONE: Duration = Duration::from_millis(100);

thread_local!(
    /// What has not come back, of the configuration that this thread reads.
    static UNREAD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
);

/// Another configuration is read: its disks may be well.
pub(super) fn begin() {
    UNREAD.take();
}

/// What has not come back since then.
pub(super) fn unread() -> Vec<String> {
    UNREAD.with_borrow(Clone::clone)
}

/// Does what reads files, on a thread that may wait; `None` where it does not come back. What it brings then is dropped.
/// `what` names the files.
pub(super) fn answered<T: Send + 'static>(
    what: impl FnOnce() -> String,
    read: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let limit = if UNREAD.with_borrow(Vec::is_empty) { ANSWERS_WITHIN } else { AFTER_ONE };
    answered_within(limit, what, read)
}

fn answered_within<T: Send + 'static>(
    limit: Duration,
    what: impl FnOnce() -> String,
    read: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = mpsc::sync_channel(1);
    let reading = move || drop(tell.send(read()));
    let begun: io::Result<_> = thread::Builder::new().name("config-files".to_owned()).spawn(reading);
    let answer = match begun {
        Ok(_) => told.recv_timeout(limit),
        Err(_) => Err(RecvTimeoutError::Disconnected),
    };
    // It stays so: where files of that disk and of others are read by turns, the next is to be given no more time.
    if answer.is_err() {
        UNREAD.with_borrow_mut(|unread| unread.push(what()));
    }
    answer.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_a_configuration_waits_for_no_disk_without_end() {
        const LONG: Duration = Duration::from_secs(60);
        let (end, is_over) = mpsc::channel::<()>();
        let name = || "a file".to_owned();
        begin();
        assert_eq!(answered_within(LONG, name, || 1), Some(1));
        assert_eq!(unread(), Vec::<String>::new());
        let stands = move || is_over.recv().is_ok();
        assert_eq!(answered_within(Duration::from_millis(1), name, stands), None);
        assert_eq!(answered_within(LONG, name, || 2), Some(2), "and another disk is well");
        assert_eq!(unread(), ["a file"], "which says nothing of the first");
        begin();
        assert_eq!(unread(), Vec::<String>::new(), "of another configuration");
        drop(end);
    }
}
