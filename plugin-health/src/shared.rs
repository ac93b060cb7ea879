//! What a check's task and its handles share: the verdict, and the cell that it is written to.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use plugin_core::{
    HealthCell, HealthState, HealthStatus,
    clock::{self, Instant},
};

use crate::{HealthConfig, verdict::Verdict};

pub(crate) struct Shared {
    /// Others read it, and write it too: who holds it knows better.
    pub(crate) cell: Arc<HealthCell>,
    failures: AtomicU32,
    /// Something was told that whoever holds the cell stands above. Written under the lock of the verdict.
    unsaid: AtomicBool,
    /// The cell is written under this lock, so that it never has the older of two.
    verdict: Mutex<Verdict>,
}

impl Shared {
    pub(crate) fn new(cell: Arc<HealthCell>, config: HealthConfig) -> Self {
        let verdict = Mutex::new(Verdict::new(config));
        Self { cell, failures: AtomicU32::new(0), unsaid: AtomicBool::new(false), verdict }
    }

    /// Begins with nothing found out and nothing told, and says so: with this message.
    pub(crate) fn begin_anew(&self, config: HealthConfig, message: &str) {
        let mut verdict = self.lock();
        *verdict = Verdict::new(config);
        // Relaxed: see `failures`, and `cell_changed`.
        self.failures.store(0, Ordering::Relaxed);
        self.unsaid.store(false, Ordering::Relaxed);
        self.say(Some(HealthStatus::new(HealthState::Unknown, message)));
    }

    /// Failed checks since the last good one.
    pub(crate) fn failures(&self) -> u32 {
        // Relaxed: a number for people to read; who needs it to match the status waits for the end of a check, a lock.
        self.failures.load(Ordering::Relaxed)
    }

    /// A check came to this.
    pub(crate) fn checked(&self, status: HealthStatus) {
        let mut verdict = self.lock();
        if self.cell.is_held() {
            // Who holds it knows better. What is checked after it begins with clean counts.
            verdict.forget();
            self.failures.store(0, Ordering::Relaxed);
            return;
        }
        let said = verdict.checked(status, clock::now());
        // Relaxed: see `failures`.
        self.failures.store(verdict.failures(), Ordering::Relaxed);
        self.say(said);
    }

    /// Somebody told this.
    pub(crate) fn told(&self, status: HealthStatus, holds: Option<Duration>) {
        let mut verdict = self.lock();
        let status = match status.last_check {
            None => status.with_last_check(clock::wall()),
            Some(_) => status,
        };
        let said = verdict.told(status, holds, clock::now());
        let was_held = self.cell.is_held();
        self.say(Some(said));
        // Relaxed: see `cell_changed`. Held before or after it: it may not have been heard.
        self.unsaid.store(was_held || self.cell.is_held(), Ordering::Relaxed);
    }

    /// Somebody wrote the cell. When its owner lets go, what was told and stands is said.
    pub(crate) fn cell_changed(&self) {
        let verdict = self.lock();
        let standing = verdict.standing();
        // Relaxed: written under the lock.
        if self.cell.is_held() {
            self.unsaid.store(standing.is_some(), Ordering::Relaxed);
        } else if self.unsaid.swap(false, Ordering::Relaxed) {
            self.say(standing);
        }
    }

    /// What was told counts no longer.
    pub(crate) fn withdrawn(&self) {
        let mut verdict = self.lock();
        let said = verdict.withdrawn();
        self.say(said);
    }

    /// Takes back what holds no longer, and gives back when that is so of what was told.
    pub(crate) fn expired(&self, now: Instant) -> Option<Instant> {
        let mut verdict = self.lock();
        let said = verdict.expired(now);
        self.say(said);
        verdict.until()
    }

    fn say(&self, said: Option<HealthStatus>) {
        if let Some(said) = said {
            self.cell.set(said);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Verdict> {
        // Nothing that runs under the lock leaves a half-made change behind.
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
