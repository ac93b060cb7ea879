//! A request to a service beside the plugin's, which is waited for as long as one to the plugin is.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use plugin_core::{BoxError, BoxFuture, rounded};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

/// The server takes no more: for who has a stream open that has no end of its own.
#[derive(Clone)]
pub(super) struct Ending(pub(super) CancellationToken);

/// The body of such a request. It is an error when nothing more of it comes for too long, and is at its end when the server is.
pub(super) struct PatientBody {
    inner: Incoming,
    limit: Duration,
    /// Begun when it has to wait.
    waited: Option<Pin<Box<Sleep>>>,
    ending: BoxFuture<()>,
}

impl PatientBody {
    pub(super) fn new(inner: Incoming, limit: Duration, ending: &Ending) -> Self {
        let ending = Box::pin(ending.0.clone().cancelled_owned());
        Self { inner, limit, waited: None, ending }
    }
}

impl Body for PatientBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            if let Some(waited) = &mut this.waited {
                waited.as_mut().reset(Instant::now() + this.limit);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if this.ending.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        let waited = this.waited.get_or_insert_with(|| Box::pin(sleep(this.limit)));
        ready!(waited.as_mut().poll(cx));
        let problem = format!("nothing of the request came for {}", rounded(this.limit));
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, problem).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
