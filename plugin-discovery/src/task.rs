//! The task that runs a source and drops what is not to be kept any longer.

use std::{
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use plugin_core::clock;
use tokio::sync::watch;

use crate::{FaultKind, Publisher, Source, kept::Kept};

/// Runs until it is aborted.
pub(crate) async fn run<S: Source>(source: S, kept: Arc<watch::Sender<Kept>>) {
    let publisher = Publisher::new(Arc::clone(&kept));
    tokio::join!(find(source, publisher), expire(&kept));
}

async fn find<S: Source>(source: S, publisher: Publisher) {
    let ended = match catch_unwind(AssertUnwindSafe(|| source.run(publisher.clone()))) {
        Err(_) => "the source panicked",
        Ok(run) => {
            let mut run = pin!(run);
            // A future that panicked is not polled again, and what it broke inside stays inside.
            poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(())) => Poll::Ready("the source has ended"),
                Err(_) => Poll::Ready("the source panicked"),
            })
            .await
        }
    };
    publisher.fault(FaultKind::Ended, ended);
}

async fn expire(kept: &watch::Sender<Kept>) {
    let mut seen = kept.subscribe();
    loop {
        let due = seen.borrow_and_update().due();
        let over = async {
            match due {
                Some(due) => tokio::time::sleep(due.saturating_since(clock::now())).await,
                None => pending().await,
            }
        };
        tokio::select! {
            changed = seen.changed() => debug_assert!(changed.is_ok(), "the sender is borrowed here"),
            () = over => {
                let now = clock::now();
                kept.send_if_modified(|kept| kept.expire(now));
            }
        }
    }
}
