//! One reader of a body that is remembered.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use plugin_core::BoxError;

use super::{
    error::ReplayError,
    tape::{SharedTape, Source},
};

pub(super) struct Reader<B> {
    pub(super) shared: Arc<SharedTape<B>>,
    pub(super) number: u64,
    /// How many chunks it has read.
    pub(super) position: usize,
    pub(super) has_trailers: bool,
}

pub(super) type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

impl<B> Reader<B> {
    pub(super) fn new(shared: &Arc<SharedTape<B>>, number: u64) -> Self {
        Self { shared: Arc::clone(shared), number, position: 0, has_trailers: false }
    }
}

/// Puts the source back when its poll panics.
struct Lent<'a, B> {
    shared: &'a SharedTape<B>,
    body: Option<B>,
}

impl<B> Drop for Lent<'_, B> {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            self.shared.lock().source = Source::Here(body);
        }
    }
}

impl<B> Reader<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        let mut tape = self.shared.lock();
        if self.number < tape.oldest {
            return Poll::Ready(Some(Err(ReplayError::Superseded.into())));
        }
        if !tape.goes_on(self.number) {
            return Poll::Ready(Some(Err(ReplayError::TooLarge.into())));
        }
        if self.position == 0 {
            tape.begins(self.number);
        }
        if self.position < tape.produced {
            let chunk = tape.chunk(self.position).ok_or(ReplayError::TooLarge);
            self.position += 1;
            return Poll::Ready(Some(chunk.map(Frame::data).map_err(Into::into)));
        }
        let body = match std::mem::replace(&mut tape.source, Source::Out) {
            Source::Here(body) => body,
            Source::Out => {
                // Whoever polls it now wakes all who wait.
                tape.wait(cx);
                return Poll::Pending;
            }
            Source::Failed => {
                tape.source = Source::Failed;
                return Poll::Ready(Some(Err(ReplayError::Failed.into())));
            }
            Source::Ended => {
                tape.source = Source::Ended;
                if std::mem::replace(&mut self.has_trailers, true) {
                    return Poll::Ready(None);
                }
                return Poll::Ready(tape.trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))));
            }
        };
        // Before the poll: the source knows the waker of its last poll alone, and another reader may take that place.
        tape.wait(cx);
        drop(tape);
        self.poll_source(body, cx)
    }

    /// Polls the source without holding the lock, and books what came of it.
    fn poll_source(&mut self, body: B, cx: &mut Context<'_>) -> Polled {
        let mut lent = Lent { shared: &self.shared, body: Some(body) };
        let polled = lent.body.as_mut().map(|body| Pin::new(body).poll_frame(cx));
        let body = lent.body.take();
        drop(lent);
        let (Some(body), Some(polled)) = (body, polled) else { return Poll::Ready(None) };

        let mut tape = self.shared.lock();
        let Poll::Ready(frame) = polled else {
            tape.source = Source::Here(body);
            return Poll::Pending;
        };
        let frame = frame.map(|frame| frame.map(into_bytes).map_err(Into::into));
        tape.source = match &frame {
            None => {
                self.has_trailers = true;
                Source::Ended
            }
            Some(Err(_)) => Source::Failed,
            Some(Ok(frame)) => {
                if let Some(chunk) = frame.data_ref() {
                    tape.remember(chunk, self.number, self.shared.max);
                    if tape.goes_on(self.number) {
                        self.position = tape.produced;
                        if tape.only.is_some() {
                            // It has had all that was remembered.
                            tape.chunks = VecDeque::new();
                        }
                    }
                    Source::Here(body)
                } else if let Some(trailers) = frame.trailers_ref() {
                    tape.trailers = Some(trailers.clone());
                    self.has_trailers = true;
                    Source::Ended
                } else {
                    Source::Here(body)
                }
            }
        };
        let waiting = std::mem::take(&mut tape.waiting);
        let goes_on = tape.goes_on(self.number);
        drop(tape);
        // It was ahead of the one that goes on, for which what it has just read is remembered.
        let frame = if goes_on { frame } else { Some(Err(ReplayError::TooLarge.into())) };
        waiting.into_iter().filter(|waker| !waker.will_wake(cx.waker())).for_each(Waker::wake);
        Poll::Ready(frame)
    }
}

/// A frame whose data is `Bytes`. For a body whose data is `Bytes` already, nothing is copied.
pub(super) fn into_bytes<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

/// The reader whose waker the source knows may be the one that goes away: the others must ask for themselves.
impl<B> Drop for Reader<B> {
    fn drop(&mut self) {
        let mut tape = self.shared.lock();
        if let Some(place) = self.number.checked_sub(tape.oldest) {
            tape.alive = tape.alive.without(place);
        }
        let waiting = std::mem::take(&mut tape.waiting);
        drop(tape);
        waiting.into_iter().for_each(Waker::wake);
    }
}
