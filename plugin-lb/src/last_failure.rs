//! The last failure of an instance: code, message, time.

use std::{
    error::Error,
    sync::{Arc, PoisonError},
    time::SystemTime,
};

use plugin_core::{Code, PluginError, Rejected, clock, on_one_line};

use crate::sync::Mutex;

/// Why a call on an instance failed: the last time that one did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastFailure {
    /// When.
    pub at: SystemTime,
    /// Its code, where it has one.
    pub code: Option<Code>,
    /// What was said of it, at most [`LastFailure::MAX_MESSAGE`] bytes: the error with its causes, on one line. It is the
    /// service's own text and may hold what a caller sent, so it is for operators and not for callers. Empty where the
    /// [`Envelope`](crate::Envelope) tells nothing of errors.
    pub message: Arc<str>,
}

impl LastFailure {
    /// The longest message, in bytes. What is longer is cut, and ends with `…`.
    pub const MAX_MESSAGE: usize = 512;
}

/// Where it is kept. A success does not come here.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Option<LastFailure>>);

impl Kept {
    #[cold]
    pub(crate) fn keep(&self, code: Option<Code>, message: &str) {
        let failure = LastFailure { at: clock::wall(), code, message: bounded(message).into() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    pub(crate) fn read(&self) -> Option<LastFailure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// On one line, and cut between two characters.
fn bounded(message: &str) -> String {
    const CUT: char = '…';
    let message = on_one_line(message.trim());
    if message.len() <= LastFailure::MAX_MESSAGE {
        return message.into_owned();
    }
    let end = message.floor_char_boundary(LastFailure::MAX_MESSAGE - CUT.len_utf8());
    format!("{}{CUT}", &message[..end])
}

/// What happened, its causes, and what the service said besides.
pub(crate) fn say(error: &PluginError) -> String {
    let mut text = error.message().to_owned();
    let mut cause = error.source();
    while let Some(next) = cause.filter(|_| text.len() < LastFailure::MAX_MESSAGE) {
        let said = next.to_string();
        // A refusal is the cause of the error that it was made into, and says the same beside its code.
        let is_itself = next.downcast_ref::<Rejected>().is_some_and(|cause| error.rejected() == Some(cause));
        if !is_itself && !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = next.source();
    }
    if let Some(detail) = error.detail() {
        text.push_str("; ");
        text.push_str(detail.trim());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_once() {
        let late = Rejected::deadline_exceeded(std::time::Duration::from_secs(2), Some("on the plugin"));
        let said = "the deadline passed: 2s were given, and the end of that time was spent on the plugin";
        assert_eq!(say(&PluginError::from(late)), said);
        let wrapped = PluginError::execution("the store is late").with_source(late);
        assert_eq!(
            say(&wrapped),
            "the store is late: the deadline passed (PLUGIN_1204): 2s were given, and the end of \
                                   that time was spent on the plugin"
        );
    }

    #[test]
    fn a_message_is_one_line_with_its_causes_and_is_cut_between_two_characters() {
        let error = PluginError::execution("no answer")
            .with_source(std::io::Error::other("connection refused"))
            .with_detail("line one\nline two\u{1b}[31m");
        assert_eq!(bounded(&say(&error)), r"no answer: connection refused; line one\nline two\u{1b}[31m");
        let cut = bounded(&"ü".repeat(LastFailure::MAX_MESSAGE));
        assert!(cut.len() <= LastFailure::MAX_MESSAGE && cut.ends_with("ü…"), "{} bytes: {cut}", cut.len());
        let whole = "n".repeat(LastFailure::MAX_MESSAGE);
        assert_eq!(bounded(&format!("  {whole}\n")), whole, "what fits is not cut");
    }

    /// An error with a cause.
    #[derive(Debug)]
    struct Because(&'static str, Option<Box<Because>>);

    impl std::fmt::Display for Because {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Because {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn every_cause_is_told_once_as_long_as_there_is_room() {
        let root = Because("connection refused", None);
        let middle = Because("the store: connection refused", Some(Box::new(root)));
        let error = PluginError::execution("no answer").with_source(middle).with_detail(" more \n");
        assert_eq!(say(&error), "no answer: the store: connection refused; more");
        let root = Because("the disk is full", None);
        let error = PluginError::execution("no answer").with_source(Because("the store", Some(Box::new(root))));
        assert_eq!(say(&error), "no answer: the store: the disk is full");
        let long: &'static str = "l".repeat(LastFailure::MAX_MESSAGE).leak();
        let error = PluginError::execution(long).with_source(Because("which nobody sees", None));
        assert_eq!(say(&error), long);
    }
}
