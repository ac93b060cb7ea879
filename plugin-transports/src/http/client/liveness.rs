//! When a connection last delivered bytes, and whether its address works.

use std::{
    net::SocketAddr,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use plugin_core::clock::{self, Instant};

use crate::{dial::Dialer, http::yielding::ReadWatch};

/// As long as an address has before the next one is tried: one that was left alone for less has told nothing.
const START: Duration = Duration::from_millis(250);

/// Counts how often something was read from a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<AtomicU64>);

impl Heard {
    pub(super) fn count(&self) -> u64 {
        // Relaxed: who reads it compares it with what it was.
        self.0.load(Ordering::Relaxed)
    }
}

/// Listens to a connection for as long as it is there. An address that takes connections and says nothing on them, as that of a
/// proxy does whose backend is gone, is as dead as one that takes none: the next connection begins with another.
pub(super) struct Ear {
    heard: Heard,
    dialer: Arc<Dialer>,
    address: SocketAddr,
    since: Instant,
    has_ended: bool,
}

impl Ear {
    pub(super) fn new(dialer: &Arc<Dialer>, address: SocketAddr) -> Self {
        let dialer = Arc::clone(dialer);
        Self { heard: Heard::default(), dialer, address, since: clock::now(), has_ended: false }
    }

    pub(super) fn heard(&self) -> Heard {
        self.heard.clone()
    }
}

impl ReadWatch for Ear {
    fn read(&mut self, bytes: Option<NonZero<usize>>) {
        if bytes.is_none() {
            self.has_ended = true;
            return;
        }
        // Relaxed: see `count`.
        if self.heard.0.fetch_add(1, Ordering::Relaxed) == 0 {
            self.dialer.heard_from(self.address);
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        if self.heard.count() == 0 && (self.has_ended || self.since.elapsed() >= START) {
            self.dialer.heard_nothing_from(self.address);
        }
    }
}
