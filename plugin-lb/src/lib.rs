#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
mod endpoint;
mod envelope;
mod error;
mod estimate;
mod failure;
mod future;
mod handle;
mod hints;
mod member;
mod meter;
#[cfg(not(feature = "http"))]
#[doc(hidden)]
pub mod missing;
mod pick;
mod picked;
mod service;
mod settings;
mod shared;
mod stats;
mod strategy;

/// The vocabulary of the family: what a program needs besides this crate.
pub use plugin_core;

pub use config::{LbConfig, LbConfigBuilder};
pub use endpoint::Endpoint;
#[cfg(feature = "http")]
pub use envelope::HttpExtensions;
pub use envelope::{Calls, CallsOnce, Envelope, HintsFrom, Plain, Retaining};
pub use error::{MembershipError, MembershipErrorKind};
pub use failure::LastFailure;
pub use future::ResponseFuture;
pub use handle::{BalanceHandle, Removed};
pub use hints::Hints;
pub use picked::Picked;
pub use service::Balance;
pub use stats::InstanceStats;
pub use strategy::Strategy;
