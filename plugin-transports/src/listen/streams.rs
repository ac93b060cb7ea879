//! The streams of a connection of HTTP/2, each of which is given up when its peer takes nothing of its answer.
//!
//! Over HTTP/1.1 such an answer is written to a socket that takes no more (see `stalled`). Here it waits for the window of its
//! stream, and the socket is as free as ever.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use plugin_core::rounded;

use super::write_timeout::{Patience, WriteEnd};

tokio::task_local! {
    /// Of the stream that is being polled. Its answer is polled within.
    static GIVEN: Cell<Given>;
}

/// What has been given of an answer.
#[derive(Clone, Copy, Debug, Default)]
struct Given {
    pieces: u64,
    /// The last of them waits for the peer's window: hyper asks for another piece once it could send some of this one.
    waits: bool,
}

/// A piece of the answer of the stream that is being polled is about to be given.
pub(super) fn giving() {
    // Without one there is nothing to watch: HTTP/1.1.
    let _ = GIVEN.try_with(|given| given.set(Given { pieces: given.get().pieces + 1, waits: true }));
}

/// The stream that is being polled wants another piece of its answer.
pub(super) fn asked() {
    // As above.
    let _ = GIVEN.try_with(|given| given.set(Given { waits: false, ..given.get() }));
}

/// Runs the streams of a connection.
#[derive(Clone, Debug)]
pub(super) struct Streams(Patience);

impl Streams {
    pub(super) fn new(patience: Patience) -> Self {
        Self(patience)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        tokio::spawn(Watched { stream, patience: self.0.clone(), given: Given::default(), waiting: None });
    }
}

pin_project! {
    /// A stream that ends when a piece of its answer has waited for too long. It is dropped then, which resets it and frees what
    /// it holds, and leaves the others on its connection alone.
    struct Watched<F> {
        #[pin]
        stream: F,
        patience: Patience,
        given: Given,
        // There while a piece waits.
        waiting: Option<WriteEnd>,
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = self.project();
        let stream = me.stream;
        let (polled, given) = GIVEN.sync_scope(Cell::new(*me.given), || (stream.poll(cx), GIVEN.with(Cell::get)));
        if polled.is_ready() {
            return Poll::Ready(());
        }
        // A piece that is another one than before has not waited yet.
        if !given.waits || given.pieces != me.given.pieces {
            *me.waiting = None;
        }
        *me.given = given;
        if !given.waits {
            return Poll::Pending;
        }
        match me.waiting.get_or_insert_with(|| me.patience.begin()).as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(limit) => {
                tracing::debug!("an answer was given up, of which its peer took nothing for {}", rounded(limit));
                Poll::Ready(())
            }
        }
    }
}
