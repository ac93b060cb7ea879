#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "cache")]
pub mod cache;
pub mod coalesce;
mod fallback;
#[cfg(not(all(feature = "http", feature = "grpc")))]
#[doc(hidden)]
pub mod missing;

pub use fallback::{
    EveryFailure, Fallback, FallbackAnswer, FallbackFn, FallbackFuture, FallbackHandle, FallbackLayer, FallbackService,
    FallbackStats, FallbackValue,
};
/// The vocabulary of the family: what a program needs besides this crate.
pub use plugin_core;
