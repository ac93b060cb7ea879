//! Answers that are kept for a while, and served late rather than not at all.
//!
//! ```
//! use std::time::Duration;
//!
//! use plugin_fallback::{
//!     cache::{CacheConfig, CacheLayer},
//!     plugin_core::{Call, PluginError, Reply},
//! };
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let prices = service_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 15)) });
//! let config = CacheConfig::builder()
//!     .with_ttl(Duration::from_secs(10))
//!     .with_stale_if_error(Duration::from_secs(300))
//!     .build()?;
//! let layer = CacheLayer::new(config, |call: &Call<u32>| Some(*call.payload()));
//! let cache = layer.handle();
//! let stack = ServiceBuilder::new().layer(layer).service(prices);
//! for _ in 0..2 {
//!     let call = Call::new(7).with_idempotent(true);
//!     assert_eq!(stack.clone().oneshot(call).await?.into_payload(), 105);
//! }
//! assert_eq!((cache.stats().hits(), cache.stats().misses()), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! # Behaviour
//!
//! An answer is kept when the classifier calls it a success when its head arrives, under the key that is read from the
//! request; a key of `None` is passed on. When it is older than its time to live the service is asked again. Where that
//! fails, or a layer of this family refuses, the old answer is served for up to `stale_if_error` more (after RFC 5861).
//! The caller's own mistakes are answered as they come.
//!
//! Only calls that are marked idempotent are served from the cache and kept in it: [`OnlyIdempotent`] says which,
//! [`every_call`](CacheLayer::every_call) takes all. Over HTTP that is `GET` and `HEAD`, and of the responses those are kept
//! whose status lets them: 200 and 404, say, and never a 500.
//!
//! The bound is kept by [moka](https://docs.rs/moka), which prefers keys that are asked for often (TinyLFU): a new key
//! may not be taken into a full cache. It works its writes off in batches, so that the cache may exceed the bound by a
//! batch for a moment.
//!
//! # Defaults
//!
//! The [page of the crate](crate#settings-of-the-cache) has the settings.
//!
//! | what | default | or |
//! |---|---|---|
//! | calls | [`OnlyIdempotent`] | [`every_call`](CacheLayer::every_call) |
//! | what is kept | every success ([`ByErrorType`](plugin_core::ByErrorType)); over HTTP of these statuses: [`OnlyIdempotent`] | [`classify`](CacheLayer::classify) |
//!
//! # Where it stands
//!
//! Inside the deadline and outside of rate limit, retry and breaker: a kept answer costs no token, and an open circuit
//! is a reason to serve an old one. Calls that miss at the same time are made each; put a
//! [`CoalesceLayer`](crate::coalesce::CoalesceLayer) beneath to share them. A service that is waited for until it is
//! ready is waited for by hits too.
//!
//! # Not to do
//!
//! - Leave out of the key what the answer depends on: who asks, above all. One layer has one cache, so where it wraps
//!   several services the key has to tell these apart too.
//! - Take it for an HTTP cache: it reads no `Cache-Control` and no `Vary`. Say `.classify(ByHttpStatus::new())` to have an old
//!   answer served in place of a 500 too, and `.classify(|result| ..)` with a success for 200 alone to keep no 404.

mod admit;
mod config;
mod future;
mod handle;
mod layer;
mod service;
mod settings;

pub use admit::{Admit, EveryCall, OnlyIdempotent};
pub use config::{CacheConfig, CacheConfigBuilder};
pub use future::CacheFuture;
pub use handle::{CacheHandle, CacheStats};
pub use layer::CacheLayer;
pub use service::Cache;
