//! Time limits: the caller's deadline over all attempts, and the limit of one attempt.

mod attempt;
mod attempt_limit;
mod call;
pub mod cut;
mod due;
mod end;
mod enforced;
mod future;
mod handle;
#[cfg(feature = "http")]
mod http_request;
mod layer;
mod limit;
mod note;
mod polling;
mod request;
mod service;
pub mod timer;
pub mod turn;
pub mod waiting;

pub use attempt::{AttemptTimeout, AttemptTimeoutFuture, AttemptTimeoutHandle, AttemptTimeoutLayer};
pub use attempt_limit::attempt_limit;
pub use call::{enforce, join};
pub use due::{Limited, limit, within};
pub use enforced::{awaited_until, enforced, shared_by_all};
pub use future::DeadlineFuture;
pub use handle::DeadlineHandle;
#[cfg(feature = "http")]
pub use http_request::{RequestDeadline, format_grpc_timeout, parse_grpc_timeout};
pub use layer::DeadlineLayer;
pub use request::{Deadlined, Times};
pub use service::Deadline;
