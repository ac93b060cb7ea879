//! The plugin's side of gRPC: serves calls.

mod body;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
mod health;
mod options;
mod patient;
mod request;
mod router;
mod service;

use std::io;

use bytes::Bytes;
use plugin_core::Plugin;

pub use self::{
    body::GrpcBody,
    options::GrpcServerOptions,
    service::{GrpcPluginServer, GrpcPluginServerFuture},
};
use self::{
    health::PluginHealth,
    router::{Door, Router},
};
use crate::listen::{Listen, Serving, serve_each};

/// Serves a plugin over gRPC, with the standard health check (`grpc.health.v1`, under its service's name and under none) and
/// reflection (`grpc.reflection.v1` and `v1alpha`), on a listener of TCP or a Unix socket. `body_timeout` holds for a request to each
/// of them, and a stream that somebody watches ends when the server does.
///
/// It must be called within a tokio runtime.
///
/// # Errors
///
/// When the listener does not know its own address.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_transports::{
///     grpc::{self, GrpcServerOptions},
///     inproc::plugin_fn,
///     json,
///     plugin_core::{Call, PluginError, Reply},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let double = plugin_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 2)) });
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let server = grpc::serve(json::serve(double), listener, GrpcServerOptions::new())?;
/// println!("listening on {}", server.local_addr());
/// server.shutdown(Duration::from_secs(1)).await?;
/// # Ok(())
/// # }
/// ```
pub fn serve<S, L>(plugin: S, listener: L, options: GrpcServerOptions) -> io::Result<Serving<L::Addr>>
where
    S: Plugin<Bytes, Bytes>,
    L: Listen,
{
    let GrpcServerOptions { listen, verifier, names, settings } = options;
    let guard = listener.host_guard()?.map(|guard| guard.with_names(names));
    let (health, body_timeout) = (PluginHealth { probe: settings.health.clone() }, settings.body_timeout);
    let plugin = GrpcPluginServer::with_settings(plugin, settings);
    let router = Router::new(plugin, health, Door { guard, verifier }, body_timeout).map_err(io::Error::other)?;
    serve_each(move |stop| router.until(&stop.gentle), listener, listen)
}
