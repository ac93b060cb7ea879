//! What a breaker has seen: how it is counted, and the statistics out of it.

use plugin_core::clock::Instant;

use super::{Evidence, Machine};
use crate::{
    CircuitState,
    stats::{CircuitBreakerStats, WindowStats},
    success_counters::{SuccessCounters, Tally},
    window::Sums,
};

impl Machine {
    pub(super) fn count(&mut self, evidence: Evidence, now: Instant) {
        if evidence.failed {
            self.totals.failures += 1;
            self.totals.last_failure = Some(now);
        }
        if evidence.slow {
            self.totals.slow += 1;
            self.totals.slow_successes += u64::from(!evidence.failed);
        }
    }

    pub(crate) fn stats(&mut self, now: Instant, successes: &SuccessCounters) -> CircuitBreakerStats {
        let fast = successes.ever();
        let sums = self.window.sums(now, self.generation, successes);
        let open = self.state == CircuitState::Open;
        CircuitBreakerStats {
            state: self.state,
            since: self.since,
            successes: fast + self.totals.slow_successes + self.totals.probe_successes,
            failures: self.totals.failures,
            ignored: successes.tallied(Tally::Ignored),
            cancelled: successes.tallied(Tally::Cancelled),
            slow: self.totals.slow,
            stale: successes.tallied(Tally::Stale),
            rejected: successes.tallied(Tally::Rejected),
            failures_in_a_row: self.streak,
            window: sums.map(|Sums { calls, failures, slow }| WindowStats { calls, failures, slow }),
            probes: self.probes.young(now, self.config.half_open_timeout()),
            opened: self.totals.opened,
            would_have_opened: self.totals.would_have_opened,
            last_failure: self.totals.last_failure,
            next_attempt: open.then_some(self.open_until),
            last_open_time: Some(self.last_open_time).filter(|time| !time.is_zero()),
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        self.window.heap() + self.probes.heap()
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("state", &self.state)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
