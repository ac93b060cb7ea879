#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
#[cfg(any(feature = "file", feature = "kubernetes"))]
mod contents;
mod discovery;
#[cfg(feature = "dns")]
pub mod dns;
mod error;
mod fault;
#[cfg(feature = "file")]
pub mod file;
mod follower;
mod following;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod instance;
mod kept;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
mod publisher;
mod running;
mod settings;
mod silence;
mod source;
mod static_source;
mod task;

pub use config::{DiscoveryConfig, DiscoveryConfigBuilder};
pub use discovery::Discovery;
pub use error::NoInstanceError;
pub use fault::{Fault, FaultKind};
pub use following::Following;
pub use instance::FoundInstance;
/// The vocabulary of the family: what a program needs besides this crate.
pub use plugin_core;
pub use publisher::Publisher;
pub use source::Source;
pub use static_source::StaticSource;
