//! Outlier ejection: an instance that fails while others do not gets no calls for a time.
//!
//! After gRPC's proposal A50 and Envoy's outlier detection. Nothing runs by itself: failures are counted where calls end, an interval
//! is looked at with the first failure after it, and an ejection is over when a pick finds that its time is.

mod config;
mod detect;
mod ejection;
mod event;
mod outliers;
mod settings;

pub use config::{FailureRate, OutlierConfig, OutlierConfigBuilder, SuccessRate};
pub(crate) use ejection::Ejection;
pub use event::{BalanceEvent, BalanceEvents, EjectionCause, EjectionChange};
pub(crate) use outliers::{Counted, Known, Outliers};
pub(crate) use settings::values_of;
