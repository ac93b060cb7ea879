//! What transports over connections have in common on the host's side: where a plugin is, the connections to it and who waits for
//! one, how far a call has come, and what is told of one that ended.

pub(crate) mod authority;
#[cfg(any(feature = "http", feature = "grpc"))]
#[cfg_attr(not(feature = "http"), allow(unreachable_pub, reason = "it is `http::Parts`"))]
pub(crate) mod body;
pub(crate) mod client;
#[cfg(any(feature = "http", feature = "grpc"))]
pub(crate) mod connect;
#[cfg(any(feature = "http", feature = "grpc"))]
mod driven;
#[cfg(any(feature = "http", feature = "grpc"))]
pub(crate) mod endpoint;
#[cfg(any(feature = "http", feature = "grpc"))]
pub(crate) mod exchange;
pub(crate) mod exclusive;
#[cfg(any(feature = "http", feature = "grpc"))]
pub(crate) mod fault;
#[cfg(any(feature = "http", feature = "grpc"))]
mod first_words;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
#[cfg(any(feature = "http", feature = "grpc"))]
mod http1_connection;
#[cfg(any(feature = "http", feature = "grpc"))]
mod http2_connection;
#[cfg(any(feature = "http", feature = "grpc"))]
mod interim;
#[cfg(any(feature = "http", feature = "grpc"))]
mod liveness;
pub(crate) mod losses;
#[cfg(any(feature = "http", feature = "grpc"))]
mod misspoken;
#[cfg(any(feature = "http", feature = "grpc"))]
pub(crate) mod plaintext;
#[cfg(any(feature = "http", feature = "grpc"))]
pub(crate) mod pool;
pub(crate) mod probe;
pub(crate) mod progress;
pub(crate) mod reach;
pub(crate) mod socket;
pub(crate) mod socket_path;
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
pub(crate) mod spoken;
#[cfg(any(feature = "http", feature = "grpc"))]
mod tapped;
mod unfit;
#[cfg(any(feature = "http", feature = "grpc"))]
#[cfg_attr(not(feature = "http"), allow(dead_code, unreachable_pub, reason = "gRPC speaks one version"))]
pub(crate) mod version;
#[cfg(any(feature = "http", feature = "grpc"))]
pub(crate) mod yielding;
