//! A disk that stands still, and a configuration that names files on it.

use std::{cell::Cell, sync::mpsc, thread, time::Duration};

/// So long a reading of files is waited for, here as at a plugin's start, and so long nobody is told that it takes long; ...
pub(crate) const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// ... and so long once one has not come back: of a thousand plugins on one disk not each is to wait for it.
const AFTER_ONE: Duration = Duration::from_millis(100);

thread_local!(static HAS_STOOD_STILL: Cell<bool> = const { Cell::new(false) });

/// Does what reads files, on a thread that may wait; `None` where it does not come back. What it brings then is dropped.
pub(super) fn answered<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let limit = if HAS_STOOD_STILL.get() { AFTER_ONE } else { ANSWERS_WITHIN };
    answered_within(limit, read)
}

fn answered_within<T: Send + 'static>(limit: Duration, read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = mpsc::sync_channel(1);
    let reading = move || drop(tell.send(read()));
    if thread::Builder::new().name("config-files".to_owned()).spawn(reading).is_err() {
        return None;
    }
    let answer = told.recv_timeout(limit).ok();
    // It stays so: where files of that disk and of others are read by turns, the next is to be given no more time.
    if answer.is_none() {
        HAS_STOOD_STILL.set(true);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_a_configuration_waits_for_no_disk_without_end() {
        let (end, is_over) = mpsc::channel::<()>();
        assert_eq!(answered(|| 1), Some(1));
        let stands = move || is_over.recv().is_ok();
        assert_eq!(answered_within(Duration::from_millis(1), stands), None);
        assert!(HAS_STOOD_STILL.get(), "the next are given less time");
        assert_eq!(answered(|| 2), Some(2), "and another disk is well");
        assert!(HAS_STOOD_STILL.get(), "which says nothing of the first");
        drop(end);
    }
}
