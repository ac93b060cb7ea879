//! How long to wait between attempts.

use std::{fmt, sync::Arc, time::Duration};

use plugin_core::{Backoff, Jitter};

/// The waits between attempts.
#[derive(Clone)]
pub(crate) enum WaitPolicy {
    Backoff(Backoff),
    Custom(Arc<dyn Fn(u32) -> Duration + Send + Sync>),
}

impl WaitPolicy {
    /// The wait before repetition number `retry`, from 0. `random` is drawn for each call anew.
    pub(crate) fn wait(&self, retry: u16, last: Duration, random: f64) -> Duration {
        match self {
            Self::Backoff(backoff) => backoff.wait(retry.into(), last, random),
            Self::Custom(wait) => wait(retry.into()),
        }
    }

    /// What is added to a wait that the service asked for, so that those who were told the same do not come back together: up
    /// to a tenth of it and at least up to the first wait; nothing where the waits have no jitter.
    pub(crate) fn spread(&self, asked: Duration, random: f64) -> Duration {
        match self {
            Self::Backoff(backoff) if backoff.jitter() != Jitter::None => {
                (asked / 10).max(backoff.initial()).mul_f64(random.clamp(0.0, 1.0))
            }
            _ => Duration::ZERO,
        }
    }
}

impl PartialEq for WaitPolicy {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Backoff(own), Self::Backoff(other)) => own == other,
            (Self::Custom(own), Self::Custom(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }
}

impl fmt::Debug for WaitPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backoff(backoff) => backoff.fmt(f),
            Self::Custom(_) => f.write_str("Custom"),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_added_is_up_to_a_tenth_and_at_least_up_to_the_first_wait() {
        let waits = |jitter| WaitPolicy::Backoff(Backoff::new(SECOND, SECOND, 1.0, jitter).expect("in bounds"));
        let jittered = waits(Jitter::Full);
        for (asked, random, added) in
            [(40, 1.0, 4 * SECOND), (40, 0.25, SECOND), (5, 1.0, SECOND), (5, 0.0, Duration::ZERO), (5, 7.0, SECOND)]
        {
            assert_eq!(jittered.spread(asked * SECOND, random), added, "{asked} s, {random}");
        }
        assert_eq!(waits(Jitter::None).spread(40 * SECOND, 1.0), Duration::ZERO);
    }

    #[test]
    fn waits_of_a_closure_are_equal_to_those_of_the_same_closure_alone() {
        let custom = |wait: Duration| WaitPolicy::Custom(Arc::new(move |_| wait));
        let own = custom(SECOND);
        assert!(own == own.clone() && own != custom(SECOND));
    }
}
