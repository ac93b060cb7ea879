//! One request and its answer.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use plugin_core::clock::Instant;
use tokio::io::AsyncWrite;

use super::{
    super::codec::{Answer, Frame},
    Connection, Failure,
};

/// Resolves to the answer, or to why there is none. It cannot outwait its deadline as long as the driver is polled.
pub(crate) struct Exchange<W> {
    connection: Arc<Connection<W>>,
    stage: Stage,
}

enum Stage {
    New { frame: Frame, deadline: Instant, internal: bool },
    Waiting(u64),
    Over,
}

impl<W> Exchange<W> {
    pub(super) fn new(connection: Arc<Connection<W>>, frame: Frame, deadline: Instant, internal: bool) -> Self {
        Self { connection, stage: Stage::New { frame, deadline, internal } }
    }
}

impl<W: AsyncWrite + Unpin> Future for Exchange<W> {
    type Output = Result<Answer, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match std::mem::replace(&mut this.stage, Stage::Over) {
            Stage::New { frame, deadline, internal } => {
                match this.connection.submit(frame, deadline, cx.waker(), internal) {
                    Ok(id) => {
                        this.stage = Stage::Waiting(id);
                        Poll::Pending
                    }
                    Err(failure) => Poll::Ready(Err(failure)),
                }
            }
            Stage::Waiting(id) => match this.connection.fetch(id, cx.waker()) {
                Some(outcome) => Poll::Ready(outcome),
                None => {
                    this.stage = Stage::Waiting(id);
                    Poll::Pending
                }
            },
            // Polled after it was over: there is nothing more to come.
            Stage::Over => Poll::Pending,
        }
    }
}

impl<W> Drop for Exchange<W> {
    fn drop(&mut self) {
        if let Stage::Waiting(id) = self.stage {
            self.connection.forget(id);
        }
    }
}

impl<W> fmt::Debug for Exchange<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::New { .. } => "new",
            Stage::Waiting(_) => "waiting",
            Stage::Over => "over",
        };
        f.debug_struct("Exchange").field("stage", &stage).finish_non_exhaustive()
    }
}
