//! What a plugin writes to its stdout that is no reply to a call in flight, as lines of the log.

use std::sync::Arc;

use bytes::Bytes;
use plugin_core::clock;

use super::super::log::{Pace, harmless};

/// How much of a line is shown.
const SHOWN: usize = 200;

/// So many lines of the log in a second. A plugin that writes one beside each reply is told of all the same.
const PER_SECOND: u32 = 10;

#[derive(Debug)]
pub(super) struct Odd {
    plugin: Arc<str>,
    pace: Pace,
}

impl Odd {
    pub(super) fn new(plugin: Arc<str>) -> Self {
        Self { plugin, pace: Pace::new(PER_SECOND) }
    }

    /// A reply whose call has ended, which is how it is with a call that was given up.
    pub(super) fn late(&self, line: &Bytes) {
        tracing::debug!(plugin = &*self.plugin, bytes = line.len(), "a reply came after its call had ended");
    }

    /// Anything else, with what it is. What is more than a second may have is counted, and told with the next.
    pub(super) fn tell(&mut self, what: &str, line: &Bytes) {
        let Some(dropped) = self.pace.admit_at(clock::now()) else { return };
        let text = harmless(&String::from_utf8_lossy(&line[..line.len().min(SHOWN)]));
        let (plugin, line, bytes, dropped) = (&*self.plugin, &*text, line.len(), Some(dropped).filter(|all| *all > 0));
        tracing::warn!(plugin, line, bytes, dropped, "{what}");
    }
}
