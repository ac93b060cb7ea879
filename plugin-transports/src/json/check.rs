//! Whether bytes are JSON that is within its limits.

use std::fmt;

use serde_json::value::RawValue;

use super::{
    limits::{LimitExceeded, Limits},
    scan::{Scan, ScanStop},
};

#[cfg(test)]
thread_local!(
    /// How often a document was checked.
    pub(super) static CHECKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
);

impl Limits {
    /// Checks that these bytes are one JSON value within the limits: once over them, and no tree is built.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, and where.
    pub fn check(&self, json: &[u8]) -> Result<(), JsonFault> {
        #[cfg(test)]
        CHECKS.with(|checks| checks.set(checks.get() + 1));
        // As text first, in one fast pass; what is no text is for the parser to explain.
        let text = std::str::from_utf8(json).map_err(|_| syntax(json))?;
        Scan::new(text, *self).document().map_err(|stop| match stop {
            ScanStop::Syntax => syntax(json),
            ScanStop::LimitExceeded(beyond) => JsonFault::LimitExceeded(beyond),
        })
    }

    /// Whether what the parser has read is within the limits. Little JSON is, whatever it says.
    #[cfg(any(feature = "http", feature = "unix", all(feature = "process", target_os = "linux")))]
    pub(crate) fn hold(&self, text: &str) -> Result<(), LimitExceeded> {
        if text.len() <= self.depth.min(self.digits) {
            return Ok(());
        }
        match Scan::new(text, *self).document() {
            Err(ScanStop::LimitExceeded(beyond)) => Err(beyond),
            Ok(()) | Err(ScanStop::Syntax) => Ok(()),
        }
    }
}

/// The scanner says that something is wrong; the parser says what.
#[cold]
fn syntax(json: &[u8]) -> JsonFault {
    let parsed: Result<&RawValue, _> = serde_json::from_slice(json);
    JsonFault::Syntax(parsed.map_or_else(|error| error, |_| serde::de::Error::custom("this is not JSON")))
}

/// Why bytes are not the JSON that they should be. Its text is the second half of a sentence.
#[derive(Debug)]
#[non_exhaustive]
pub enum JsonFault {
    /// They are no JSON.
    Syntax(serde_json::Error),
    /// They are, or begin like, JSON that is beyond a limit.
    LimitExceeded(LimitExceeded),
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => write!(f, "it is not JSON: {error}"),
            Self::LimitExceeded(beyond) => beyond.fmt(f),
        }
    }
}

impl std::error::Error for JsonFault {}
