//! Why the endpoints are not known, or not followed, for the time being.

use std::{error::Error, fmt::Write as _, time::Duration};

use plugin_core::on_one_line;

use crate::FaultKind;

/// How much is said of one failure. What a server or a file has in it may be of any length.
const MOST_SAID: usize = 1024;

/// What went wrong, for an operator, and what it means for the next try.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: FaultKind,
    /// One line, which names the file, the address or the rule, and never has a token in it.
    pub(super) message: String,
    /// When the API server wants to be asked again, where it said so.
    pub(super) retry_after: Option<Duration>,
    /// Whether what was known before is of no use to go on from: everything is listed again.
    pub(super) lists_again: bool,
}

impl Failure {
    pub(super) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let end = message.char_indices().nth(MOST_SAID).map_or(message.len(), |(at, _)| at);
        let message = on_one_line(message.get(..end).unwrap_or_default()).into_owned();
        Self { kind, message, retry_after: None, lists_again: false }
    }

    /// The same with what caused it, down to the first cause.
    pub(super) fn because(kind: FaultKind, message: impl Into<String>, cause: &(dyn Error + 'static)) -> Self {
        let mut message = message.into();
        let mut next = Some(cause);
        while let Some(cause) = next {
            let text = cause.to_string();
            // Some say what their cause says.
            if !message.ends_with(&text) {
                // Writing to a text does not fail.
                let _ = write!(message, ": {text}");
            }
            next = cause.source();
        }
        Self::new(kind, message)
    }

    pub(super) fn listing_again(mut self) -> Self {
        self.lists_again = true;
        self
    }
}
