//! What all clones of a limit share.

use std::{task::Waker, time::Duration};

use plugin_core::{
    clock::{self, Instant},
    sync::StripedCounter,
};

use super::{
    ConcurrencyLimitConfig, PermitOutcome, Prioritizer,
    adaptive::Window,
    gate::{Entry, Gate, Who},
    line::Settled,
    rare::Rare,
};
use crate::{
    sync::{Mutex, MutexGuard, lock},
    wake::wake_all,
};

/// The word that decides, and what is beside it.
pub(super) struct LimitState {
    // Beside the reference count, so that who takes a permit writes to one line of the cache.
    pub(super) gate: Gate,
    pub(super) rare: Mutex<Rare>,
    pub(super) admitted: StripedCounter,
    pub(super) refused: StripedCounter,
    /// What the calls show that are measured.
    pub(super) window: Window,
    pub(super) prioritizer: Option<Prioritizer>,
}

impl LimitState {
    pub(super) fn new(config: ConcurrencyLimitConfig, enabled: bool, prioritizer: Option<Prioritizer>) -> Self {
        let rare = Rare::new(config);
        let gate = Gate::new(rare.limit(), enabled);
        gate.set_measured(rare.adaptive.is_some());
        gate.set_line(config.queue() > 0);
        let state = Self {
            gate,
            rare: Mutex::new(rare),
            admitted: StripedCounter::new(),
            refused: StripedCounter::new(),
            window: Window::new(clock::now()),
            prioritizer,
        };
        state.publish(&mut state.rare());
        state
    }

    pub(super) fn rare(&self) -> MutexGuard<'_, Rare> {
        lock(&self.rare)
    }

    /// Changes something that may make room, and serves those who wait.
    pub(super) fn change(&self, change: impl FnOnce(&Self, &mut Rare)) {
        let mut rare = self.rare();
        change(self, &mut rare);
        let woken = self.serve(&mut rare);
        self.publish(&mut rare);
        drop(rare);
        wake_all(woken);
    }

    /// Tells the prioritizer how long the line is, and may be.
    pub(super) fn publish(&self, rare: &mut Rare) {
        if let Some(prioritizer) = &self.prioritizer {
            let now = [rare.line.len() as u64, rare.config.queue().into()];
            let before = std::mem::replace(&mut rare.published, now);
            prioritizer.publish(now[0].wrapping_sub(before[0]), now[1].wrapping_sub(before[1]));
        }
    }

    /// A call is over.
    #[inline]
    pub(super) fn leave(&self) {
        if self.gate.leave() {
            self.hand_over();
        }
    }

    /// A place is free, and somebody waits.
    #[cold]
    fn hand_over(&self) {
        self.change(|_, rare| rare.ended += 1);
    }

    /// A call that was measured has ended so.
    pub(super) fn record(&self, outcome: PermitOutcome, took: Duration, in_flight: u32, now: Instant) {
        if self.window.record(outcome, took, in_flight, now) {
            self.change(|state, rare| {
                // Another thread may have closed it meanwhile.
                if let Some(adaptive) = &mut rare.adaptive
                    && let Some(sample) = state.window.close(now)
                {
                    state.gate.set_limit(adaptive.update(&sample));
                }
            });
        }
    }

    /// Gives the places that are free to those who wait. Who is to be woken is woken when the lock is not held.
    pub(super) fn serve(&self, rare: &mut Rare) -> Vec<Waker> {
        let mut woken = Vec::new();
        if rare.line.is_empty() {
            // Whoever was the last may have gone away.
            self.note_empty();
            return woken;
        }
        let now = clock::now();
        let from = rare.end(now);
        while let Some(place) = rare.line.next(from) {
            let settled = match self.gate.enter(Who::Next) {
                Entry::Counted(with) => Settled::Served(with),
                Entry::Uncounted => Settled::Passed,
                Entry::Full => return woken,
            };
            rare.line.pace.served(now);
            woken.extend(rare.line.settle(place, settled));
        }
        self.note_empty();
        woken
    }

    fn note_empty(&self) {
        if self.gate.read().is_waiting() {
            self.gate.set_waiting(false);
        }
    }
}

impl Drop for LimitState {
    fn drop(&mut self) {
        if let Some(prioritizer) = &self.prioritizer {
            let [waiting, room] = lock(&self.rare).published;
            prioritizer.publish(0_u64.wrapping_sub(waiting), 0_u64.wrapping_sub(room));
        }
    }
}
