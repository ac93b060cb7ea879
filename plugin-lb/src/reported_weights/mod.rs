//! Weights that backends report: the settings, and what is known of one instance. How it is picked by them stands in
//! `pick/reported_weights.rs`.

mod config;
mod settings;
mod weight;

pub use config::{ReportedWeightsConfig, ReportedWeightsConfigBuilder};
pub(crate) use weight::ReportedWeight;
