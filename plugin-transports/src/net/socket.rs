//! Connects to Unix sockets.

use std::{fmt::Display, io, time::Duration};

use plugin_core::{PluginError, Sent, deadline::within, rounded};
use tokio::net::UnixStream;

use super::{socket_path::SocketPath, unfit::Unfit};

/// A socket whose backlog is full refuses at once, where TCP waits: it is asked again after so long, which doubles.
const ASK_AGAIN: Duration = Duration::from_millis(1);
const ASK_AGAIN_AT_MOST: Duration = Duration::from_millis(50);

/// Opens a connection, and sets it up, within `limit`. Dropping the future gives it up.
pub(crate) async fn open<T>(
    socket: &SocketPath,
    limit: Duration,
    set_up: impl AsyncFnOnce(UnixStream) -> Result<T, Unfit>,
) -> Result<T, PluginError> {
    // Where it is, is the operator's business.
    let fault = |what: &dyn Fn(&dyn Display) -> String, retryable| {
        PluginError::connection(what(socket), Sent::Nothing)
            .with_message_for_callers(what(&"the plugin"))
            .with_retryable(retryable)
    };
    let opening = async { set_up(connect(socket).await?).await };
    match within(limit, opening).await {
        Some(Ok(opened)) => Ok(opened),
        Some(Err(Unfit { error, permanent, .. })) => {
            Err(fault(&|place| format!("{place} cannot be reached: {error}"), !permanent).with_source(error))
        }
        None => Err(fault(&|place| format!("no connection to {place} within {}", rounded(limit)), true)),
    }
}

async fn connect(socket: &SocketPath) -> io::Result<UnixStream> {
    let mut again = ASK_AGAIN;
    loop {
        match UnixStream::connect(socket.as_path()).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(again).await,
            connected => return connected,
        }
        again = (again * 2).min(ASK_AGAIN_AT_MOST);
    }
}
