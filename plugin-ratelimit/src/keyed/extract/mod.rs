//! Ready-made keys of HTTP requests.

mod client_ip;
mod extension;
mod forwarded;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod header;
mod layer;
mod network;
mod rules;
mod settings;

pub use client_ip::{ClientIp, PeerOf};
pub use extension::ByExtension;
pub use header::ByHeader;
pub use network::{Network, NetworkError};
pub use rules::{ClientIpConfig, ClientIpConfigBuilder, ForwardedBy};
