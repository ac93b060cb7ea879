//! Messages as gRPC frames them: a byte that says whether the message is compressed, its length in four bytes, and the message.

use std::pin::pin;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt;
use prost::{Message, encoding};

use crate::net::body::{self, Parts, Unread};

/// The length of what stands before a message.
const PREFIX: usize = 5;

/// The field of the payload, in a request and in an answer alike.
const PAYLOAD: u32 = 1;

/// A message, framed.
pub(super) fn whole(message: &impl Message) -> Bytes {
    let mut out = begun(message.encoded_len(), 0);
    message.encode_raw(&mut out);
    out.freeze()
}

/// A message whose payload is `payload`, which is not copied; the message's own is empty.
pub(super) fn around(message: &impl Message, payload: Bytes) -> Parts {
    let mut field = BytesMut::new();
    if !payload.is_empty() {
        encoding::encode_key(PAYLOAD, encoding::WireType::LengthDelimited, &mut field);
        encoding::encode_varint(payload.len() as u64, &mut field);
    }
    // The fields of a message may come in any order, so that the payload can be the last.
    let mut out = begun(message.encoded_len() + field.len(), payload.len());
    message.encode_raw(&mut out);
    out.extend_from_slice(&field);
    Parts::behind(&out.freeze(), payload)
}

fn begun(length: usize, more: usize) -> BytesMut {
    let mut out = BytesMut::with_capacity(PREFIX + length);
    out.put_u8(0);
    // What is longer was refused by `max_request`, which ends long before.
    out.put_u32(u32::try_from(length + more).unwrap_or(u32::MAX));
    out
}

/// What came instead of one message.
#[derive(Debug)]
pub(super) enum FrameFault {
    /// The message is longer than the bound; after decompression when it is not known how long.
    TooLarge(Option<u32>),
    /// The stream ended this many bytes before the message did, or in what stands before it.
    Truncated { missing: usize },
    /// Something follows the message.
    More,
    /// The first byte is neither 0 nor 1.
    Flag(u8),
    /// It is compressed, and no `grpc-encoding` says how.
    Unannounced,
    /// It says that it is gzip, and is not.
    NotGzip(std::io::Error),
}

/// A stream of at most one message, read to its end.
#[derive(Debug)]
pub(super) struct ReadFrame {
    pub(super) message: Result<Option<Bytes>, FrameFault>,
    pub(super) trailers: Option<HeaderMap>,
}

impl ReadFrame {
    /// The rest of the stream is not read.
    fn given_up(fault: FrameFault) -> Self {
        Self { message: Err(fault), trailers: None }
    }
}

/// Reads a stream that is to have one message of at most `max` bytes, after decompression where it is compressed and `gzip`
/// says so. What comes in one piece, as most do, is not copied. The error is that of the stream.
pub(super) async fn read<B: Body>(body: B, max: usize, gzip: bool) -> Result<ReadFrame, B::Error> {
    let mut body = pin!(body);
    let mut reading = Reading::new(max, gzip);
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(mut data) => {
                if let Err(fault) = reading.take(data.copy_to_bytes(data.remaining())) {
                    return Ok(ReadFrame::given_up(fault));
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok().or(trailers),
        }
    }
    Ok(ReadFrame { message: reading.end(), trailers })
}

/// What has come of a message. It is pure, whatever the pieces are.
pub(super) struct Reading {
    max: usize,
    gzip: bool,
    prefix: [u8; PREFIX],
    /// So much of it has come.
    begun: usize,
    /// The first piece of the message, and all of it once another one comes.
    first: Bytes,
    whole: BytesMut,
}

impl Reading {
    pub(super) fn new(max: usize, gzip: bool) -> Self {
        Self { max, gzip, prefix: [0; PREFIX], begun: 0, first: Bytes::new(), whole: BytesMut::new() }
    }

    fn length(&self) -> usize {
        let [_, length @ ..] = self.prefix;
        u32::from_be_bytes(length) as usize
    }

    fn came(&self) -> usize {
        self.first.len().max(self.whole.len())
    }

    /// Takes a piece of the stream.
    pub(super) fn take(&mut self, mut piece: Bytes) -> Result<(), FrameFault> {
        if self.begun < PREFIX {
            let of_prefix = piece.split_to(piece.len().min(PREFIX - self.begun));
            self.prefix[self.begun..self.begun + of_prefix.len()].copy_from_slice(&of_prefix);
            self.begun += of_prefix.len();
            if self.begun < PREFIX {
                return Ok(());
            }
            match self.prefix[0] {
                0 => {}
                1 if self.gzip => {}
                1 => return Err(FrameFault::Unannounced),
                flag => return Err(FrameFault::Flag(flag)),
            }
            if self.length() > self.max {
                return Err(FrameFault::TooLarge(u32::try_from(self.length()).ok()));
            }
        }
        let missing = self.length() - self.came();
        if piece.len() > missing {
            return Err(FrameFault::More);
        }
        if self.came() == 0 {
            self.first = piece;
        } else if !piece.is_empty() {
            // It grows with what has come, and not to the length that is only announced.
            let first = std::mem::take(&mut self.first);
            self.whole.extend_from_slice(&first);
            self.whole.extend_from_slice(&piece);
        }
        Ok(())
    }

    /// The stream has ended.
    pub(super) fn end(mut self) -> Result<Option<Bytes>, FrameFault> {
        match self.begun {
            0 => return Ok(None),
            PREFIX => {}
            begun => return Err(FrameFault::Truncated { missing: PREFIX - begun }),
        }
        let missing = self.length() - self.came();
        if missing > 0 {
            return Err(FrameFault::Truncated { missing });
        }
        let message = if self.whole.is_empty() { self.first } else { self.whole.split().freeze() };
        if self.prefix[0] == 0 {
            return Ok(Some(message));
        }
        match body::gunzip(&message, self.max) {
            Ok(message) => Ok(Some(message)),
            Err(Unread::NotGzip(error)) => Err(FrameFault::NotGzip(error)),
            Err(Unread::TooLarge | Unread::Broken(_)) => Err(FrameFault::TooLarge(None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;
    use crate::grpc::proto::ExecuteRequest;

    fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).expect("short");
        [&[flag][..], &length.to_be_bytes(), message].concat()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("into memory");
        encoder.finish().expect("into memory")
    }

    /// In pieces of this length.
    fn read_in(bytes: &[u8], size: usize, max: usize, gzip: bool) -> Result<Option<Bytes>, FrameFault> {
        let mut reading = Reading::new(max, gzip);
        for piece in bytes.chunks(size) {
            reading.take(Bytes::copy_from_slice(piece))?;
        }
        reading.end()
    }

    #[test]
    fn one_message_is_read_however_it_is_cut() {
        let bytes = framed(0, b"hello");
        for size in 1..=bytes.len() {
            assert_eq!(read_in(&bytes, size, 5, false).expect("a message").as_deref(), Some(&b"hello"[..]));
            assert!(matches!(read_in(&bytes, size, 4, false), Err(FrameFault::TooLarge(Some(5)))));
            assert!(matches!(read_in(&bytes[..9], size, 5, false), Err(FrameFault::Truncated { missing: 1 })));
            assert!(matches!(read_in(&bytes[..3], size, 5, false), Err(FrameFault::Truncated { missing: 2 })));
            let twice = bytes.repeat(2);
            assert!(matches!(read_in(&twice, size, 5, false), Err(FrameFault::More)), "{size}");
        }
        assert_eq!(read_in(&framed(0, b""), 5, 0, false).expect("an empty one").as_deref(), Some(&b""[..]));
        assert_eq!(read_in(b"", 1, 0, false).expect("none"), None);
        assert!(matches!(read_in(&framed(0, b"").repeat(2), 3, 9, false), Err(FrameFault::More)));
    }

    #[test]
    fn a_length_that_lies_makes_no_room() {
        let mut reading = Reading::new(1 << 30, false);
        reading.take(Bytes::from_static(&[0, 0x3f, 0xff, 0xff, 0xff])).expect("within the bound");
        reading.take(Bytes::from_static(b"ab")).expect("a piece");
        reading.take(Bytes::from_static(b"cd")).expect("a piece");
        assert!(reading.whole.capacity() < 1024, "{}", reading.whole.capacity());
    }

    #[test]
    fn a_compressed_message_is_bounded_by_what_it_unfolds_into_and_one_that_is_not_announced_is_refused() {
        let zeros = vec![0; 1 << 20];
        let bytes = framed(1, &gzip(&zeros));
        assert_eq!(read_in(&bytes, 100, 1 << 20, true).expect("fits").as_deref(), Some(&zeros[..]));
        assert!(matches!(read_in(&bytes, 100, (1 << 20) - 1, true), Err(FrameFault::TooLarge(None))));
        assert!(matches!(read_in(&bytes, 100, 1 << 20, false), Err(FrameFault::Unannounced)));
        assert!(matches!(read_in(&framed(1, b"plain"), 100, 100, true), Err(FrameFault::NotGzip(_))));
        assert!(matches!(read_in(&framed(2, b"x"), 100, 100, true), Err(FrameFault::Flag(2))));
        let plain = framed(0, b"plain");
        assert_eq!(read_in(&plain, 100, 100, true).expect("not compressed").as_deref(), Some(&b"plain"[..]));
    }

    #[tokio::test]
    async fn a_payload_that_is_not_copied_reads_as_one_that_is() {
        for size in [0, 1, 200, 20_000, 70_000] {
            let payload = Bytes::from("x".repeat(size));
            let fields = ExecuteRequest { content_type: "text/plain".to_owned(), ..ExecuteRequest::default() };
            let sent = around(&fields, payload.clone());
            let read = read(sent, usize::MAX, false).await.expect("in memory").message.expect("whole").expect("one");
            let read = ExecuteRequest::decode(read).expect("a message");
            assert_eq!(read, ExecuteRequest { payload, ..fields });
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_what_is_read_is_what_was_framed(
            message in proptest::collection::vec(any::<u8>(), 0..64),
            noise in proptest::collection::vec(any::<u8>(), 0..64),
            size in 1..70usize,
        ) {
            let read = read_in(&framed(0, &message), size, 64, false).expect("whole");
            prop_assert_eq!(read.as_deref(), Some(&message[..]));
            for gzip in [false, true] {
                if let Ok(Some(read)) = read_in(&noise, size, 32, gzip) {
                    prop_assert!(read.len() <= 32);
                }
            }
        }
    }
}
