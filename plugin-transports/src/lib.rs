// The page shows every transport, so its examples and links need all of them.
#![cfg_attr(feature = "full", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "full"), doc = "How a call reaches code that runs elsewhere, and how that code is served.")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "auth")]
pub mod auth;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
mod connection;
#[cfg(feature = "dial")]
#[cfg_attr(
    not(any(feature = "http", feature = "grpc")),
    allow(dead_code, reason = "what a transport tells of an address after it was dialled")
)]
pub mod dial;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "inproc")]
pub mod inproc;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "lines")]
pub mod lines;
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
pub mod listen;
pub mod names;
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
mod net;
#[cfg(any(feature = "grpc", all(feature = "process", target_os = "linux")))]
mod options;
#[cfg(all(feature = "process", target_os = "linux"))]
pub mod process;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(all(feature = "unix", target_os = "linux"))]
pub mod unix;
#[cfg(feature = "json")]
mod wire;

/// The vocabulary of the family: what a program needs besides this crate.
pub use plugin_core;

#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
pub use connection::{ConnectionConfig, ConnectionConfigBuilder};
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
pub use net::{client::CallFuture, reach::Reach};
