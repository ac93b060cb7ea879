//! One limit over many machines, kept in Redis or Valkey.

mod address;
mod bucket;
mod config;
mod connection;
mod decision;
mod events;
mod fault;
mod instance;
mod keeper;
mod key_cell;
mod key_state;
mod keys;
mod layer;
mod link;
mod mode;
mod overflow;
mod place;
mod replicas;
mod script;
mod service;
mod settings;
mod standing;
mod store;
mod stored_key;
mod terms;

pub use bucket::{SharedBucket, SharedRateLimitStats};
pub use config::{RedisConfig, RedisConfigBuilder};
pub use events::{SharedEvent, SharedEvents};
pub use fault::AwayReason;
pub use layer::{OneKey, SharedRateLimitLayer};
pub use link::SharedStatus;
pub use mode::SharedMode;
pub use service::SharedRateLimit;
pub use store::RedisStore;
