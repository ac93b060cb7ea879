//! Plugins over HTTP/1.1 and HTTP/2: the host's side, and the plugin's.
//!
//! The wire is that of go-plugins v1: a call is a `POST` of
//! `{"data":...,"request_id":"...","timeout":"30s","headers":{...},"metadata":{...}}`, and its answer
//! `{"data":...,"error":"...","request_id":"...","metadata":{...}}`, where an `error` that is not empty is the plugin's own
//! failure. The payload is passed through as bytes in both directions.
//!
//! ```
//! use std::time::Duration;
//!
//! use plugin_core::{Call, PluginError, Reply};
//! use plugin_transports::{http::{self, HttpConfig, HttpPlugin, ServerOptions}, json};
//! use tower::{ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The plugin.
//! let double = service_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 2)) });
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let server = http::serve(json::serve(double), listener, ServerOptions::default())?;
//!
//! // The host.
//! let config = HttpConfig::builder("double", format!("http://{}/", server.local_addr())).build()?;
//! let instance = HttpPlugin::connect(config)?;
//! let double = json::typed::<u32, u32, _>(instance.service().clone());
//! assert_eq!(double.oneshot(Call::new(21)).await?.into_payload(), 42);
//!
//! instance.close(Duration::from_secs(1)).await?;
//! server.shutdown(Duration::from_secs(1)).await?;
//! # Ok(()) }
//! ```
//!
//! A plugin may also stand in a server that exists: [`PluginServer`] is a service for `http::Request`, and goes into an
//! `axum::Router` by `route_service`.

mod client;
mod envelope;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
mod server;

pub use client::{HttpClient, HttpConfig, HttpConfigBuilder, HttpPlugin};
pub use server::{PluginServer, PluginServerFuture, ServerOptions, serve};

pub use crate::net::{body::Parts, version::HttpVersion};
