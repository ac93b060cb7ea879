//! What is remembered of a body that several read.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
};

use bytes::Bytes;
use http::HeaderMap;

pub(super) struct SharedTape<B> {
    pub(super) tape: Mutex<Tape<B>>,
    pub(super) max: usize,
}

pub(super) struct Tape<B> {
    pub(super) source: Source<B>,
    /// What was read of the source, without those that the only reader that goes on has had.
    pub(super) chunks: VecDeque<Bytes>,
    /// What they take, see [`weight`].
    pub(super) held: usize,
    /// How many chunks were read of the source.
    pub(super) produced: usize,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) readers: u64,
    /// Readers with a lower number are of attempts that were given up.
    pub(super) oldest: u64,
    /// Those from `oldest` on that live, and those that have begun to read.
    pub(super) alive: Readers,
    pub(super) begun: Readers,
    /// It was too much, and this is the only one that goes on.
    pub(super) only: Option<u64>,
    pub(super) waiting: Vec<Waker>,
}

pub(super) enum Source<B> {
    Here(B),
    /// A reader is polling it at this moment, without holding the lock.
    Out,
    Ended,
    Failed,
}

impl<B> SharedTape<B> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Tape<B>> {
        // Nothing that can panic runs under the lock.
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Tape<B> {
    /// Remembers a chunk that was read by this reader. Too much, it is the last that is remembered, and only if it was not
    /// read by the one that goes on.
    pub(super) fn remember(&mut self, chunk: &Bytes, reader: u64, max: usize) {
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
    pub(super) fn chunk(&mut self, position: usize) -> Option<Bytes> {
        if self.only.is_none() {
            return self.chunks.get(position).cloned();
        }
        // The one that is left takes what it reads.
        let forgotten = self.produced.saturating_sub(self.chunks.len());
        self.chunks.drain(..position.saturating_sub(forgotten).min(self.chunks.len()));
        self.chunks.pop_front()
    }

    pub(super) fn goes_on(&self, reader: u64) -> bool {
        self.only.is_none_or(|only| only == reader)
    }

    pub(super) fn begins(&mut self, reader: u64) {
        self.begun = self.begun.with(reader.saturating_sub(self.oldest));
    }

    pub(super) fn wait(&mut self, cx: &mut Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }
}

/// Readers by their place behind the oldest: as many as are ever made side by side, without an allocation.
#[derive(Clone, Copy, Default)]
pub(super) struct Readers(u64);

impl Readers {
    pub(super) fn with(self, place: u64) -> Self {
        Self(self.0 | Self::bit(place))
    }

    pub(super) fn without(self, place: u64) -> Self {
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
