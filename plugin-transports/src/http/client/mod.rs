//! The host's side.

mod config;
mod connect;
mod driven;
mod exchange;
mod fault;
mod headers;
mod health;
mod heard;
mod interim;
mod losses;
mod pool;
mod progress;
mod reach;
mod service;
mod settings;
mod shared;

pub use config::{HttpConfig, HttpConfigBuilder, HttpVersion};
pub use reach::Reach;
pub use service::{HttpClient, HttpFuture, HttpPlugin};
