//! The host's side: calls a plugin on a Unix socket.

mod config;
mod connection;
mod exchange;
mod fault;
mod pool;
mod service;
mod settings;

pub use self::{
    config::{UnixConfig, UnixConfigBuilder},
    service::{UnixClient, UnixPlugin},
};
