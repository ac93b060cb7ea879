//! A breaker without tower.

use std::{fmt, sync::Arc, time::Duration};

use plugin_core::{Rejected, sync::Striped};

use crate::{
    CircuitBreakerConfig, CircuitBreakerHandle, CircuitBreakerStats, CircuitState,
    circuit::Circuit,
    guard::{Admission, Guard, Hold},
};

/// A circuit breaker without tower: ask for a permit before a call, and report the outcome on it. For code that is no
/// tower service.
///
/// A clone is the same breaker.
///
/// ```
/// use plugin_breaker::{Breaker, CircuitBreakerConfig, CircuitState};
///
/// # fn query() -> Result<u32, std::io::Error> { Err(std::io::ErrorKind::ConnectionRefused.into()) }
/// let breaker = Breaker::new(CircuitBreakerConfig::default());
/// for _ in 0..5 {
///     let permit = breaker.try_acquire().expect("closed");
///     match query() {
///         Ok(_) => permit.success(),
///         Err(_) => permit.failure(),
///     }
/// }
/// assert_eq!(breaker.state(), CircuitState::Open);
/// let refused = breaker.try_acquire().expect_err("open");
/// assert!(refused.retry_after().is_some());
/// ```
#[derive(Clone)]
pub struct Breaker {
    shared: Striped<Circuit>,
}

impl Breaker {
    /// A closed breaker, or one in [`CircuitState::Disabled`] when the settings say so.
    #[must_use]
    pub fn new(config: CircuitBreakerConfig) -> Self {
        Self { shared: Striped::new(Circuit::new(Arc::new(config))) }
    }

    /// Asks to make a call. Takes neither a lock nor a share of the breaker while the circuit is closed.
    ///
    /// # Errors
    ///
    /// The refusal, while the circuit is open (`CIRCUIT_1401`, with the time that is left), or half-open with all probes
    /// running: `CIRCUIT_1401`, which says to come back after as long as the oldest of them has run, at least 100 ms; or,
    /// when others have outlived the half-open time before them and have no outcome yet, `CIRCUIT_1402` with the time after
    /// which the next place is given up. Also half-open, `CIRCUIT_1401` for a call whose deadline
    /// ([`enforced`](plugin_core::deadline::enforced)) leaves it no more time than a probe had that was given up.
    // Always: returned through memory, the permit would cost as much again as the whole check.
    #[inline(always)]
    pub fn try_acquire(&self) -> Result<Permit<'_>, Rejected> {
        let shared: &Circuit = &self.shared;
        match shared.admit(|| shared) {
            Admission::Judged(guard) => Ok(Permit(Some(guard))),
            Admission::Free => Ok(Permit(None)),
            Admission::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// Like [`try_acquire`](Self::try_acquire), with a permit that owns its share of the breaker, to be moved to
    /// another task.
    ///
    /// # Errors
    ///
    /// As [`Breaker::try_acquire`].
    pub fn try_acquire_owned(&self) -> Result<OwnedPermit, Rejected> {
        match self.admit() {
            Admission::Judged(guard) => Ok(OwnedPermit(Some(guard))),
            Admission::Free => Ok(OwnedPermit(None)),
            Admission::Refused(refusal) => Err(refusal.into()),
        }
    }

    #[inline(always)]
    pub(crate) fn admit(&self) -> Admission<Hold> {
        self.shared.admit(|| Hold::Lease(self.shared.lease()))
    }

    /// The handle: reads the state and the statistics, and changes the settings while calls go on.
    #[must_use]
    pub fn handle(&self) -> CircuitBreakerHandle {
        CircuitBreakerHandle::new(self.shared.to_arc())
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.shared.state()
    }

    /// The statistics.
    #[must_use]
    pub fn stats(&self) -> CircuitBreakerStats {
        self.shared.stats()
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new(CircuitBreakerConfig::default())
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.shared, f)
    }
}

macro_rules! permit {
    ($(#[doc = $doc:expr])+ $name:ident $(<$life:lifetime>)?, $shared:ty) => {
        $(#[doc = $doc])+
        ///
        /// Say how the call ended. A permit that is dropped instead was cancelled, which counts as
        /// [`Cancelled`](crate::Cancelled) says; the place of a probe is free again in any case.
        #[derive(Debug)]
        #[must_use = "a permit that is dropped says that the call was cancelled"]
        pub struct $name $(<$life>)? (Option<Guard<$shared>>);

        impl $(<$life>)? $name $(<$life>)? {
            /// The call succeeded.
            #[inline]
            pub fn success(self) {
                if let Some(mut guard) = self.0 {
                    guard.success();
                }
            }

            /// The call failed.
            pub fn failure(self) {
                if let Some(mut guard) = self.0 {
                    guard.failure(None);
                }
            }

            /// The call failed, and the service said when to come back. If this failure opens the circuit, it stays open
            /// for that long, capped at [`CircuitBreakerConfig::max_push_back`].
            pub fn failure_with_push_back(self, after: Duration) {
                if let Some(mut guard) = self.0 {
                    guard.failure(Some(after));
                }
            }

            /// The call ended in a way that says nothing of the service.
            pub fn ignore(self) {
                if let Some(mut guard) = self.0 {
                    guard.ignore(false);
                }
            }

            /// Whether this call is a probe of a half-open circuit.
            #[must_use]
            pub fn is_probe(&self) -> bool {
                self.0.as_ref().is_some_and(Guard::is_probe)
            }
        }
    };
}

permit! {
    /// A call that may be made.
    Permit<'a>, &'a Circuit
}

permit! {
    /// A call that may be made; borrows nothing, and keeps the breaker alive.
    OwnedPermit, Hold
}
