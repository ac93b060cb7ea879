//! Plugins over gRPC: the host's side, and the plugin's.
//!
//! The service is `plugin.v1.PluginService`, whose description is `proto/plugin/v1/plugin.proto` in this crate: an author in any
//! language generates a server of it. Beside it stand the standard health check (`grpc.health.v1`) and reflection.

#[cfg(feature = "grpc")]
mod client;
mod content_type;
mod frame;
mod proto;
mod rich;
mod server;
mod status;
mod timeout;

pub use client::{GrpcClient, GrpcConfig, GrpcConfigBuilder, GrpcPlugin};
pub use server::{GrpcBody, GrpcPluginServer, GrpcPluginServerFuture, GrpcServerOptions, serve};

/// The description of `plugin.v1.PluginService` as an encoded `google.protobuf.FileDescriptorSet`: what a reflection service of
/// one's own registers.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/plugin.v1.bin");
