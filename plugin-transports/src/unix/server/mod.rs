//! The plugin's side: serves a plugin on a Unix socket.

mod answer;
mod caller;
mod options;
mod session;

use std::{io, sync::Arc};

use bytes::Bytes;
use plugin_core::Plugin;

pub use self::options::UnixServerOptions;
use self::session::Session;
use crate::listen::{Serving, SocketPath, UnixSocket, serving};

/// Serves a plugin on a Unix socket, until the [`Serving`] that it returns is shut down or dropped.
///
/// A connection has one request in work. Its caller is gone when it has closed the connection, and the plugin's work is then
/// dropped. To close its sending side alone is no going away: whoever does that may still read (`socat`, `nc -N`), and is
/// answered. The kernel tells the two apart. A host of go-plugins only ever closes the whole connection.
///
/// A `ping` that comes while a call is in work says that the host has given that call up, since go-plugins pings a connection
/// that it takes out of its pool, one whose call timed out too: the work is dropped and the connection closed, or the late
/// answer would be taken for that of the ping. Any other request that comes meanwhile waits for its turn. A connection whose
/// call ran out of its `timeout_ms` is answered and closed, for the same reason.
///
/// A line that is no request is answered with an error. After sixteen of them in a row, one that is too long and one that takes
/// too long to come, the connection is closed; those that have a fault in their payload or headers alone do not count. Nor is it
/// kept after more than 1,024 line feeds with nothing between them.
///
/// It must be called within a tokio runtime.
///
/// ```
/// use std::time::Duration;
///
/// use bytes::Bytes;
/// use plugin_transports::{
///     inproc::plugin_fn,
///     json,
///     listen::{UnixSocket, UnixSocketOptions},
///     plugin_core::{Call, PluginError, Reply},
///     unix::{self, UnixConfig, UnixPlugin, UnixServerOptions},
/// };
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("double.sock").display().to_string();
/// let double = plugin_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 2)) });
/// let socket = UnixSocket::bind(&path.parse()?, UnixSocketOptions::new()).await?;
/// let server = unix::serve(json::serve(double), socket, UnixServerOptions::new())?;
///
/// let plugin = UnixPlugin::connect(UnixConfig::builder("double", &path).build()?)?;
/// let reply = plugin.service().clone().oneshot(Call::new(Bytes::from_static(b"21"))).await?;
/// assert_eq!(reply.payload(), "42");
///
/// plugin.close(Duration::from_secs(1)).await?;
/// server.shutdown(Duration::from_secs(1)).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When the socket does not know its own address.
pub fn serve(
    plugin: impl Plugin<Bytes, Bytes>,
    socket: UnixSocket,
    options: UnixServerOptions,
) -> io::Result<Serving<SocketPath>> {
    let cap = options.listen.max_connections();
    let options = Arc::new(options);
    serving::start(socket, cap, move |stream, peer, known, stop| {
        let session = Session::new(plugin.clone(), stream, peer, known, stop, Arc::clone(&options));
        async move { Ok(session.run().await?) }
    })
}
