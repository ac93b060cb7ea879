//! One of `plugins`.

mod auth;
mod bounds;
mod exec;
mod executable;
mod instance;
mod instances;
mod plugin_config;
mod read;
mod transport;

pub use instance::{InstanceConfig, InstanceTransport};
pub use plugin_config::PluginConfig;
pub use transport::{TransportConfig, TransportKind};

pub(crate) use read::no_such_type;
pub(super) use read::{TABLE, read};
