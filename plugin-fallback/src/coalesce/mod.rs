//! Equal calls that are in flight at the same time share one call.
//!
//! ```
//! use plugin_core::{Call, PluginError, Reply};
//! use plugin_fallback::coalesce::CoalesceLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), PluginError> {
//! let prices = service_fn(|call: Call<u32>| async move {
//!     tokio::task::yield_now().await;
//!     Ok::<_, PluginError>(Reply::new(call.into_payload() * 15))
//! });
//! // Calls for the same article are equal; article 0 is never shared.
//! let layer = CoalesceLayer::new(|call: &Call<u32>| Some(*call.payload()).filter(|article| *article > 0));
//! let counts = layer.handle();
//! let stack = ServiceBuilder::new().layer(layer).service(prices);
//! let (one, two) = (stack.clone().oneshot(Call::new(7)), stack.oneshot(Call::new(7)));
//! let (one, two) = tokio::join!(one, two);
//! assert_eq!((one?.into_payload(), two?.into_payload()), (105, 105));
//! assert_eq!((counts.stats().led, counts.stats().joined), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! The first call of a key leads: its request is the one that is sent. Those that come while it is in flight follow, and
//! each gets a clone of the response, or an error that says the same ([`Shareable`]). Nobody owns the shared call:
//! whichever of its callers is polled drives it. So a leader that is cancelled does not fail its followers, and the call
//! is dropped when the last of its callers is gone. A call that comes after the end begins a new one; to keep answers
//! use a cache.
//!
//! # Defaults
//!
//! | setting | default | what else |
//! |---|---|---|
//! | keys in flight | 10,000 | [`with_max_in_flight`](CoalesceLayer::with_max_in_flight); calls beyond are not shared |
//! | deadlines | each caller waits until that of its own request | [`reject_with`](CoalesceLayer::reject_with) sets the answer when it has passed, [`without_deadlines`](CoalesceLayer::without_deadlines) looks at none |
//!
//! # Where it stands
//!
//! Inside the layer that gives requests their deadline, if there is one; outside of retry, breaker and limits, so that
//! shared calls cost one attempt and one token. A follower drops its request: trace and priority that the inner layers
//! see are the leader's.
//!
//! A shared call has the latest deadline of its callers. Each caller waits until its own, whoever set it: a
//! [`DeadlineLayer`](plugin_core::deadline::DeadlineLayer) outside, the caller in its [`Call`](plugin_core::Call), or a header
//! `x-request-timeout` or `grpc-timeout` of an `http::Request`. It then gets the refusal `PLUGIN_1204`, and the last of
//! them takes the call with it. The request that is sent carries no deadline and neither header, since one who joins later
//! may wait longer: a server that is told a time is told the limit of an attempt, which holds as ever. A layer inside that
//! asks how much time is left ([`awaited_until`](plugin_core::deadline::awaited_until)), as a half-open breaker does, hears the
//! latest deadline of those who wait at that moment; who joins a call that it has just refused is refused with it. Leave
//! calls out that must happen as often as they are made: a key of `None` is not shared, and keeps its deadline.
//!
//! One layer has one table. Where it wraps several services, the key has to tell them apart. A call that makes an equal
//! call through the same layer, and waits for it, waits for itself.

mod callers;
mod deadlines;
mod future;
mod handle;
mod layer;
mod service;
mod shareable;
mod shared_call;
mod shared_calls;

pub use deadlines::{ByDeadline, Deadlines, WithoutDeadlines};
pub use future::CoalesceFuture;
pub use handle::{CoalesceHandle, CoalesceStats};
pub use layer::CoalesceLayer;
pub use service::Coalesce;
pub use shareable::Shareable;
