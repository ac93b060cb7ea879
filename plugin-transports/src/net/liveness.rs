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

use super::yielding::ReadWatch;
use crate::dial::Dialer;

/// As long as an address has before the next one is tried: one that was left alone for less has told nothing.
const START: Duration = Duration::from_millis(250);

/// Counts how often something was read from a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<AtomicU64>);

impl Heard {
    pub(crate) fn count(&self) -> u64 {
        // Relaxed: who reads it compares it with what it was.
        self.0.load(Ordering::Relaxed)
    }
}

/// Listens to a connection for as long as it is there. An address that takes connections and says nothing on them, as that of a
/// proxy does whose backend is gone, is as dead as one that takes none: the next connection begins with another.
pub(crate) struct Ear {
    heard: Heard,
    /// The address, and who remembers it; none of a Unix socket.
    place: Option<(Arc<Dialer>, SocketAddr)>,
    since: Instant,
    has_ended: bool,
}

impl Ear {
    pub(crate) fn new(dialer: &Arc<Dialer>, address: SocketAddr) -> Self {
        let mut ear = Self::of_socket();
        ear.place = Some((Arc::clone(dialer), address));
        ear
    }

    /// Of a connection to a Unix socket, which has one address.
    pub(crate) fn of_socket() -> Self {
        Self { heard: Heard::default(), place: None, since: clock::now(), has_ended: false }
    }

    pub(crate) fn heard(&self) -> Heard {
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
        let is_first = self.heard.0.fetch_add(1, Ordering::Relaxed) == 0;
        if let Some((dialer, address)) = self.place.as_ref().filter(|_| is_first) {
            dialer.heard_from(*address);
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        if let Some((dialer, address)) = &self.place
            && self.heard.count() == 0
            && (self.has_ended || self.since.elapsed() >= START)
        {
            dialer.heard_nothing_from(*address);
        }
    }
}
