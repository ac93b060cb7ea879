//! Plugins over a Unix socket, one JSON document per line: client and server.
//!
//! The lines are those of go-plugins v1, so that its plugins can be called, and its hosts can call ours:
//!
//! ```text
//! -> {"type":"execute|health|info|ping","request_id":"..","data":<Req>|null,"headers":{..}?,"timeout_ms":30000?}
//! <- {"type":"..","request_id":"<same>","success":true,"data":<Res>?,"error":".."?,"headers":{..}?}
//! ```
//!
//! A connection has one request in flight. [`UnixPlugin`] is the host's side, with a pool of connections; [`serve`] is the
//! plugin's, on a [`UnixSocket`](crate::listen::UnixSocket). HTTP and gRPC over a socket, where calls share a connection, are
//! matters of their own modules.
//!
//! What go-plugins has no key for travels where it does no harm to its own:
//!
//! | what | where |
//! |---|---|
//! | the code of a failure, whether another attempt may help, and when | `headers` of the reply: `X-Plugin-Code`, `X-Plugin-Retryable`, `X-Plugin-Retry-After-Ms` |
//! | metadata of a reply | `headers` of the reply |
//! | metadata of a call | `metadata` of the request, a key that its decoders pass over, and only where there is any |
//! | the trace, and credentials | `headers` of the request |
//! | how a plugin is that is not well | `data` of its `health`, with `success` false |
//!
//! `docs/plugin-over-unix.md` has all of this for authors of plugins in other languages.

mod client;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
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

/// So many line feeds alone are read over; who sends nothing else says nothing.
const MAX_BLANK: usize = 1 << 10;
