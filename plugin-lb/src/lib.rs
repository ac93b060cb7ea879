#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
mod endpoint;
mod envelope;
mod error;
mod estimate;
mod future;
mod handle;
mod hints;
mod in_flight;
mod last_failure;
mod membership;
mod meter;
#[cfg(not(all(feature = "http", feature = "grpc")))]
#[doc(hidden)]
pub mod missing;
mod outlier;
mod pick;
mod picked_instance;
mod service;
mod settings;
mod stats;
mod strategy;
mod sync;
mod turns;

/// The vocabulary of the family: what a program needs besides this crate.
pub use plugin_core;

pub use config::{BalanceConfig, BalanceConfigBuilder};
pub use endpoint::Endpoint;
#[cfg(feature = "http")]
pub use envelope::HttpEnvelope;
pub use envelope::{CallEnvelope, CallOnceEnvelope, Envelope, HintsEnvelope, PlainEnvelope, RetainingEnvelope};
pub use error::{MembershipError, MembershipErrorKind};
pub use future::ResponseFuture;
pub use handle::{BalanceHandle, RemovedInstance};
pub use hints::Hints;
pub use last_failure::LastFailure;
pub use outlier::{FailureRate, OutlierConfig, OutlierConfigBuilder, SuccessRate};
pub use picked_instance::PickedInstance;
pub use service::Balance;
pub use stats::InstanceStats;
pub use strategy::Strategy;
