//! The limit of one attempt.

mod future;
mod handle;
mod layer;
mod service;

pub use future::AttemptTimeoutFuture;
pub use handle::AttemptTimeoutHandle;
pub use layer::AttemptTimeoutLayer;
pub use service::AttemptTimeout;
