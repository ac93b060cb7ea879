//! Servers of gRPC that are broken, down to their frames.

use std::{io, time::Duration};

use plugin_core::BoxError;
use plugin_transports::{conformance::Fault, tls::ServerTls};

use crate::{
    http::Place,
    raw_http2::{self, Frames, Request},
};

/// In how many ways a peer may do this. The row does the first, and a test of its own each.
pub(crate) fn ways(fault: Fault) -> &'static [&'static str] {
    match fault {
        Fault::Garbage => &[
            "a payload that is no JSON",
            "bytes that are no message",
            "a flag that is none",
            "a message that is compressed without a word",
            "a message that is no gzip",
            "a status that is no number",
            "success without a message",
            "two messages",
            "a page of HTML",
            "frames that are none",
            "a head that cannot be decoded",
        ],
        Fault::InvalidUtf8 => &["a payload", "metadata", "a content type"],
        Fault::Truncated => &["a message that is cut short", "a prefix that is cut short", "no status"],
        Fault::Reset => &["a stream", "a connection", "a connection within a frame", "an error of the connection"],
        Fault::HalfClosed => {
            &["a head and no more", "a stream that is cancelled", "a last word", "the end of a stream"]
        }
        Fault::Silent => &["nothing", "a head", "a message without an end"],
        Fault::SlowLoris => &["a message in bytes", "a head in bytes"],
        Fault::Oversized => &["a long message", "a message that unfolds"],
        Fault::Unavailable => &["a status in the head", "a status behind the head", "503 of a proxy"],
        Fault::Twice => &["an answer twice"],
        _ => &[""],
    }
}

/// Serves a fault in this way.
pub(crate) async fn serve(
    fault: Fault,
    way: &'static str,
    most: usize,
    place: &Place,
    tls: Option<ServerTls>,
) -> Result<(), BoxError> {
    raw_http2::listen(place, tls, move |mut frames| async move {
        loop {
            let request = frames.request().await?;
            answer(fault, way, most, &mut frames, &request).await?;
        }
    })
    .await
}

const HEAD: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/grpc")];
const OK: [(&str, &str); 1] = [("grpc-status", "0")];
const INTERNAL_ERROR: u32 = 2;
const CANCEL: u32 = 8;

/// The error is the end of the connection.
async fn answer(fault: Fault, way: &str, most: usize, frames: &mut Frames, request: &Request) -> io::Result<()> {
    let id = request.stream;
    let part = &framed(&message(b"[1,2]"))[..8];
    match (fault, way) {
        (Fault::Garbage, "a payload that is no JSON") => whole(frames, id, &framed(&message(b"NaN"))).await,
        (Fault::Garbage, "bytes that are no message") => whole(frames, id, &framed(b"\xff\xff\xff\xff")).await,
        (Fault::Garbage, "a flag that is none") => whole(frames, id, &flagged(7, &message(b"1"))).await,
        (Fault::Garbage, "a message that is compressed without a word") => {
            whole(frames, id, &flagged(1, &message(b"1"))).await
        }
        (Fault::Garbage, "a message that is no gzip") => gzip(frames, id, &message(b"1")).await,
        (Fault::Garbage, "a status that is no number") => {
            frames.head(id, &HEAD).await?;
            frames.data(id, &framed(&message(b"1"))).await?;
            frames.last_head(id, &[("grpc-status", "fine")]).await
        }
        (Fault::Garbage, "success without a message") => whole(frames, id, &[]).await,
        (Fault::Garbage, "two messages") => whole(frames, id, &framed(&message(b"1")).repeat(2)).await,
        (Fault::Garbage, "a page of HTML") => {
            frames.head(id, &[(":status", "200"), ("content-type", "text/html")]).await?;
            frames.last_data(id, b"<h1>It works!</h1>").await
        }
        (Fault::Garbage, "frames that are none") => frames.bytes(&[0xff; 64]).await,
        // An index of HPACK beyond every table.
        (Fault::Garbage, "a head that cannot be decoded") => {
            frames.bytes(&[&[0, 0, 3, 1, 4][..], &id.to_be_bytes(), &[0xff, 0x80, 0x10]].concat()).await
        }
        (Fault::InvalidUtf8, "a payload") => whole(frames, id, &framed(&message(b"\"\xff\xfe\""))).await,
        (Fault::InvalidUtf8, "metadata") => {
            let entry = [field(1, b"tenant"), field(2, b"\xff\xfe")].concat();
            whole(frames, id, &framed(&[message(b"1"), field(3, &entry)].concat())).await
        }
        (Fault::InvalidUtf8, "a content type") => {
            whole(frames, id, &framed(&[message(b"1"), field(2, b"\xff\xfe")].concat())).await
        }
        (Fault::Truncated, "a message that is cut short") => whole(frames, id, part).await,
        (Fault::Truncated, "a prefix that is cut short") => whole(frames, id, &part[..3]).await,
        (Fault::Truncated, "no status") => {
            frames.head(id, &HEAD).await?;
            frames.last_data(id, &framed(&message(b"1"))).await
        }
        (Fault::Reset, how) => {
            frames.head(id, &HEAD).await?;
            match how {
                "a connection within a frame" => frames.part_of_data(id, part).await?,
                _ => frames.data(id, part).await?,
            }
            match how {
                "a stream" => frames.reset(id, INTERNAL_ERROR).await,
                "an error of the connection" => {
                    frames.go_away(id, INTERNAL_ERROR).await?;
                    Err(io::Error::other("as told"))
                }
                _ => Err(io::Error::other("as told")),
            }
        }
        (Fault::HalfClosed, "a head and no more") => frames.last_head(id, &HEAD).await,
        (Fault::HalfClosed, "a stream that is cancelled") => frames.reset(id, CANCEL).await,
        (Fault::HalfClosed, "a last word") => {
            frames.go_away(id, 0).await?;
            Err(io::Error::other("as told"))
        }
        (Fault::HalfClosed, "the end of a stream") => Err(io::Error::other("as told")),
        (Fault::Silent, "a head") => frames.head(id, &HEAD).await,
        (Fault::Silent, "a message without an end") => {
            frames.head(id, &HEAD).await?;
            frames.data(id, &framed(&message(b"1"))).await
        }
        (Fault::SlowLoris, "a message in bytes") => {
            frames.head(id, &HEAD).await?;
            for byte in framed(&message(&[b' '; 500])) {
                frames.data(id, &[byte]).await?;
                pause().await;
            }
            Ok(())
        }
        (Fault::SlowLoris, "a head in bytes") => {
            for byte in [&[0, 0, 127, 1, 4][..], &id.to_be_bytes(), &[0; 127]].concat() {
                frames.bytes(&[byte]).await?;
                pause().await;
            }
            Ok(())
        }
        (Fault::Oversized, "a long message") => {
            let long = format!("\"{}\"", "x".repeat(most + (64 << 10)));
            whole(frames, id, &framed(&message(long.as_bytes()))).await
        }
        (Fault::Oversized, "a message that unfolds") => {
            let long = format!("\"{}\"", "x".repeat(most + (64 << 10)));
            gzip(frames, id, &gzipped(&message(long.as_bytes()))).await
        }
        (Fault::Unavailable, "a status in the head") => {
            frames.last_head(id, &[HEAD[0], HEAD[1], ("grpc-status", "14")]).await
        }
        (Fault::Unavailable, "a status behind the head") => {
            frames.head(id, &HEAD).await?;
            frames.last_head(id, &[("grpc-status", "14"), ("grpc-message", "later")]).await
        }
        (Fault::Unavailable, "503 of a proxy") => frames.last_head(id, &[(":status", "503")]).await,
        (Fault::Twice, _) => {
            let answer = framed(&message(request.value().to_string().as_bytes()));
            whole(frames, id, &answer).await?;
            whole(frames, id, &answer).await
        }
        _ => Ok(()),
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// These bytes as an answer that says that all is well.
async fn whole(frames: &mut Frames, stream: u32, bytes: &[u8]) -> io::Result<()> {
    frames.head(stream, &HEAD).await?;
    frames.data(stream, bytes).await?;
    frames.last_head(stream, &OK).await
}

/// The same of a message that says that it is gzip.
async fn gzip(frames: &mut Frames, stream: u32, message: &[u8]) -> io::Result<()> {
    frames.head(stream, &[HEAD[0], HEAD[1], ("grpc-encoding", "gzip")]).await?;
    frames.data(stream, &flagged(1, message)).await?;
    frames.last_head(stream, &OK).await
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    io::Write::write_all(&mut encoder, bytes).and_then(|()| encoder.finish()).expect("into memory")
}

/// A message, as gRPC frames it.
fn framed(message: &[u8]) -> Vec<u8> {
    flagged(0, message)
}

fn flagged(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("short");
    [&[flag][..], &length.to_be_bytes(), message].concat()
}

/// An `ExecuteResponse` with this payload.
fn message(payload: &[u8]) -> Vec<u8> {
    field(1, payload)
}

/// A field of protobuf that has a length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut left = bytes.len();
    while left >= 128 {
        out.push(u8::try_from(left % 128).expect("seven bits") | 128);
        left /= 128;
    }
    out.push(u8::try_from(left).expect("seven bits"));
    out.extend(bytes);
    out
}
