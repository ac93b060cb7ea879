//! A server's side of connections, whatever it serves.

#[cfg(all(feature = "unix", target_os = "linux"))]
mod unix_socket;

#[cfg(all(feature = "unix", target_os = "linux"))]
pub use self::unix_socket::{PeerCredentials, UnixSocketListener, UnixSocketOptions};
#[cfg(all(feature = "unix", target_os = "linux"))]
pub use crate::net::socket_path::{SocketPath, SocketPathError};
