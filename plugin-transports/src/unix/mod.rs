//! Plugins over a Unix socket.

mod client;
mod line_buffer;
mod reply;
mod request;
mod server;

pub use self::{
    client::{UnixClient, UnixConfig, UnixConfigBuilder, UnixPlugin},
    server::{UnixServerOptions, serve},
};

/// The shortest that a line may be limited to, on either side: what any request has must fit.
const LEAST_LINE: usize = 1 << 10;
