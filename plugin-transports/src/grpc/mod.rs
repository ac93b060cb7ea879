//! Plugins over gRPC: the host's side, and the plugin's.
//!
//! The service is `plugin.v1.PluginService`, whose description is `proto/plugin/v1/plugin.proto` in this crate: an author in any
//! language generates a server of it. Beside it stand the standard health check (`grpc.health.v1`) and reflection. A payload is bytes,
//! JSON unless both ends are told otherwise, and is passed through as it is.
//!
//! ```
//! use std::time::Duration;
//!
//! use plugin_core::{Call, PluginError, Reply};
//! use plugin_transports::{grpc::{self, GrpcConfig, GrpcPlugin, GrpcServerOptions}, json};
//! use tower::{ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The plugin.
//! let double = service_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 2)) });
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let server = grpc::serve(json::serve(double), listener, GrpcServerOptions::new())?;
//!
//! // The host.
//! let config = GrpcConfig::builder("double", server.local_addr().to_string()).build()?;
//! let instance = GrpcPlugin::connect(config)?;
//! let double = json::typed::<u32, u32, _>(instance.service().clone());
//! assert_eq!(double.oneshot(Call::new(21)).await?.into_payload(), 42);
//!
//! instance.close(Duration::from_secs(1)).await?;
//! server.shutdown(Duration::from_secs(1)).await?;
//! # Ok(()) }
//! ```

mod client;
mod content_type;
mod frame;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
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
