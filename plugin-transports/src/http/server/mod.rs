//! The plugin's side of HTTP: serves a plugin.

mod answer;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
mod options;
mod problem;
mod request;
mod service;

use std::io;

use bytes::Bytes;
use plugin_core::Plugin;
use tower_layer::Layer;

pub use options::ServerOptions;
pub use service::{PluginServer, PluginServerFuture};

use crate::{
    auth::VerifyLayer,
    listen::{Listen, Serving, serve_http},
};

/// Serves a plugin on a listener, of TCP or of a Unix socket, until the [`Serving`] that it returns is shut down or dropped. A page
/// in a browser is no caller: see [`HostGuard`](crate::listen::HostGuard).
///
/// # Errors
///
/// When the listener does not know its own address.
pub fn serve<L: Listen>(
    plugin: impl Plugin<Bytes, Bytes>,
    listener: L,
    options: ServerOptions,
) -> io::Result<Serving<L::Addr>> {
    let ServerOptions { listen, verifier, names, mut settings } = options;
    settings.guard = listener.host_guard()?.map(|guard| guard.with_names(names));
    let server = PluginServer::with_settings(plugin, settings);
    match verifier {
        Some(verifier) => serve_http(VerifyLayer::new(verifier).layer(server), listener, listen),
        None => serve_http(server, listener, listen),
    }
}
