#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
#[cfg(feature = "discover")]
mod discover;
mod drain;
mod endpoint;
mod envelope;
mod error;
mod estimate;
mod future;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod handle;
mod hints;
mod in_flight;
mod last_failure;
mod load_report;
mod membership;
mod meter;
mod mirror;
#[cfg(not(all(feature = "http", feature = "grpc")))]
#[doc(hidden)]
pub mod missing;
mod outlier;
mod pick;
mod picked_instance;
mod replace;
mod reported_weights;
mod service;
mod settings;
mod slow_start;
mod split;
mod stats;
mod strategy;
mod sync;
mod tier_stats;
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
pub use load_report::LoadReport;
#[cfg(feature = "http")]
pub use mirror::MarkHttp;
pub use mirror::{
    CopyByClone, CopyFn, CopyRequest, MIRRORED, MarkCall, MarkCopy, Mirror, MirrorConfig, MirrorConfigBuilder,
    MirrorHandle, MirrorLayer, MirrorStats, Unmarked,
};
pub use outlier::{BalanceEvent, BalanceEvents, EjectionCause, EjectionChange};
pub use outlier::{FailureRate, OutlierConfig, OutlierConfigBuilder, SuccessRate};
pub use picked_instance::PickedInstance;
pub use replace::ReplacedInstances;
pub use reported_weights::{ReportedWeightsConfig, ReportedWeightsConfigBuilder};
pub use service::Balance;
pub use split::{
    BranchError, BranchErrorKind, BranchStats, TrafficSplit, TrafficSplitConfig, TrafficSplitConfigBuilder,
    TrafficSplitFuture, TrafficSplitHandle,
};
pub use stats::InstanceStats;
pub use strategy::Strategy;
pub use tier_stats::TierStats;
