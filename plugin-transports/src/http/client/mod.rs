//! The host's side of HTTP: calls a plugin.

mod body;
mod config;
mod fault;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
mod headers;
mod health;
mod service;
mod settings;

pub use config::{HttpConfig, HttpConfigBuilder};
pub use service::{HttpClient, HttpPlugin};
