//! A refusal, before it is an answer.

use std::time::Duration;

use plugin_core::{Code, Rejected};

/// Why a call is refused, in two words: futures carry it, and the answer is made from it when they are polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The circuit is open for so many more nanoseconds.
    Open(u64),
    /// The circuit is isolated, or all probes are running: nobody knows for how long.
    Full,
    /// All probes are running, and others have outlived the half-open time before them. The next place is given up in so
    /// many nanoseconds.
    ProbeTimeout(u64),
}

impl From<Refusal> for Rejected {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Open(nanos) => Self::circuit_open(Some(Duration::from_nanos(nanos))),
            Refusal::Full => Self::circuit_open(None),
            Refusal::ProbeTimeout(nanos) => {
                Self::new(Code::CircuitProbeTimeout).with_retry_after(Duration::from_nanos(nanos))
            }
        }
    }
}
