#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod check;
mod config;
mod events;
mod flaps;
#[cfg(all(any(fuzzing, test), feature = "probe-http", feature = "probe-unix"))]
#[doc(hidden)]
pub mod fuzzing;
mod gate_config;
mod handle;
mod layer;
#[cfg(not(feature = "grpc"))]
#[doc(hidden)]
pub mod missing;
mod monitor;
mod overall;
mod passive;
mod probe;
pub mod probes;
#[cfg(any(feature = "axum", feature = "tonic-health"))]
mod ready;
#[cfg(feature = "tonic-health")]
mod report;
#[cfg(feature = "axum")]
mod routes;
mod schedule;
mod service;
mod settings;
mod shared;
mod task;
#[cfg(any(feature = "axum", feature = "probe-http", feature = "probe-grpc", feature = "probe-unix"))]
mod texts;
mod threshold;
mod verdict;

/// The vocabulary of the family: what a program needs besides this crate.
pub use plugin_core;

pub use check::{HealthCheck, WeakHealthCheck};
pub use config::{HealthConfig, HealthConfigBuilder};
pub use events::HealthEvents;
pub use gate_config::{GatePolicy, HealthGateConfig, HealthGateConfigBuilder};
pub use handle::{HealthGateHandle, HealthGateStats};
pub use layer::HealthGateLayer;
pub use monitor::{HealthMonitor, HealthMonitorEvent, HealthMonitorEvents};
pub use passive::{
    PassiveHealth, PassiveHealthConfig, PassiveHealthConfigBuilder, PassiveHealthFuture, PassiveHealthHandle,
    PassiveHealthLayer, PassiveHealthStats,
};
/// The future of [`HealthGate`].
pub use plugin_core::RejectFuture as HealthGateFuture;
pub use probe::{ask, probe};
#[cfg(feature = "tonic-health")]
pub use report::HealthReport;
#[cfg(feature = "axum")]
pub use routes::HealthRoutes;
pub use service::HealthGate;
