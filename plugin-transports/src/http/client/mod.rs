//! The host's side of HTTP: calls a plugin.

mod config;
mod fault;
mod headers;
mod health;
mod service;
mod settings;

pub use config::{HttpConfig, HttpConfigBuilder};
pub use service::{HttpClient, HttpPlugin};
