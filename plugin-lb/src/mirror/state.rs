//! What all services of a mirror layer share.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use plugin_core::sync::{Pad, StripedCounter};
use tokio::sync::Notify;

use super::{MirrorConfig, MirrorStats};
use crate::split::ExactTurns;

pub(super) struct MirrorState {
    live: ArcSwap<Live>,
    is_enabled: AtomicBool,
    in_flight: Pad<AtomicUsize>,
    is_idle: Notify,
    mirrored: StripedCounter,
    dropped: StripedCounter,
    succeeded: StripedCounter,
    failed: StripedCounter,
}

/// The settings, with the turns that they make.
struct Live {
    config: MirrorConfig,
    /// `None`: no call is copied. The turns of the first weight are those of copies.
    turns: Option<ExactTurns>,
}

impl Live {
    fn new(config: MirrorConfig) -> Self {
        let turns = match (config.hundredths(), 10_000 - config.hundredths()) {
            (0, _) => None,
            (copied, 0) => Some(ExactTurns::new(&[copied])),
            (copied, others) => Some(ExactTurns::new(&[copied, others])),
        };
        Self { config, turns }
    }
}

impl MirrorState {
    pub(super) fn new(config: MirrorConfig) -> Self {
        Self {
            live: ArcSwap::from_pointee(Live::new(config)),
            is_enabled: AtomicBool::new(true),
            in_flight: Pad::default(),
            is_idle: Notify::new(),
            mirrored: StripedCounter::new(),
            dropped: StripedCounter::new(),
            succeeded: StripedCounter::new(),
            failed: StripedCounter::new(),
        }
    }

    /// Whether it is the turn of this call to be copied, and there is room for the copy: its place, and its timeout.
    #[inline]
    pub(super) fn admit(self: &Arc<Self>) -> Option<(Place, Duration)> {
        // Relaxed, here and in `switch`: a call that is late to hear of it behaves as if it had come earlier.
        if !self.is_enabled.load(Ordering::Relaxed) {
            return None;
        }
        let live = self.live.load();
        if live.turns.as_ref()?.next() != 0 {
            return None;
        }
        let max = live.config.max_in_flight();
        // Acquire, with the release in the drop of a place: who takes a place comes after the copy that gave it back.
        let taken =
            self.in_flight.fetch_update(Ordering::Acquire, Ordering::Relaxed, |now| (now < max).then_some(now + 1));
        match taken {
            Ok(_) => Some((Place(Arc::clone(self)), live.config.timeout())),
            Err(_) => {
                self.dropped.add(1);
                None
            }
        }
    }

    pub(super) fn config(&self) -> MirrorConfig {
        self.live.load().config
    }

    pub(super) fn reconfigure(&self, config: MirrorConfig) {
        self.live.store(Arc::new(Live::new(config)));
    }

    pub(super) fn switch(&self, is_enabled: bool) {
        self.is_enabled.store(is_enabled, Ordering::Relaxed);
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.is_enabled.load(Ordering::Relaxed)
    }

    pub(super) fn stats(&self) -> MirrorStats {
        MirrorStats {
            mirrored: self.mirrored.sum(),
            dropped: self.dropped.sum(),
            succeeded: self.succeeded.sum(),
            failed: self.failed.sum(),
            in_flight: self.in_flight.load(Ordering::Acquire),
        }
    }

    pub(super) async fn idle(&self) {
        loop {
            let mut told = pin!(self.is_idle.notified());
            // Before the look: an end between the look and the wait is then heard.
            told.as_mut().enable();
            if self.in_flight.load(Ordering::Acquire) == 0 {
                return;
            }
            told.await;
        }
    }
}

/// The place of a copy among those in flight. It stands behind the copy, and is free when that is gone.
pub(super) struct Place(Arc<MirrorState>);

impl Place {
    /// The copy is under way.
    pub(super) fn begins(&self) {
        self.0.mirrored.add(1);
    }

    /// There is no copy, for another reason than that there is no room.
    pub(super) fn is_not_used(&self) {
        self.0.dropped.add(1);
    }

    pub(super) fn succeeded(&self) {
        self.0.succeeded.add(1);
    }

    pub(super) fn failed(&self) {
        self.0.failed.add(1);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::Release) == 1 {
            self.0.is_idle.notify_waiters();
        }
    }
}
