//! Copying a request, so that it can be sent again.

#[cfg(feature = "http")]
mod bodies;
#[cfg(feature = "http")]
mod body;
mod call;
mod closure;
#[cfg(feature = "http")]
mod layer;
#[cfg(feature = "http")]
mod request;

#[cfg(feature = "http")]
pub use bodies::RepeatBody;
#[cfg(feature = "http")]
pub use body::{Recording, ReplayBody, ReplayError};
pub use closure::{KeptClone, ReplayFn};
#[cfg(feature = "http")]
pub use layer::{ReplayBodyLayer, Replaying};
use plugin_core::{InstanceId, clock::Instant};
#[cfg(feature = "http")]
pub use request::KeptRequest;

use crate::GaveUp;

/// Keeps of a request what another attempt needs.
///
/// [`ByRequest`], the default, knows [`plugin_core::Call`] and, with the feature `http`, `http::Request`. For a request
/// type of your own implement it (`impl Replay<MyRequest> for ByRequest`), or give the layer a closure that copies:
/// `.replay_with(|request: &MyRequest| Some(request.clone()))`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot repeat a request of the type `{Req}`",
    note = "`plugin_core::Call<T>` is repeated when `T: Clone`, an `http::Request<B>` (feature `http`) when `B: RepeatBody`: put a `ReplayBodyLayer` outside, or enable `axum` or `tonic`",
    note = "any other request is repeated by a closure: `.replay_with(|request: &{Req}| Some(request.clone()))`"
)]
pub trait Replay<Req> {
    /// What is kept.
    type Kept: Kept<Req>;

    /// The moment that the request's own limits count from.
    fn started(&self, request: &Req) -> Instant;

    /// Keeps what is needed, and may put something in its place that does: the request is sent afterwards as it is then.
    ///
    /// # Errors
    ///
    /// When it is not made again, whatever becomes of it, and why: that is what [`RetryStats`](crate::RetryStats) counts if it
    /// fails.
    fn keep(&self, request: &mut Req, limits: Limits) -> Result<Self::Kept, GaveUp>;
}

/// What a layer's settings say of keeping a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The settings say that requests which do not say otherwise may be repeated.
    pub idempotent: bool,
    /// Which requests to keep too that may only be repeated when nothing was sent, though keeping costs something.
    pub unsent: Unsent,
    /// The most bytes of a body to keep.
    pub max_body: usize,
}

/// Which requests are kept that may only be repeated when nothing of them was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsent {
    /// None: an attempt beside another is no use to them.
    None,
    /// gRPC calls, of which none says that it may be repeated; every client of gRPC makes one again that never left it.
    Grpc,
    /// All.
    All,
}

/// What was kept of a request.
pub trait Kept<Req> {
    /// Whether the request says that it may be repeated without a second effect.
    fn idempotent(&self) -> Option<bool>;

    /// The most retries that the request allows.
    fn max_retries(&self) -> Option<u16>;

    /// The moment after which nobody waits for the answer. Relative limits count from `started`.
    fn deadline(&self, started: Instant) -> Option<Instant>;

    /// Notes which instance failed, for the balancer inside.
    fn note_failure(&mut self, instance: InstanceId);

    /// The request once more. `None`: it turned out that it cannot be made again.
    fn again(&mut self, attempt: Attempt) -> Option<Req>;
}

/// An attempt that is about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Its number: 1 is the first repetition.
    pub number: u16,
    /// When it begins.
    pub at: Instant,
    /// The deadline over all attempts.
    pub deadline: Option<Instant>,
    /// An earlier attempt still runs beside it.
    pub beside: bool,
}

/// Repeats what the request's own type says. The default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByRequest;
