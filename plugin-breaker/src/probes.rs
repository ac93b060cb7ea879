//! The probes of a half-open circuit.

use std::{collections::VecDeque, time::Duration};

use plugin_core::clock::Instant;

/// Probes that are running, oldest first, and how many have succeeded.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    running: VecDeque<(u64, Instant)>,
    last_id: u64,
    succeeded: u32,
}

impl Probes {
    /// Starts a probe, and gives its number, which is never 0.
    pub(crate) fn start(&mut self, now: Instant) -> u64 {
        self.last_id += 1;
        self.running.push_back((self.last_id, now));
        self.last_id
    }

    /// A probe has ended. `false` when it is not running, which a probe of an earlier stay is not.
    pub(crate) fn end(&mut self, id: u64) -> bool {
        let found = self.running.iter().position(|(running, _)| *running == id);
        found.is_some_and(|at| self.running.remove(at).is_some())
    }

    /// Counts a success, and gives how many there are.
    pub(crate) fn succeed(&mut self) -> u32 {
        self.succeeded += 1;
        self.succeeded
    }

    pub(crate) fn running(&self) -> u32 {
        u32::try_from(self.running.len()).unwrap_or(u32::MAX)
    }

    /// When the oldest probe reaches this age.
    pub(crate) fn first_expiry(&self, age: Duration) -> Option<Instant> {
        self.running.front().map(|(_, started)| started.saturating_add(age))
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        self.running.capacity() * size_of::<(u64, Instant)>()
    }

    /// Forgets all, when a stay begins or ends. Numbers go on, so a probe of an earlier stay is never taken for a new one.
    pub(crate) fn clear(&mut self) {
        self.running.clear();
        self.succeeded = 0;
    }
}
