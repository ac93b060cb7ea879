//! How a call reaches code that runs elsewhere, and how that code is served.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "auth")]
pub mod auth;
#[cfg(feature = "http")]
mod connection;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "inproc")]
pub mod inproc;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "lines")]
pub mod lines;
#[cfg(all(feature = "process", target_os = "linux"))]
pub mod process;
#[cfg(feature = "tls")]
pub mod tls;

#[cfg(feature = "http")]
pub use connection::{ConnectionConfig, ConnectionConfigBuilder};
