//! The plugin's side of HTTP: serves a plugin.

mod answer;
mod host_guard;
mod idle;
mod linger;
mod listen;
mod open_body;
mod options;
mod problem;
mod request;
mod service;
mod stalled;
mod streams;
mod write_timeout;

use std::io;

use bytes::Bytes;
use plugin_core::Plugin;
use tokio::net::TcpListener;
use tower_layer::Layer;

pub use host_guard::HostGuard;
pub use listen::{PeerAddr, Serving, serve_http};
pub use options::{ListenOptions, ServerOptions};
pub use service::{PluginServer, PluginServerFuture};

use crate::auth::VerifyLayer;

/// Serves a plugin on a listener, until the [`Serving`] that it returns is shut down or dropped. A page in a browser is no
/// caller: see [`HostGuard`].
///
/// # Errors
///
/// When the listener does not know its own address.
pub fn serve(plugin: impl Plugin<Bytes, Bytes>, listener: TcpListener, options: ServerOptions) -> io::Result<Serving> {
    let ServerOptions { listen, verifier, names, mut settings } = options;
    settings.guard = Some(HostGuard::new(listener.local_addr()?.ip()).with_names(names));
    let server = PluginServer::with_settings(plugin, settings);
    match verifier {
        Some(verifier) => serve_http(VerifyLayer::new(verifier).layer(server), listener, listen),
        None => serve_http(server, listener, listen),
    }
}
