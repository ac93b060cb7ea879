//! What transports over connections have in common on the host's side: where a plugin is, the connections to it and who waits for
//! one, how far a call has come, and what is told of one that ended.

#[cfg(feature = "http")]
pub(crate) mod body;
pub(crate) mod client;
#[cfg(feature = "http")]
pub(crate) mod connect;
#[cfg(feature = "http")]
mod driven;
#[cfg(feature = "http")]
pub(crate) mod endpoint;
#[cfg(feature = "http")]
pub(crate) mod exchange;
pub(crate) mod exclusive;
#[cfg(feature = "http")]
pub(crate) mod fault;
#[cfg(feature = "http")]
mod first_words;
#[cfg(feature = "http")]
mod http1_connection;
#[cfg(feature = "http")]
mod http2_connection;
#[cfg(feature = "http")]
mod interim;
#[cfg(feature = "http")]
mod liveness;
mod losses;
#[cfg(feature = "http")]
pub(crate) mod plaintext;
#[cfg(feature = "http")]
pub(crate) mod pool;
pub(crate) mod progress;
pub(crate) mod reach;
pub(crate) mod socket;
pub(crate) mod socket_path;
#[cfg(feature = "http")]
mod tapped;
#[cfg(feature = "http")]
pub(crate) mod version;
#[cfg(feature = "http")]
pub(crate) mod yielding;
