//! The server's side of connections, whatever is served on them: accepts, bounds, and stops.
//!
//! [`serve_http`] serves any service for `http::Request`, such as a plugin or an `axum::Router`, over HTTP/1.1 and HTTP/2, on a
//! listener of TCP or a Unix socket ([`Listen`]). [`ListenOptions`] has the bounds, [`Serving`] stops it, and [`HostGuard`] keeps
//! pages of other sites out.
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//!
//! use http::Response;
//! use plugin_transports::listen::{ListenOptions, serve_http};
//! use tokio::net::TcpListener;
//! use tower::service_fn;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(String::from("hello"))));
//! let server = serve_http(service, TcpListener::bind("127.0.0.1:0").await?, ListenOptions::new())?;
//! println!("listening on {}", server.local_addr());
//! server.shutdown(Duration::from_secs(1)).await?;
//! # Ok(()) }
//! ```

#[cfg(any(feature = "http", feature = "grpc"))]
mod accept;
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
pub(crate) mod aside;
#[cfg(any(feature = "http", feature = "grpc"))]
mod caller;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
mod host_guard;
#[cfg_attr(
    not(any(feature = "http", feature = "grpc")),
    allow(dead_code, reason = "what bodies of HTTP tell of a connection")
)]
pub(crate) mod idle;
#[cfg(any(feature = "http", feature = "grpc"))]
mod linger;
mod listener;
#[cfg(any(feature = "http", feature = "grpc"))]
mod open_body;
mod options;
pub(crate) mod seldom;
pub(crate) mod serving;
#[cfg_attr(
    not(any(feature = "http", feature = "grpc")),
    allow(dead_code, reason = "what a server asks that does not write by itself")
)]
mod stalled;
#[cfg(any(feature = "http", feature = "grpc"))]
mod streams;
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
mod sync;
#[cfg(target_os = "linux")]
mod unix_socket;
pub(crate) mod write_timeout;

#[cfg(feature = "grpc")]
pub(crate) use accept::serve_each;
#[cfg(any(feature = "http", feature = "grpc"))]
pub use accept::serve_http;
#[cfg(any(feature = "http", feature = "grpc"))]
pub(crate) use caller::tell_call;
pub use host_guard::HostGuard;
pub use listener::{Listen, Peer, PeerAddr};
pub use options::ListenOptions;
pub use serving::Serving;
#[cfg(target_os = "linux")]
pub use unix_socket::{PeerCredentials, UnixSocket, UnixSocketOptions};

pub use crate::net::socket_path::SocketPath;
