//! The files of a process, looked at before the thread that starts, signals and reaps all processes has to wait for their disk.

use std::{io, sync::Arc, thread};

use tokio::sync::{Mutex, oneshot};

/// The looks of one plugin, one after the other: a disk that stands still has one thread of each plugin, however often its start is
/// tried.
#[derive(Clone, Debug, Default)]
pub(super) struct Files(Arc<Mutex<()>>);

impl Files {
    /// Does what waits for a disk, on a thread that nobody has to wait for: neither another plugin, nor a runtime that ends. Dropping
    /// the future leaves it to itself, and what it brings then is dropped.
    ///
    /// # Errors
    ///
    /// When there can be no thread.
    pub(super) async fn look<T: Send + 'static>(&self, look: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let turn = Arc::clone(&self.0).lock_owned().await;
        let (tell, told) = oneshot::channel();
        thread::Builder::new().name("plugin-files".to_owned()).spawn(move || {
            let found = look();
            drop(turn);
            let _ = tell.send(found);
        })?;
        told.await.map_err(|_| io::Error::other("the thread that looks at the files failed"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_disk_that_stands_still_has_one_thread_of_a_plugin_and_keeps_no_other() {
        let ((begun, has_begun), (end, is_over)) = (mpsc::channel(), mpsc::channel::<()>());
        let files = Files::default();
        let stands = files.look(move || {
            let _ = begun.send(());
            is_over.recv().is_ok()
        });
        // Begun, and given up.
        assert!(futures_util::poll!(Box::pin(stands)).is_pending());
        has_begun.recv().expect("a thread looks");
        let mut second = Box::pin(files.look(|| 2));
        assert!(futures_util::poll!(&mut second).is_pending(), "beside the first");
        assert_eq!(Files::default().look(|| 3).await.expect("a thread"), 3, "another plugin's disk is well");
        end.send(()).expect("it waits");
        assert_eq!(second.await.expect("a thread"), 2);
    }

    #[tokio::test]
    async fn a_look_that_panics_is_an_error() {
        let files = Files::default();
        files.look::<()>(|| panic!("in the middle")).await.expect_err("nothing was found");
        assert_eq!(files.look(|| 1).await.expect("a thread"), 1);
    }
}
