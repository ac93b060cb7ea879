//! A body that can be read again.

mod error;
mod reader;
mod tape;

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, SizeHint};
use plugin_core::BoxError;

pub use self::error::ReplayError;
use self::{
    reader::{Polled, Reader, into_bytes},
    tape::{Readers, SharedTape, Source, Tape},
};

/// A body that remembers what was read of it, up to a cap, so that it can be sent again, trailers included.
///
/// The bytes are never copied: what is remembered are handles to the same buffers. A handle costs memory too, so another
/// chunk of a few bytes counts as 64, and an empty one is not remembered. Nothing is read ahead: a second reader that comes
/// to the end of what is remembered reads on from the source.
///
/// A body that turns out larger than the cap cannot be sent again. Where several attempts read it side by side one of them
/// goes on and the others stop, as gRFC A6 has it: the oldest that has begun to read, whichever of them was ahead.
///
/// Made by [`ReplayBodyLayer`](crate::ReplayBodyLayer), and it remembers nothing until a retry layer asks it to.
pub struct ReplayBody<B>(BodyState<B>);

enum BodyState<B> {
    Plain(B),
    Empty,
    Reading(Reader<B>),
}

/// What is remembered of a body; makes readers.
pub struct Recording<B>(Option<Arc<SharedTape<B>>>);

impl<B> ReplayBody<B> {
    /// Wraps a body. It passes through until a retry layer keeps it.
    #[must_use]
    pub fn new(body: B) -> Self {
        Self(BodyState::Plain(body))
    }
}

impl<B: Body + Unpin> Recording<B> {
    /// Whether a body is known to be larger than this.
    pub(super) fn is_too_large(body: &B, max: usize) -> bool {
        body.size_hint().lower() > u64::try_from(max).unwrap_or(u64::MAX)
    }

    /// Starts to remember a body.
    pub(super) fn start(body: B, max: usize) -> (ReplayBody<B>, Self) {
        if body.is_end_stream() {
            return (ReplayBody(BodyState::Empty), Self(None));
        }
        let tape = Tape {
            source: Source::Here(body),
            chunks: VecDeque::new(),
            held: 0,
            produced: 0,
            trailers: None,
            readers: 1,
            oldest: 0,
            alive: Readers::default().with(0),
            begun: Readers::default(),
            only: None,
            waiting: Vec::new(),
        };
        let shared = Arc::new(SharedTape { tape: Mutex::new(tape), max });
        (ReplayBody(BodyState::Reading(Reader::new(&shared, 0))), Self(Some(shared)))
    }

    /// The body from its beginning. Unless it is read `beside` the others, they are cut off. `None`: it was too large,
    /// or its source has failed.
    #[must_use]
    pub fn reader(&self, beside: bool) -> Option<ReplayBody<B>> {
        let Some(shared) = &self.0 else { return Some(ReplayBody(BodyState::Empty)) };
        let mut tape = shared.lock();
        if tape.only.is_some() || matches!(tape.source, Source::Failed) {
            return None;
        }
        let number = tape.readers;
        tape.readers += 1;
        if !beside {
            tape.oldest = number;
            (tape.alive, tape.begun) = (Readers::default(), Readers::default());
        }
        tape.alive = tape.alive.with(number - tape.oldest);
        Some(ReplayBody(BodyState::Reading(Reader::new(shared, number))))
    }
}

impl<B: Body + Unpin> ReplayBody<B> {
    /// Starts to remember, unless the body is known to be larger than `max`, or an outer layer keeps it already.
    pub(super) fn record(&mut self, max: usize) -> Option<Recording<B>> {
        match std::mem::replace(&mut self.0, BodyState::Empty) {
            BodyState::Plain(body) if !Recording::is_too_large(&body, max) => {
                let (reader, recording) = Recording::start(body, max);
                *self = reader;
                Some(recording)
            }
            BodyState::Empty => Some(Recording(None)),
            other => {
                self.0 = other;
                None
            }
        }
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match &mut self.0 {
            BodyState::Plain(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map(into_bytes).map_err(Into::into)))
            }
            BodyState::Empty => Poll::Ready(None),
            BodyState::Reading(reader) => reader.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            BodyState::Plain(body) => body.is_end_stream(),
            BodyState::Empty => true,
            BodyState::Reading(reader) => {
                let tape = reader.shared.lock();
                let at_end = match &tape.source {
                    Source::Here(body) => body.is_end_stream(),
                    Source::Ended => tape.trailers.is_none() || reader.has_trailers,
                    Source::Out | Source::Failed => false,
                };
                at_end && reader.position == tape.produced && reader.number >= tape.oldest
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            BodyState::Plain(body) => body.size_hint(),
            BodyState::Empty => SizeHint::with_exact(0),
            BodyState::Reading(reader) => {
                let tape = reader.shared.lock();
                let left = match &tape.source {
                    Source::Here(body) => body.size_hint(),
                    Source::Ended => SizeHint::with_exact(0),
                    Source::Out | Source::Failed => SizeHint::default(),
                };
                let forgotten = tape.produced.saturating_sub(tape.chunks.len());
                let had = reader.position.saturating_sub(forgotten);
                let again = tape.chunks.iter().skip(had).map(|chunk| chunk.len() as u64).sum::<u64>();
                let mut hint = SizeHint::new();
                hint.set_lower(left.lower().saturating_add(again));
                // A length that is exact is declared by HTTP/1.1, which then has no room for trailers.
                let has_trailers = tape.trailers.is_some() && !reader.has_trailers;
                if let Some(upper) = left.upper().filter(|_| !has_trailers) {
                    hint.set_upper(upper.saturating_add(again));
                }
                hint
            }
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody").finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for Recording<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").finish_non_exhaustive()
    }
}
