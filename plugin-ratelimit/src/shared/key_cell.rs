//! What an instance remembers of one key, and who waits for it.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Mutex as Gate;

use super::key_state::KeyState;
use crate::sync::{Mutex, MutexGuard, lock};

/// What is remembered of one key.
#[derive(Debug, Default)]
pub(super) struct KeyCell {
    state: Mutex<KeyState>,
    /// Held by the one who fetches the next batch, so that all others use what it brings. Fair: in the order of coming.
    pub(super) gate: Gate<()>,
    /// Tokens that are waited for.
    waiting: AtomicU32,
}

impl KeyCell {
    pub(super) fn state(&self) -> MutexGuard<'_, KeyState> {
        lock(&self.state)
    }

    /// Whether nothing is lost when it is forgotten.
    pub(super) fn is_idle(&self, now: u64) -> bool {
        self.state().is_idle(now)
    }

    /// Counts tokens as waited for, until the result is dropped.
    pub(super) fn wait(&self, tokens: u32) -> Waiting<'_> {
        // Relaxed: a number by itself. It wraps and comes back.
        self.waiting.fetch_add(tokens, Ordering::Relaxed);
        Waiting { cell: self, tokens }
    }

    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A request that waits.
pub(super) struct Waiting<'a> {
    cell: &'a KeyCell,
    tokens: u32,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.cell.waiting.fetch_sub(self.tokens, Ordering::Relaxed);
    }
}
