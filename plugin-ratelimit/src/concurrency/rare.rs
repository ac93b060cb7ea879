//! What a limit has under its lock.

use std::time::Duration;

use plugin_core::{Code, clock::Instant};

use super::{
    AdaptiveLimit, ConcurrencyLimitConfig,
    line::{End, Line},
};

/// What is touched when somebody waits or settings change, never by a call that finds a place.
pub(super) struct Rare {
    pub(super) line: Line,
    pub(super) config: ConcurrencyLimitConfig,
    pub(super) adaptive: Option<AdaptiveLimit>,
    /// Calls that ended while somebody waited.
    pub(super) ended: u64,
    /// What the prioritizer was told last: how many wait, and how many may.
    pub(super) published: [u64; 2],
}

impl Rare {
    pub(super) fn new(config: ConcurrencyLimitConfig) -> Self {
        Self { line: Line::default(), config, adaptive: config.adaptive_limit(), ended: 0, published: [0; 2] }
    }

    /// Takes new settings. What an adaptive limit has learned stays, unless they say otherwise of it.
    pub(super) fn reconfigure(&mut self, config: ConcurrencyLimitConfig) {
        let old = std::mem::replace(&mut self.config, config);
        if old.adaptive() != config.adaptive() || old.max() != config.max() {
            self.adaptive = config.adaptive_limit();
        }
    }

    /// Calls that may be in flight at once.
    pub(super) fn limit(&self) -> u32 {
        self.adaptive.as_ref().map_or(self.config.max(), AdaptiveLimit::get)
    }

    /// From which end the line is served now.
    pub(super) fn end(&self, now: Instant) -> End {
        self.config.order().end(self.config.codel(), self.line.busy_since(), now)
    }

    /// How long somebody may wait who comes now, and what it is told when that time is up.
    pub(super) fn longest(&self, now: Instant) -> (Duration, Code) {
        let allowed = self.config.order().longest(self.config.codel(), self.line.busy_since(), now);
        match self.config.max_wait() {
            longest if longest <= allowed => (longest, Code::QueueFull),
            _ => (allowed, Code::Shed),
        }
    }
}
