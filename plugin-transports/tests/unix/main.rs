//! Plugins over Unix sockets, with real ones: what a host is told when things go wrong, and what a plugin's server does with
//! what it is sent. Lines, sockets and settings are tested beside their code.

mod auth;
mod client;
mod faults;
#[cfg(feature = "http")]
mod over_http;
mod page;
mod pool;
mod restart;
mod server;
mod server_bounds;
mod support;
#[cfg(all(feature = "http", feature = "grpc"))]
mod who_calls;
