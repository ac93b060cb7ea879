//! What the compiler says where a method is called whose feature is not on: the feature, and not that there is no such method.
//!
//! In its place stands a method of the same name that nothing may call, since nobody has these traits.

/// Implemented by nothing.
#[cfg(not(feature = "http"))]
#[diagnostic::on_unimplemented(
    message = "this needs the feature `http` of plugin-core",
    label = "the feature `http` is not on",
    note = "in Cargo.toml: `plugin-core = {{ .., features = [\"http\"] }}`"
)]
pub trait Http {}

/// Implemented by nothing.
#[cfg(not(feature = "grpc"))]
#[diagnostic::on_unimplemented(
    message = "this needs the feature `grpc` of plugin-core",
    label = "the feature `grpc` is not on",
    note = "in Cargo.toml: `plugin-core = {{ .., features = [\"grpc\"] }}`"
)]
pub trait Grpc {}
