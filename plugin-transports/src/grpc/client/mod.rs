//! The host's side of gRPC: calls a plugin.

mod answer;
mod config;
mod fault;
mod headers;
mod health;
mod init;
mod methods;
mod service;
mod settings;

pub use config::{GrpcConfig, GrpcConfigBuilder};
pub use service::{GrpcClient, GrpcPlugin};
