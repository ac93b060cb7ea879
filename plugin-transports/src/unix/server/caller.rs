//! Whether a caller is still there while its request is in work.

use std::{io, os::fd::AsFd};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, Interest},
    net::UnixStream,
};

use super::super::{
    line_buffer::LineBuffer,
    request::{self, MessageType},
};
use crate::json::Limits;

/// So much is read ahead of requests that wait for their turn.
const AHEAD: usize = 64 << 10;

/// A `ping` is no longer than this.
const PING: usize = 1 << 10;

/// Resolves when nobody waits for the answer any more: the caller has closed the connection, or has given the call up and asks
/// with a `ping` whether the connection can be used again.
///
/// What comes meanwhile is kept in `lines`; `has_ended` is set where nothing more will.
pub(super) async fn gone(stream: &mut UnixStream, lines: &mut LineBuffer, has_ended: &mut bool) {
    while !*has_ended && lines.bytes().len() < AHEAD && !lines.has_line() {
        match stream.read_buf(lines.room()).await {
            Ok(0) => *has_ended = true,
            Ok(_) => {}
            Err(_) => return,
        }
    }
    if lines.peek_line().is_some_and(is_ping) {
        return;
    }
    closed(stream).await;
}

fn is_ping(line: &[u8]) -> bool {
    line.len() <= PING
        && request::read(&Bytes::copy_from_slice(line), Limits::new())
            .is_ok_and(|request| request.kind == MessageType::Ping)
}

/// Resolves when the other side has closed the connection: both directions of it, and not only the one in which it sends.
async fn closed(stream: &UnixStream) {
    match watch(stream) {
        Ok(watched) => {
            // What is known is taken back to be told of a change: of a handle of its own, by which nothing is written.
            while let Ok(ready) = watched.ready(Interest::WRITABLE).await {
                if ready.is_write_closed() {
                    return;
                }
                let _ = watched.try_io(Interest::WRITABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
            }
        }
        Err(error) => tracing::debug!(%error, "it cannot be told whether a caller goes away"),
    }
    std::future::pending().await
}

fn watch(stream: &UnixStream) -> io::Result<UnixStream> {
    UnixStream::from_std(stream.as_fd().try_clone_to_owned()?.into())
}
