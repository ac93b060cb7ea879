//! What a start reads from disk, it reads on a thread that may wait.

use std::sync::Arc;

use plugin_core::{Code, PluginError, Sent, deadline::within, rounded};
use tokio::sync::Mutex;

use crate::config::disk::ANSWERS_WITHIN;

/// What is read for the starts of one plugin, one after the other: a disk that stands still has one thread of each plugin, however
/// often its start is tried.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading(Arc<Mutex<()>>);

impl Reading {
    /// Does what reads files. A start that waits too long for them has failed, and is tried again as any other. Dropping the
    /// future leaves it to itself: what it brings then is dropped.
    pub(super) async fn have<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, PluginError> + Send + 'static,
    ) -> Result<T, PluginError> {
        let in_turn = async {
            let turn = Arc::clone(&self.0).lock_owned().await;
            // What is told of it is for who listens here.
            let log = tracing::dispatcher::get_default(Clone::clone);
            let read = move || {
                let _turn = turn;
                tracing::dispatcher::with_default(&log, read)
            };
            on_a_thread_that_may_wait(read).await?
        };
        within(ANSWERS_WITHIN, in_turn).await.unwrap_or_else(|| {
            let limit = rounded(ANSWERS_WITHIN);
            let problem =
                format!("its files of TLS were not read within {limit}: does the disk stand still that has them?");
            Err(PluginError::new(Code::MissingTlsFiles, problem).with_sent(Sent::Nothing))
        })
    }
}

/// Does what may wait for a disk. A panic of it goes on; an error says that the runtime has stopped before.
pub(crate) async fn on_a_thread_that_may_wait<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PluginError> {
    tokio::task::spawn_blocking(work).await.or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(PluginError::new(Code::ShuttingDown, "the runtime stopped while files were read")),
    })
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    /// Reads until it may end, and says when it has begun.
    fn disk() -> (impl FnOnce() -> Result<u8, PluginError>, mpsc::Receiver<()>, mpsc::Sender<()>) {
        let ((begun, has_begun), (end, is_over)) = (mpsc::channel(), mpsc::channel());
        let read = move || {
            let _ = begun.send(());
            is_over.recv_timeout(Duration::from_secs(30)).map_err(|error| PluginError::execution(error.to_string()))?;
            Ok(1)
        };
        (read, has_begun, end)
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_stands_still_fails_a_start_after_a_while_and_has_one_thread_of_a_plugin() {
        let reading = Reading::default();
        let (read, has_begun, end) = disk();
        let late = async || tokio::time::advance(ANSWERS_WITHIN).await;
        let (first, ()) = tokio::join!(reading.have(read), late());
        let first = first.expect_err("it takes too long");
        assert_eq!((first.code(), first.sent()), (Code::MissingTlsFiles, Sent::Nothing));
        assert!(first.message().contains("were not read within 10s"), "{first}");
        has_begun.recv().expect("it was begun");

        // The next start waits for the same disk.
        let (read, second_has_begun, _end) = disk();
        let (second, ()) = tokio::join!(reading.have(read), late());
        assert!(second.is_err() && second_has_begun.try_recv().is_err(), "it has begun beside the first");
        // Nor does it keep another plugin.
        assert_eq!(Reading::default().have(|| Ok(2)).await.expect("its disk is well"), 2);

        end.send(()).expect("it waits");
        assert_eq!(reading.have(|| Ok(3)).await.expect("the disk is back"), 3);
    }

    #[tokio::test]
    async fn a_panic_of_what_reads_goes_on() {
        let panics = tokio::spawn(async { Reading::default().have::<()>(|| panic!("in the middle")).await });
        assert!(panics.await.expect_err("it has panicked").is_panic());
    }
}
