//! The host's side of HTTP: calls a plugin.

mod config;
mod connect;
mod driven;
mod exchange;
mod fault;
mod headers;
mod health;
mod http1_connection;
mod http2_connection;
mod interim;
mod liveness;
mod losses;
mod pool;
mod progress;
mod reach;
mod service;
mod settings;

pub use config::{HttpConfig, HttpConfigBuilder, HttpVersion};
pub use reach::Reach;
pub use service::{HttpClient, HttpFuture, HttpPlugin};
