//! How far a call has come: what a late one was doing, and whether the plugin can have seen it.

use std::sync::atomic::{AtomicU8, Ordering};

use plugin_core::{Sent, deadline::cut};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[repr(u8)]
pub(super) enum Stage {
    Waiting,
    Connecting,
    Sent,
    Reading,
}

impl Stage {
    /// Reads on from "spent ...".
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting for a free connection",
            Self::Connecting => "connecting to the plugin",
            Self::Sent => "waiting for the plugin's answer",
            Self::Reading => "reading the plugin's answer",
        }
    }

    pub(super) const fn sent(self) -> Sent {
        match self {
            Self::Waiting | Self::Connecting => Sent::Nothing,
            Self::Sent | Self::Reading => Sent::Maybe,
        }
    }
}

/// Written by the exchange, on the task of the call.
///
/// When it goes because the call is cut at its limit, it tells the layer that owns the limit how far the call had come. So
/// it must outlive the exchange: only what is withdrawn for good can be called unsent.
#[derive(Debug)]
pub(super) struct Progress(AtomicU8);

impl Progress {
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(Stage::Waiting as u8))
    }

    pub(super) fn set(&self, stage: Stage) {
        // Relaxed: one task writes and reads; the atomic is there only because a future has to be Sync to be Send.
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    pub(super) fn stage(&self) -> Stage {
        // Relaxed: as above.
        match self.0.load(Ordering::Relaxed) {
            0 => Stage::Waiting,
            1 => Stage::Connecting,
            2 => Stage::Sent,
            _ => Stage::Reading,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let stage = self.stage();
        cut::report(stage.as_str(), stage.sent());
    }
}
