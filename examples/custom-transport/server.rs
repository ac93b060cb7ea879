//! The plugin's side: any plugin, on a listener.

use std::io;

use bytes::Bytes;
use plugin_core::{Call, Plugin};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};
use tower::ServiceExt;

use crate::frame;

/// Serves whoever connects, until this future is dropped.
pub(crate) async fn serve(listener: TcpListener, plugin: impl Plugin<Bytes, Bytes>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(stream, plugin.clone()));
    }
}

async fn answer(mut stream: TcpStream, plugin: impl Plugin<Bytes, Bytes>) -> io::Result<()> {
    loop {
        let request = frame::read(&mut stream, frame::MAX).await?;
        let outcome = tokio::select! {
            outcome = plugin.clone().oneshot(Call::new(request)) => outcome,
            // Its caller has given the call up, and the plugin's work is dropped.
            _ = stream.read_u8() => return Ok(()),
        };
        let reply = match &outcome {
            Ok(reply) => [&[frame::DONE], &reply.payload()[..]].concat(),
            Err(error) => [&[frame::FAILED], error.message_for_callers().as_bytes()].concat(),
        };
        frame::write(&mut stream, &reply).await?;
    }
}
