//! Plugins from a config file: registry, reload, gateway and command line

pub mod config;
pub mod manager;
