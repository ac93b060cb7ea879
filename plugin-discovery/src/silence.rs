//! Since when nothing good was said, of a whole set or of an instance, and until when that is borne.

use plugin_core::clock::Instant;

use crate::{DiscoveryConfig, FaultKind};

/// Empty: the last word was a good one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Silence {
    /// When it was first said that there is nothing, since the last good word.
    empty_since: Option<Instant>,
    /// When nothing of use was said first, since the last good word.
    unknown_since: Option<Instant>,
}

impl Silence {
    /// Another word that is none of use.
    pub(crate) fn note(&mut self, kind: FaultKind, now: Instant) {
        let first = if kind.says_there_are_none() { &mut self.empty_since } else { &mut self.unknown_since };
        first.get_or_insert(now);
    }

    /// Whether it was said, since the last good word, that there is nothing.
    pub(crate) fn has_said_none(&self) -> bool {
        self.empty_since.is_some()
    }

    /// When it has lasted for too long, if this is what is said now and goes on.
    pub(crate) fn due(&self, kind: FaultKind, config: &DiscoveryConfig) -> Option<Instant> {
        if kind.says_there_are_none() {
            return Some(self.empty_since?.saturating_add(config.keep_empty_for()));
        }
        Some(self.unknown_since?.saturating_add(config.keep_for()?))
    }
}
