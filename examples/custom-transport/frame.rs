//! The protocol. A frame is its length in four bytes, the highest first, and as many bytes. A request is a frame; so is
//! a reply, whose first byte is [`DONE`] or [`FAILED`].

use std::io;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The longest frame. Without a bound, four bytes would make the other side take 4 GiB.
pub(crate) const MAX: u32 = 1 << 20;

/// The rest of the reply is the answer.
pub(crate) const DONE: u8 = 0;

/// The rest of the reply says what went wrong.
pub(crate) const FAILED: u8 = 1;

/// Writes a frame.
pub(crate) async fn write(stream: &mut TcpStream, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).ok().filter(|length| *length <= MAX).ok_or_else(too_long)?;
    stream.write_all(&[&length.to_be_bytes(), frame].concat()).await
}

/// Reads a frame.
pub(crate) async fn read(stream: &mut TcpStream) -> io::Result<Bytes> {
    let length = stream.read_u32().await?;
    if length > MAX {
        return Err(too_long());
    }
    let mut frame = vec![0; length as usize];
    stream.read_exact(&mut frame).await?;
    Ok(frame.into())
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a frame is longer than {MAX} bytes"))
}
