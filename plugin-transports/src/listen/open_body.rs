//! The body of an answer, which keeps its connection busy until it is gone.

use std::{
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::Version;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    idle::{Busy, Held},
    streams,
};

/// Over HTTP/2 an answer is given in pieces of so many bytes, the length of a frame. What was given is queued as soon as the
/// peer has room for a byte of it, and can only be taken back with its stream, and not once it is the last.
const PIECE: usize = 16 << 10;

pin_project! {
    /// A body that holds what says that its request is being answered.
    pub(super) struct Followed<B> {
        #[pin]
        body: B,
        busy: Busy,
        in_pieces: bool,
        // Of the last frame, what has not been given yet.
        rest: Bytes,
    }
}

/// A part of an answer, until it has been written.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    _kept: Kept,
}

#[derive(Debug)]
#[allow(dead_code, reason = "they are kept for their drop")]
enum Kept {
    Busy(Busy),
    Held(Held),
}

impl<B> Followed<B> {
    pub(super) fn new(body: B, busy: Busy, version: Version) -> Self {
        Self { body, busy, in_pieces: version == Version::HTTP_2, rest: Bytes::new() }
    }
}

/// Takes a piece off what is to be given.
fn next(rest: &mut Bytes, busy: &Busy) -> Piece {
    // What is empty needs no room.
    if !rest.is_empty() {
        streams::giving();
    }
    Piece { bytes: rest.split_to(rest.len().min(PIECE)), _kept: Kept::Held(busy.hold()) }
}

impl<B: Body> Body for Followed<B> {
    type Data = Piece;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, B::Error>>> {
        let me = self.project();
        if !*me.in_pieces {
            let frame = ready!(me.body.poll_frame(cx)?);
            let whole = |mut data: B::Data| Piece {
                bytes: data.copy_to_bytes(data.remaining()),
                _kept: Kept::Busy(me.busy.another()),
            };
            return Poll::Ready(frame.map(|frame| Ok(frame.map_data(whole))));
        }
        streams::asked();
        if !me.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(next(me.rest, me.busy)))));
        }
        let frame = ready!(me.body.poll_frame(cx)?);
        let first = |mut data: B::Data| {
            *me.rest = data.copy_to_bytes(data.remaining());
            next(me.rest, me.busy)
        };
        Poll::Ready(frame.map(|frame| Ok(frame.map_data(first))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn chunks_vectored<'a>(&'a self, parts: &mut [IoSlice<'a>]) -> usize {
        self.bytes.chunks_vectored(parts)
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        self.bytes.copy_to_bytes(length)
    }
}
