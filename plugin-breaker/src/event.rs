//! The events of a breaker.

use std::{fmt, time::Duration};

use plugin_core::clock::Instant;

use crate::CircuitState;

/// A transition, or what a breaker in [`CircuitState::MetricsOnly`] would have done.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Counts up by one per event of this breaker, from 1. A gap says that a slow listener missed some.
    pub sequence: u64,
    /// When.
    pub at: Instant,
    /// The state before.
    pub from: CircuitState,
    /// The state after. The same as before when the breaker only reports.
    pub to: CircuitState,
    /// Why.
    pub reason: Reason,
    /// How long the circuit stays open, when it opened.
    pub open_for: Option<Duration>,
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// So many failures in a row.
    Failures(u32),
    /// The share of failures in the window.
    FailureRate(f64),
    /// The share of slow calls in the window.
    SlowRate(f64),
    /// The open time is over.
    OpenTimeOver,
    /// A probe failed.
    ProbeFailed,
    /// A probe took as long as a slow call.
    ProbeSlow,
    /// Enough probes succeeded.
    ProbesSucceeded,
    /// An operator said so.
    Operator,
    /// What was judged is gone: the service was started anew.
    Restarted,
    /// The service can be reached again.
    Reachable,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures(count) => write!(f, "{count} failures in a row"),
            Self::FailureRate(share) => write!(f, "{:.1} % of the calls failed", share * 100.0),
            Self::SlowRate(share) => write!(f, "{:.1} % of the calls were slow", share * 100.0),
            Self::OpenTimeOver => f.write_str("the open time is over"),
            Self::ProbeFailed => f.write_str("a probe failed"),
            Self::ProbeSlow => f.write_str("a probe was slow"),
            Self::ProbesSucceeded => f.write_str("enough probes succeeded"),
            Self::Operator => f.write_str("an operator said so"),
            Self::Restarted => f.write_str("the service was started anew"),
            Self::Reachable => f.write_str("the service can be reached again"),
        }
    }
}

/// The events of a breaker, from the moment of [`CircuitBreakerHandle::events`](crate::CircuitBreakerHandle::events).
pub type Events = plugin_core::events::Events<Event>;
