//! A service over named branches, each with an exact share of the calls.

mod branch;
mod config;
mod error;
mod future;
mod handle;
mod in_flight;
mod schedule;
mod service;
mod state;
mod stats;
mod sticky;
mod turns;

pub use config::{TrafficSplitConfig, TrafficSplitConfigBuilder};
pub use error::{BranchError, BranchErrorKind};
pub use future::TrafficSplitFuture;
pub use handle::TrafficSplitHandle;
pub use service::TrafficSplit;
pub use stats::BranchStats;
pub(crate) use turns::ExactTurns;
