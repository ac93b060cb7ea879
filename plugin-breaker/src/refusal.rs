//! Why a breaker refuses a call, before that becomes an answer.

use std::time::Duration;

use plugin_core::{
    Code, Rejected,
    clock::{Instant, nanos},
};

/// Why a call is refused, in two words: futures carry it, and the answer is made from it when they are polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The circuit is open for so many more nanoseconds.
    Open(u64),
    /// The circuit is isolated: nobody knows for how long.
    Isolated,
    /// All probes are running. One of them may have ended in so many nanoseconds: see [`Refusal::full`].
    Full(u64),
    /// All probes are running, and others have outlived the half-open time before them. The next place is given up in so
    /// many nanoseconds.
    ProbeTimeout(u64),
    /// The call has no more time than a probe had that was given up. That is forgotten in so many nanoseconds.
    Hurried(u64),
}

/// Nobody comes back sooner than this for a place that is taken.
const SOON: u64 = 100_000_000;

impl Refusal {
    /// All probes are running, the oldest since then; at the latest in `left` nanoseconds it gives its place up. When it
    /// ends before is not known; by all that is, it may take as long again as it has taken, so this is when to come back.
    pub(crate) fn full(oldest: Instant, now: Instant, left: u64) -> Self {
        Self::Full(nanos(now.saturating_since(oldest)).max(SOON).min(left))
    }
}

impl From<Refusal> for Rejected {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Open(left) => Self::circuit_open(Some(Duration::from_nanos(left))),
            Refusal::Isolated => Self::circuit_open(None),
            Refusal::Full(after) => Self::probes_running(Duration::from_nanos(after)),
            Refusal::ProbeTimeout(left) => {
                Self::new(Code::CircuitProbeTimeout).with_retry_after(Duration::from_nanos(left))
            }
            Refusal::Hurried(left) => Self::too_short_for_a_probe(Duration::from_nanos(left)),
        }
    }
}
