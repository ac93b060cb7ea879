//! Another answer in place of an error: a value, what a function makes, or what another service says.
//!
//! ```
//! use plugin_core::{Call, PluginError, Reply};
//! use plugin_fallback::FallbackLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), PluginError> {
//! let prices = service_fn(|_: Call<u32>| async { Err::<Reply<u64>, _>(PluginError::execution("out of paper")) });
//!
//! // A value, cloned when it is needed.
//! let layer = FallbackLayer::value(Reply::new(100));
//! let used = layer.handle();
//! let stack = ServiceBuilder::new().layer(layer).service(prices);
//! assert_eq!(stack.oneshot(Call::new(7)).await?.into_payload(), 100);
//! assert_eq!(used.stats().used, 1);
//!
//! // A function, which sees what it replaces.
//! let layer = FallbackLayer::with(|failed: Result<Reply<u64>, PluginError>| {
//!     failed.or_else(|error| if error.is_retryable() { Err(error) } else { Ok(Reply::new(101)) })
//! });
//! let stack = ServiceBuilder::new().layer(layer).service(prices);
//! assert_eq!(stack.oneshot(Call::new(7)).await?.into_payload(), 101);
//!
//! // Another service, which gets the same request.
//! let list = service_fn(|call: Call<u32>| async move { Ok(Reply::new(u64::from(call.into_payload()) * 15)) });
//! let stack = ServiceBuilder::new().layer(FallbackLayer::service(list)).service(prices);
//! assert_eq!(stack.oneshot(Call::new(7)).await?.into_payload(), 105);
//! # Ok(())
//! # }
//! ```
//!
//! # Defaults
//!
//! | setting | default | what else |
//! |---|---|---|
//! | when | [`EveryFailure`]: refusals of this family too | [`classify`](FallbackLayer::classify) |
//!
//! On a service that answers refusals and faults with responses, such as an axum route, say
//! `.classify(ByHttpStatus::new())`: errors alone would never come, and a program that leaves it out does not build.
//!
//! # Where it stands
//!
//! Outside of everything whose errors it replaces, deadlines included, and inside telemetry, which then counts the
//! answer that the caller got. What the fallback does has no deadline of its own there: give one to a service that may
//! take long. The error of a fallback service is the error of the call.
//!
//! A readiness error (`poll_ready`) says that the inner service is gone for good, and passes.

mod answer;
mod counted_answer;
mod future;
mod handle;
mod layer;
mod service;

pub use answer::{FallbackAnswer, FallbackFn, FallbackService, FallbackValue};
pub use future::FallbackFuture;
pub use handle::{FallbackHandle, FallbackStats};
pub use layer::{EveryFailure, FallbackLayer};
pub use service::Fallback;
