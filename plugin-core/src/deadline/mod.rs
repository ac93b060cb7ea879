//! Time limits: the caller's deadline over all attempts, and the limit of one attempt.

mod allowed;
mod attempt;
mod carry;
pub mod cut;
mod due;
mod end;
pub(crate) mod enforced;
mod future;
mod layer;
mod polling;
pub mod timer;
pub mod turn;
pub mod waiting;

pub use allowed::attempt_limit;
pub use attempt::{AttemptTimeout, AttemptTimeoutFuture, AttemptTimeoutHandle, AttemptTimeoutLayer};
pub use carry::{Deadlined, Times};
#[cfg(feature = "http")]
pub use carry::{RequestDeadline, format_grpc_timeout, parse_grpc_timeout};
pub use due::{Limited, limit, within};
pub use enforced::{awaited_until, enforced};
pub use future::ResponseFuture;
pub(crate) use layer::join;
pub use layer::{Deadline, DeadlineHandle, DeadlineLayer, enforce};
