//! The events of a balancer: who is ejected, and who is back.

use std::{fmt, sync::Arc, time::Duration};

use plugin_core::{InstanceId, clock::Instant};

/// An instance is ejected, or is back.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BalanceEvent {
    /// Counts up by one per event of this balancer, from 1. A gap says that a slow listener missed some.
    pub sequence: u64,
    /// When.
    pub at: Instant,
    /// The instance.
    pub instance: InstanceId,
    /// Its name.
    pub name: Arc<str>,
    /// What happened to it.
    pub change: EjectionChange,
}

/// What happened to an instance.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum EjectionChange {
    /// It gets no calls for a time.
    Ejected {
        /// Why.
        cause: EjectionCause,
        /// For how long.
        time: Duration,
    },
    /// It is an outlier as well, and goes on taking calls: as many are ejected as may be
    /// ([`max_ejected_percent`](crate::OutlierConfig::max_ejected_percent)). Told at most once until the first of these is back.
    Spared {
        /// Why it is one.
        cause: EjectionCause,
    },
    /// Its time is over, and a call on it went well. One that gets no calls does not come back, whether it could or not.
    Returned,
}

/// Why an instance was ejected.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum EjectionCause {
    /// So many failures one after the other.
    Failures(u32),
    /// So many calls one after the other of which nothing could be sent.
    Unreached(u32),
    /// Far fewer of its calls succeeded than of others'.
    SuccessRate,
    /// Too large a share of its calls failed.
    FailureRate,
    /// It was back from an ejection, and its first call failed.
    Probation,
}

impl fmt::Display for EjectionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures(count) => write!(f, "{count} failures in a row"),
            Self::Unreached(count) => write!(f, "{count} calls in a row could not be sent"),
            Self::SuccessRate => f.write_str("far fewer of its calls succeeded than of the others'"),
            Self::FailureRate => f.write_str("too large a share of its calls failed"),
            Self::Probation => f.write_str("the first call after its last ejection failed"),
        }
    }
}

/// The events of a balancer, from the moment of [`BalanceHandle::events`](crate::BalanceHandle::events).
pub type BalanceEvents = plugin_core::events::Events<BalanceEvent>;
