#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod backoff;
mod box_error;
mod call;
mod check;
pub mod classify;
pub mod clock;
mod code;
mod config_error;
mod context;
pub mod deadline;
pub mod ejected;
mod error;
pub mod events;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
pub mod go_duration;
mod health;
mod instance;
mod instance_id;
mod key;
#[cfg(not(all(feature = "http", feature = "grpc")))]
#[doc(hidden)]
pub mod missing;
mod outcome;
mod plugin;
mod polled_after_end;
pub mod readiness;
mod reject;
mod rejected;
mod request_id;
mod sent;
mod sentences;
#[cfg(feature = "serde")]
pub mod serde_duration;
pub mod service;
pub mod settings;
pub mod sync;
#[cfg(feature = "tonic")]
mod tonic_status;
mod trace_context;
mod without_feature;

pub use backoff::{Backoff, Jitter};
pub use box_error::{BoxError, BoxErrorFuture, BoxErrorLayer, BoxErrorService};
pub use call::{Call, Reply, Seal};
pub use check::check;
#[cfg(feature = "grpc")]
pub use classify::grpc::ByGrpcStatus;
#[cfg(feature = "http")]
pub use classify::http::ByHttpStatus;
pub use classify::{
    any_error::{ByErrorChain, ByErrorType},
    judge::Classify,
    judgement::Judgement,
    verdict::Verdict,
};
pub use code::{Code, CodeKind};
pub use config_error::ConfigError;
pub use context::CallContext;
pub use error::PluginError;
pub use health::{HealthCell, HealthState, HealthStatus};
pub use instance::{PluginInfo, PluginInstance, Probe};
pub use instance_id::{Attributed, InstanceId};
pub use key::KeyOf;
pub use outcome::{AtEnd, AtHead, End, ExpectedBody, Observe, Observer, Outcome, ResponseBodyRule};
#[cfg(feature = "http")]
pub use outcome::{FollowBody, FollowedBody};
pub use plugin::{BoxFuture, BoxPlugin, Plugin};
pub use polled_after_end::polled_after_end;
#[cfg(feature = "grpc")]
pub use reject::AsGrpcStatus;
#[cfg(feature = "http")]
pub use reject::AsHttpResponse;
pub use reject::{AsErrorValue, Reject, RejectFuture, millis_up};
pub use rejected::{Quota, Rejected};
pub use request_id::RequestId;
pub use sent::Sent;
pub use sentences::{RoundedDuration, counted, in_days, on_one_line, rounded};
pub use trace_context::TraceContext;
