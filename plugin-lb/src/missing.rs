//! Compiler messages for methods whose feature is not enabled: they name the feature.
//!
//! In its place stands a method of the same name that nothing may call, since nobody has these traits.

/// Implemented by nothing.
#[cfg(not(feature = "http"))]
#[diagnostic::on_unimplemented(
    message = "this needs the feature `http` of plugin-lb",
    label = "the feature `http` is not on",
    note = "in Cargo.toml: `plugin-lb = {{ .., features = [\"http\"] }}`"
)]
pub trait Http {}

/// Implemented by nothing.
#[cfg(not(feature = "grpc"))]
#[diagnostic::on_unimplemented(
    message = "this needs the feature `grpc` of plugin-lb",
    label = "the feature `grpc` is not on",
    note = "in Cargo.toml: `plugin-lb = {{ .., features = [\"grpc\"] }}`"
)]
pub trait Grpc {}
