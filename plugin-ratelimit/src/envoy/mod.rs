//! Envoy's rate limit service: asked by a layer, and served out of the limits of this crate.
//!
//! Feature `envoy-rls`. The interface is that of `envoy.service.ratelimit.v3.RateLimitService`: a request is described
//! by *descriptors*, each a list of keys with values, and the service answers whether one of them is over its limit.
//!
//! [`EnvoyRateLimitLayer`] asks any such service about each request, as Envoy's own filter does: whoever runs one for
//! his proxies has the same limits in his programs. [`EnvoyRateLimitServer`] is such a service, for Envoy or for that
//! layer.
//!
//! ```
//! use std::time::Duration;
//!
//! use plugin_ratelimit::{
//!     RateLimitConfig,
//!     envoy::{EnvoyDescriptor, EnvoyRateLimitConfig, EnvoyRateLimitLayer, EnvoyRateLimitServer, EnvoyRule},
//! };
//! use tower::{BoxError, ServiceExt, Layer, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! // Each user may search twice, and once more after a minute.
//! let limit = RateLimitConfig::builder().with_requests_per_second(1.0 / 60.0).with_burst_size(2).build()?;
//! let rule = EnvoyRule::new("shop", limit).with_entry("path", "/search").with_any("user");
//! let server = EnvoyRateLimitServer::builder().with_rule(rule).build()?;
//!
//! // Here the layer asks the service in the same process; a `tonic::transport::Channel` is the usual one.
//! let config = EnvoyRateLimitConfig::builder("shop").with_timeout(Duration::from_secs(5)).build()?;
//! let layer = EnvoyRateLimitLayer::new(config, server, |user: &&'static str| {
//!     Some(EnvoyDescriptor::new([("path", "/search"), ("user", user)]))
//! });
//! let search = layer.layer(service_fn(|_: &'static str| async { Ok::<_, BoxError>("found") }));
//! search.clone().oneshot("ann").await?;
//! search.clone().oneshot("ann").await?;
//! assert!(search.clone().oneshot("ann").await.is_err());
//! search.oneshot("bob").await?;
//! # Ok(())
//! # }
//! ```

mod client;
mod proto;
mod server;
mod unit;

pub use client::{
    EnvoyDescriptor, EnvoyOnFailure, EnvoyQuestion, EnvoyRateLimit, EnvoyRateLimitConfig, EnvoyRateLimitConfigBuilder,
    EnvoyRateLimitHandle, EnvoyRateLimitLayer, EnvoyRateLimitStats,
};
#[cfg(any(fuzzing, test))]
pub(crate) use server::fuzzing;
pub use server::{EnvoyRateLimitServer, EnvoyRateLimitServerBuilder, EnvoyRule, EnvoyServerStats};
pub use unit::EnvoyUnit;
