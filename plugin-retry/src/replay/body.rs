//! A body that can be read again.

use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use plugin_core::BoxError;

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
pub struct ReplayBody<B>(State<B>);

enum State<B> {
    Plain(B),
    Empty,
    Reading(Reader<B>),
}

/// What is remembered of a body; makes readers.
pub struct Recording<B>(Option<Arc<Shared<B>>>);

struct Reader<B> {
    shared: Arc<Shared<B>>,
    number: u64,
    /// How many chunks it has read.
    position: usize,
    has_trailers: bool,
}

struct Shared<B> {
    tape: Mutex<Tape<B>>,
    max: usize,
}

struct Tape<B> {
    source: Source<B>,
    /// What was read of the source, without those that the only reader that goes on has had.
    chunks: VecDeque<Bytes>,
    /// What they take, see [`weight`].
    held: usize,
    /// How many chunks were read of the source.
    produced: usize,
    trailers: Option<HeaderMap>,
    readers: u64,
    /// Readers with a lower number are of attempts that were given up.
    oldest: u64,
    /// Those from `oldest` on that live, and those that have begun to read.
    alive: Readers,
    begun: Readers,
    /// It was too much, and this is the only one that goes on.
    only: Option<u64>,
    waiting: Vec<Waker>,
}

enum Source<B> {
    Here(B),
    /// A reader is polling it at this moment, without holding the lock.
    Out,
    Ended,
    Failed,
}

impl<B> ReplayBody<B> {
    /// Wraps a body. It passes through until a retry layer keeps it.
    #[must_use]
    pub fn new(body: B) -> Self {
        Self(State::Plain(body))
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
            return (ReplayBody(State::Empty), Self(None));
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
        let shared = Arc::new(Shared { tape: Mutex::new(tape), max });
        (ReplayBody(State::Reading(Reader::new(&shared, 0))), Self(Some(shared)))
    }

    /// The body from its beginning. Unless it is read `beside` the others, they are cut off. `None`: it was too large,
    /// or its source has failed.
    #[must_use]
    pub fn reader(&self, beside: bool) -> Option<ReplayBody<B>> {
        let Some(shared) = &self.0 else { return Some(ReplayBody(State::Empty)) };
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
        Some(ReplayBody(State::Reading(Reader::new(shared, number))))
    }
}

impl<B: Body + Unpin> ReplayBody<B> {
    /// Starts to remember, unless the body is known to be larger than `max`, or an outer layer keeps it already.
    pub(super) fn record(&mut self, max: usize) -> Option<Recording<B>> {
        match std::mem::replace(&mut self.0, State::Empty) {
            State::Plain(body) if !Recording::is_too_large(&body, max) => {
                let (reader, recording) = Recording::start(body, max);
                *self = reader;
                Some(recording)
            }
            State::Empty => Some(Recording(None)),
            other => {
                self.0 = other;
                None
            }
        }
    }
}

impl<B> Shared<B> {
    fn lock(&self) -> MutexGuard<'_, Tape<B>> {
        // Nothing that can panic runs under the lock.
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Tape<B> {
    /// Remembers a chunk that was read by this reader. Too much, it is the last that is remembered, and only if it was not
    /// read by the one that goes on.
    fn remember(&mut self, chunk: &Bytes, reader: u64, max: usize) {
        if chunk.is_empty() {
            return;
        }
        self.produced += 1;
        if self.only.is_some() {
            return;
        }
        // A body in one piece is kept up to the cap, however small that is.
        let weight = if self.chunks.is_empty() { chunk.len() } else { weight(chunk) };
        self.held = self.held.saturating_add(weight);
        self.chunks.push_back(chunk.clone());
        if self.held > max {
            let oldest = self.alive.first_of(self.begun).or(self.alive.first_of(self.alive));
            self.only = Some(oldest.map_or(reader, |place| self.oldest + place));
        }
    }

    /// The chunk at this place, for a reader that goes on.
    fn chunk(&mut self, position: usize) -> Option<Bytes> {
        if self.only.is_none() {
            return self.chunks.get(position).cloned();
        }
        // The one that is left takes what it reads.
        let forgotten = self.produced.saturating_sub(self.chunks.len());
        self.chunks.drain(..position.saturating_sub(forgotten).min(self.chunks.len()));
        self.chunks.pop_front()
    }

    fn goes_on(&self, reader: u64) -> bool {
        self.only.is_none_or(|only| only == reader)
    }

    fn begins(&mut self, reader: u64) {
        self.begun = self.begun.with(reader.saturating_sub(self.oldest));
    }
}

/// Readers by their place behind the oldest: as many as are ever made side by side, without an allocation.
#[derive(Clone, Copy, Default)]
struct Readers(u64);

impl Readers {
    fn with(self, place: u64) -> Self {
        Self(self.0 | Self::bit(place))
    }

    fn without(self, place: u64) -> Self {
        Self(self.0 & !Self::bit(place))
    }

    /// The first that is among these too.
    fn first_of(self, others: Self) -> Option<u64> {
        let both = self.0 & others.0;
        (both != 0).then(|| u64::from(both.trailing_zeros()))
    }

    fn bit(place: u64) -> u64 {
        u32::try_from(place).ok().and_then(|place| 1_u64.checked_shl(place)).unwrap_or(0)
    }
}

/// What a chunk counts as. The handle alone takes 32 bytes, and what it holds has bookkeeping of its own.
fn weight(chunk: &Bytes) -> usize {
    chunk.len().max(64)
}

impl<B> Reader<B> {
    fn new(shared: &Arc<Shared<B>>, number: u64) -> Self {
        Self { shared: Arc::clone(shared), number, position: 0, has_trailers: false }
    }
}

/// Puts the source back when its poll panics.
struct Lent<'a, B> {
    shared: &'a Shared<B>,
    body: Option<B>,
}

impl<B> Drop for Lent<'_, B> {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            self.shared.lock().source = Source::Here(body);
        }
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

impl<B> Reader<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
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

impl<B> Tape<B> {
    fn wait(&mut self, cx: &mut Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }
}

/// A frame whose data is `Bytes`. For a body whose data is `Bytes` already, nothing is copied.
fn into_bytes<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
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

impl<B> Body for ReplayBody<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match &mut self.0 {
            State::Plain(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map(into_bytes).map_err(Into::into)))
            }
            State::Empty => Poll::Ready(None),
            State::Reading(reader) => reader.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Plain(body) => body.is_end_stream(),
            State::Empty => true,
            State::Reading(reader) => {
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
            State::Plain(body) => body.size_hint(),
            State::Empty => SizeHint::with_exact(0),
            State::Reading(reader) => {
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

/// Why a [`ReplayBody`] broke off, other than by its source's own error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayError {
    /// A later attempt reads the body now.
    Superseded,
    /// More was read than is remembered, and another reader goes on.
    TooLarge,
    /// The source failed while another reader read it.
    Failed,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Superseded => "the attempt that read this body was given up",
            Self::TooLarge => "the body is larger than what is kept for another attempt",
            Self::Failed => "the body failed while another attempt read it",
        })
    }
}

impl Error for ReplayError {}

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
