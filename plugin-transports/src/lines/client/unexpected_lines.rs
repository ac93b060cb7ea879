//! What a plugin writes to its stdout that is no reply to a call in flight, as lines of the log.

use std::sync::Arc;

use bytes::Bytes;
use plugin_core::{clock, on_one_line};

use super::super::log::Pace;
use crate::wire::confidential::Confidential;

/// How much of a line is shown.
const SHOWN: usize = 200;

/// So much of it is looked at for what nobody is to hear.
const HIDDEN_IN: usize = 4 << 10;

/// So many lines of the log in a second. A plugin that writes one beside each reply is told of all the same.
const PER_SECOND: u32 = 10;

/// What there is of such a line.
#[derive(Debug)]
pub(super) enum Shown {
    Whole(Bytes),
    /// The beginning of one that is too long. How long it is is not known where it has not ended.
    Head(Bytes),
}

impl Shown {
    fn text(&self, confidential: &Confidential) -> String {
        let (Self::Whole(text) | Self::Head(text)) = self;
        // More of it than is shown, so that no half of what is hidden is.
        let text = String::from_utf8_lossy(&text[..text.len().min(HIDDEN_IN)]);
        let text = confidential.hide_in(text.into_owned());
        on_one_line(&text[..text.floor_char_boundary(SHOWN)]).into_owned()
    }

    /// The length of the line, where it is known.
    fn bytes(&self) -> Option<usize> {
        match self {
            Self::Whole(text) => Some(text.len()),
            Self::Head(_) => None,
        }
    }

    /// `Some(true)` for a part: a field that is absent is left out of the log.
    fn cut(&self) -> Option<bool> {
        matches!(self, Self::Head(_)).then_some(true)
    }
}

#[derive(Debug)]
pub(super) struct Odd {
    plugin: Arc<str>,
    pace: Pace,
    confidential: Confidential,
}

impl Odd {
    pub(super) fn new(plugin: Arc<str>) -> Self {
        Self { plugin, pace: Pace::new(PER_SECOND), confidential: Confidential::default() }
    }

    pub(super) fn hide(&mut self, confidential: Confidential) {
        self.confidential = confidential;
    }

    /// A reply whose call has ended, which is how it is with a call that was given up.
    pub(super) fn late(&self, line: &Shown) {
        let (plugin, bytes, cut) = (&*self.plugin, line.bytes(), line.cut());
        tracing::debug!(plugin, bytes, cut, "a reply came after its call had ended");
    }

    /// Anything else, with what it is. What is more than a second may have is counted, and told with the next.
    pub(super) fn tell(&mut self, what: &str, line: &Shown) {
        let Some(dropped) = self.pace.admit_at(clock::now()) else { return };
        let (text, bytes, cut) = (line.text(&self.confidential), line.bytes(), line.cut());
        let (plugin, line, dropped) = (&*self.plugin, &*text, Some(dropped).filter(|all| *all > 0));
        tracing::warn!(plugin, line, bytes, cut, dropped, "{what}");
    }
}
