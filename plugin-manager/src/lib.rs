//! Plugins from a config file: registry, reload, gateway and command line

pub mod cli;
pub mod config;
mod demo;
pub mod launch;
pub mod manager;
pub mod server;
pub mod stack;
