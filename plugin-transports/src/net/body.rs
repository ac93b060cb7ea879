//! Bodies: what is sent in parts, and what is read up to a bound.

use std::{
    convert::Infallible,
    io::Write,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

/// A body of up to three parts, sent one after the other without being copied together.
///
/// It is as small as one part: it goes from hand to hand with each request, and nearly all have but one.
#[derive(Clone, Debug)]
pub struct Parts(Kind);

#[derive(Clone, Debug)]
enum Kind {
    One(Bytes),
    Three(Box<[Bytes; 3]>),
}

/// Up to this size the parts are copied together: one small write is faster than three.
const JOIN_UP_TO: usize = 16 * 1024;

impl Parts {
    #[cfg(feature = "http")]
    pub(crate) fn around(before: &'static [u8], payload: &Bytes, behind: Vec<u8>) -> Self {
        let length = before.len() + payload.len() + behind.len();
        if length > JOIN_UP_TO {
            return Self(Kind::Three(Box::new([Bytes::from_static(before), payload.clone(), behind.into()])));
        }
        let mut joined = Vec::with_capacity(length);
        joined.extend_from_slice(before);
        joined.extend_from_slice(payload);
        joined.extend_from_slice(&behind);
        Self::from(Bytes::from(joined))
    }

    /// A payload that stands behind all else.
    #[cfg(feature = "grpc")]
    pub(crate) fn behind(before: &Bytes, payload: Bytes) -> Self {
        if before.len() + payload.len() > JOIN_UP_TO {
            return Self(Kind::Three(Box::new([before.clone(), payload, Bytes::new()])));
        }
        Self::from(Bytes::from([&before[..], &payload[..]].concat()))
    }

    /// What is still to be sent.
    fn left(&self) -> &[Bytes] {
        match &self.0 {
            Kind::One(part) => std::slice::from_ref(part),
            Kind::Three(parts) => &parts[..],
        }
    }

    fn left_mut(&mut self) -> &mut [Bytes] {
        match &mut self.0 {
            Kind::One(part) => std::slice::from_mut(part),
            Kind::Three(parts) => &mut parts[..],
        }
    }
}

impl From<Bytes> for Parts {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::One(bytes))
    }
}

impl Default for Parts {
    fn default() -> Self {
        Self::from(Bytes::new())
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.left_mut().iter_mut().find(|part| !part.is_empty()).map(std::mem::take);
        Poll::Ready(part.map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.left().iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left().iter().map(|part| part.len() as u64).sum())
    }
}

/// Why a body was not read to its end.
#[derive(Debug)]
pub(crate) enum Unread<E> {
    /// It is longer than the bound.
    TooLarge,
    /// It broke off.
    Broken(E),
    /// It says that it is compressed, and is not.
    NotGzip(std::io::Error),
}

/// Reads a body that may have at most `max` bytes, after decompression where `gzip` says so.
///
/// What comes in one piece, as most do, is not copied.
pub(crate) async fn read<B: Body>(body: B, max: usize, gzip: bool) -> Result<Bytes, Unread<B::Error>> {
    let lower = body.size_hint().lower();
    if lower > max as u64 {
        return Err(Unread::TooLarge);
    }
    let mut body = pin!(body);
    if gzip {
        return Box::pin(read_gzip(body, max)).await;
    }
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame.map_err(Unread::Broken)?.into_data() else { continue };
        let length = data.remaining();
        if length > max - rest.len().max(first.as_ref().map_or(0, Bytes::len)) {
            return Err(Unread::TooLarge);
        }
        let data = data.copy_to_bytes(length);
        match first.take() {
            None if rest.is_empty() => first = Some(data),
            Some(begun) => {
                // The announced length is within the bound, so room for it may be made at once; growing takes over
                // where none was announced.
                let announced = usize::try_from(lower).unwrap_or(max);
                rest.reserve(announced.max(begun.len() + length));
                rest.extend_from_slice(&begun);
                rest.extend_from_slice(&data);
            }
            None => rest.extend_from_slice(&data),
        }
    }
    Ok(first.unwrap_or_else(|| rest.freeze()))
}

/// Unfolds what is there already, up to `max` bytes.
#[cfg(feature = "grpc")]
pub(crate) fn gunzip(coded: &[u8], max: usize) -> Result<Bytes, Unread<Infallible>> {
    let mut decoder = GzipReading::new(max);
    decoder.take(coded)?;
    decoder.end()
}

async fn read_gzip<B: Body>(mut body: Pin<&mut B>, max: usize) -> Result<Bytes, Unread<B::Error>> {
    let mut decoder = GzipReading::new(max);
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame.map_err(Unread::Broken)?.into_data() else { continue };
        while data.has_remaining() {
            let chunk = data.chunk();
            let length = chunk.len();
            decoder.take(chunk)?;
            data.advance(length);
        }
    }
    decoder.end()
}

/// What has come of a compressed body, unfolded.
struct GzipReading {
    decoder: MultiGzDecoder<BoundedBody>,
    is_empty: bool,
}

impl GzipReading {
    fn new(max: usize) -> Self {
        Self { decoder: MultiGzDecoder::new(BoundedBody { out: Vec::new(), max, full: false }), is_empty: true }
    }

    fn take<E>(&mut self, piece: &[u8]) -> Result<(), Unread<E>> {
        self.is_empty &= piece.is_empty();
        let taken = self.decoder.write_all(piece);
        taken.map_err(|error| self.fault(error))
    }

    fn end<E>(mut self) -> Result<Bytes, Unread<E>> {
        if self.is_empty {
            return Ok(Bytes::new());
        }
        let ended = self.decoder.try_finish();
        ended.map_err(|error| self.fault(error))?;
        Ok(std::mem::take(&mut self.decoder.get_mut().out).into())
    }

    fn fault<E>(&self, error: std::io::Error) -> Unread<E> {
        match self.decoder.get_ref().full {
            true => Unread::TooLarge,
            false => Unread::NotGzip(error),
        }
    }
}

/// Takes up to `max` bytes: a compressed megabyte can unfold into a gigabyte.
struct BoundedBody {
    out: Vec<u8>,
    max: usize,
    full: bool,
}

impl Write for BoundedBody {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() > self.max - self.out.len() {
            self.full = true;
            return Err(std::io::Error::other("the body is longer than its bound"));
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};
    use http_body_util::StreamBody;

    use super::*;

    fn chunks(chunks: &[&[u8]]) -> impl Body<Data = Bytes, Error = Infallible> + use<> {
        let frames: Vec<_> = chunks.iter().map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk)))).collect();
        StreamBody::new(futures_util::stream::iter(frames))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("into memory");
        encoder.finish().expect("into memory")
    }

    #[tokio::test]
    async fn parts_arrive_in_order_and_their_length_is_known() {
        for size in [3, JOIN_UP_TO] {
            let payload = "x".repeat(size);
            let body = Parts::around(b"{", &payload.clone().into(), b"}".to_vec());
            assert_eq!(body.size_hint().exact(), Some(size as u64 + 2));
            assert_eq!(read(body, size + 2, false).await.expect("whole"), format!("{{{payload}}}"));
        }
        assert!(Parts::default().is_end_stream());
    }

    #[tokio::test]
    async fn a_body_of_exactly_the_bound_is_read_and_one_byte_more_is_not() {
        for pieces in [&[&b"abcdef"[..]][..], &[b"abc", b"def"], &[b"", b"a", b"b", b"cdef"]] {
            assert_eq!(read(chunks(pieces), 6, false).await.expect("fits"), "abcdef");
            assert!(matches!(read(chunks(pieces), 5, false).await, Err(Unread::TooLarge)));
        }
        assert!(matches!(read(Parts::from(Bytes::from_static(b"abc")), 2, false).await, Err(Unread::TooLarge)));
        assert_eq!(read(chunks(&[]), 0, false).await.expect("empty"), "");
    }

    #[tokio::test]
    async fn a_compressed_body_is_bounded_by_what_it_unfolds_into() {
        let zeros = vec![0; 1 << 20];
        let coded = gzip(&zeros);
        assert!(coded.len() < 2000);
        let (head, tail) = coded.split_at(7);
        assert_eq!(read(chunks(&[head, tail]), 1 << 20, true).await.expect("fits"), zeros);
        assert!(matches!(read(chunks(&[&coded]), (1 << 20) - 1, true).await, Err(Unread::TooLarge)));
        assert!(matches!(read(chunks(&[head]), 1 << 20, true).await, Err(Unread::NotGzip(_))));
        assert!(matches!(read(chunks(&[b"plain text"]), 100, true).await, Err(Unread::NotGzip(_))));
        assert_eq!(read(chunks(&[]), 0, true).await.expect("empty"), "");
    }
}
