//! Types at both ends of a plugin that speaks JSON.
//!
//! A transport carries bytes. [`typed`] puts a type of the caller's on its near side, [`serve`] one of the plugin's on
//! its far side:
//!
//! ```
//! use plugin_core::{Call, PluginError, Reply};
//! use plugin_transports::json;
//! use serde::{Deserialize, Serialize};
//! use tower::{ServiceExt, service_fn};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Order { items: u32 }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), PluginError> {
//! let count = json::serve(service_fn(|call: Call<Order>| async move {
//!     Ok::<_, PluginError>(Reply::new(call.payload().items + 1))
//! }));
//! // Here stands any transport. The near side needs to know only the two types.
//! let typed = json::typed::<Order, u32, _>(count);
//! assert_eq!(typed.oneshot(Call::new(Order { items: 1 })).await?.into_payload(), 2);
//! # Ok(()) }
//! ```

mod check;
mod checked;
#[cfg(any(feature = "http", feature = "lines", feature = "unix"))]
mod cut;
#[cfg(any(feature = "lines", feature = "unix"))]
mod flat;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
mod limits;
mod scan;
mod typed;

#[cfg(any(feature = "http", feature = "grpc"))]
pub(crate) use self::checked::is_checked;
#[cfg(any(feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) use self::checked::on_one_line;
#[cfg(any(feature = "http", feature = "grpc", feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) use self::checked::refused;
#[cfg(any(feature = "http", feature = "lines", feature = "unix"))]
pub(crate) use self::cut::cut;
#[cfg(any(feature = "lines", feature = "unix"))]
pub(crate) use self::flat::flat;
pub use self::{
    check::JsonFault,
    checked::{checked, checked_within},
    limits::{LimitExceeded, Limits},
    typed::{Direction, FromJson, JsonFuture, JsonService, Served, ToJson, Typed, serve, typed},
};
