//! The protocol. A frame is its length in four bytes, the highest first, and as many bytes. A request is a frame; so is
//! a reply, whose first byte is [`DONE`] or [`FAILED`]. A connection has one request at a time: a caller that says more before
//! it has its answer, or hangs up, has given its call up.

use std::io;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The longest frame. Without a bound, four bytes would make the other side take 4 GiB.
pub(crate) const MAX: usize = 1 << 20;

/// The rest of the reply is the answer.
pub(crate) const DONE: u8 = 0;

/// The rest of the reply says what went wrong.
pub(crate) const FAILED: u8 = 1;

/// Writes a frame.
pub(crate) async fn write(stream: &mut TcpStream, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(|_| too_long(MAX))?;
    stream.write_all(&[&length.to_be_bytes(), frame].concat()).await
}

/// Reads a frame of at most `max` bytes. A longer one is [`io::ErrorKind::FileTooLarge`], and is not read.
pub(crate) async fn read(stream: &mut TcpStream, max: usize) -> io::Result<Bytes> {
    let length = stream.read_u32().await?;
    let length = usize::try_from(length).ok().filter(|length| *length <= max).ok_or_else(|| too_long(max))?;
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).await?;
    Ok(frame.into())
}

fn too_long(max: usize) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("a frame is longer than {max} bytes"))
}
