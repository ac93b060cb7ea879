//! Whether the service is to blame when time is up: one rule, and how every layer involved hears of it.
//!
//! A call ends early when the layer that owns its time drops it: [`AttemptTimeout`](super::AttemptTimeout) one attempt,
//! [`Deadline`](super::Deadline) the whole call. Dropping is what withdraws a request, so only then is it certain
//! how far it came. Therefore a layer drops what it cuts with [`drop_under`]; whatever is dropped asks [`current`] why, a
//! transport tells with [`report`] how far it came, and the layer has it in the [`Progress`]. All of it happens on one
//! thread during one drop, and costs a call that ends by itself nothing.
//!
//! Whether the end is evidence against the service is asked of one function, [`is_evidence`], whoever cut the call.

mod channel;
mod line;
mod progress;
mod rule;

pub(super) use super::polling::Part;
#[cfg(any(feature = "grpc", feature = "tonic"))]
pub(crate) use channel::told;
pub(crate) use channel::{as_told, end_of_told_time};
pub use channel::{
    current, drop_code, drop_held_until, drop_superseded, drop_under, elapsed, forget_told, is_superseded, narrow,
    out_of_time, report, report_held, report_held_until, sent_before, shared,
};
pub(super) use channel::{within, within_call};
pub use line::{Line, Place, report_in_line};
pub use progress::Progress;
pub use rule::{AttemptTime, Cut, is_evidence};
