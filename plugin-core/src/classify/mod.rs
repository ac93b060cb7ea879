//! One judgement of an outcome, which every layer reads.
//!
//! [`Classify`] looks at a response's head, at an error or at the end of a body, once, and answers with a [`Judgement`].
//! Ready-made are [`ByErrorType`] and [`ByErrorChain`] for errors, [`ByHttpStatus`] and [`ByGrpcStatus`] for responses;
//! [`FailuresOn`] narrows each of them to the [`Condition`]s of a configuration. Every layer that judges takes a closure
//! too, by the same method:
//!
//! ```
//! use plugin_core::{PluginError, Verdict};
//! use plugin_telemetry::TelemetryLayer;
//!
//! let layer = TelemetryLayer::new("dice").classify(|result: Result<&u8, &PluginError>| match result {
//!     Ok(1..=6) => Verdict::Success,
//!     _ => Verdict::Failure,
//! });
//! # let _ = layer;
//! ```
//!
//! [`Classify`]: crate::Classify
//! [`Judgement`]: crate::Judgement
//! [`ByErrorType`]: crate::ByErrorType
//! [`ByErrorChain`]: crate::ByErrorChain
//! [`ByHttpStatus`]: crate::ByHttpStatus
//! [`ByGrpcStatus`]: crate::ByGrpcStatus

mod amend;
mod amendment;
pub(crate) mod any_error;
pub(crate) mod cause;
mod closure;
mod error_chain;
mod failures_on;
mod foreign;
#[cfg(all(any(fuzzing, test), feature = "grpc"))]
pub(crate) mod fuzzing;
#[cfg(feature = "grpc")]
pub(crate) mod grpc;
#[cfg(feature = "grpc")]
mod grpc_number;
mod grpc_verdict;
#[cfg(feature = "http")]
pub(crate) mod http;
pub(crate) mod judge;
pub(crate) mod judgement;
mod overload;
pub mod retry_after;
mod timed;
pub(crate) mod verdict;

pub use amendment::Amendment;
pub use cause::{Cause, Condition, grpc_status_name};
pub use closure::closure;
pub use failures_on::FailuresOn;
#[cfg(feature = "http2")]
pub use foreign::{is_against_http2, is_of_one_stream};
pub use judge::sees_failures;
pub use judgement::{Again, PushBack};
pub use timed::{of_attempt, of_call};
