//! What bounds a document besides its size.

use std::fmt;

use serde_json::value::RawValue;

use super::scan::Scan;

/// What bounds a document of JSON besides its size, since many parsers do not: one that calls itself for each level is
/// ended by some thousand of them, and Python refuses a whole number of more than 4,300 digits with an exception.
///
/// | limit | default | |
/// |---|---|---|
/// | `max_depth` | 128 | how deep lists and objects may stand in each other; what serde_json reads too |
/// | `max_digits` | 4,000 | characters of one number, with its sign, fraction and exponent |
///
/// ```
/// use plugin_transports::json::Limits;
///
/// let limits = Limits::new().with_max_depth(2);
/// assert!(limits.check(b"[[1]]").is_ok());
/// let flaw = limits.check(b"[[[1]]]").unwrap_err();
/// assert_eq!(flaw.to_string(), "it is nested deeper than `max_json_depth`, which is 2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Limits {
    pub(super) depth: usize,
    pub(super) digits: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

impl Limits {
    /// The defaults.
    pub const fn new() -> Self {
        Self { depth: 128, digits: 4000 }
    }

    /// Sets how deep lists and objects may stand in each other. 0 allows neither.
    pub const fn with_max_depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// Sets how long a number may be, in characters.
    pub const fn with_max_digits(mut self, digits: usize) -> Self {
        self.digits = digits;
        self
    }

    /// No limits: JSON of any depth and of any numbers.
    pub const fn none() -> Self {
        Self { depth: usize::MAX, digits: usize::MAX }
    }

    /// Checks that these bytes are one JSON value within the limits: once over them, and no tree is built.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, and where.
    pub fn check(&self, json: &[u8]) -> Result<(), JsonFault> {
        #[cfg(test)]
        super::checked::tests::CHECKS.with(|checks| checks.set(checks.get() + 1));
        // As text first, in one fast pass; what is no text is for the parser to explain.
        let text = std::str::from_utf8(json).map_err(|_| syntax(json))?;
        Scan::new(text, *self).document().map_err(|stop| match stop {
            ScanStop::Syntax => syntax(json),
            ScanStop::LimitExceeded(beyond) => JsonFault::LimitExceeded(beyond),
        })
    }
}

impl Limits {
    /// Whether what the parser has read is within the limits. Little JSON is, whatever it says.
    #[cfg(any(feature = "http", all(feature = "process", target_os = "linux")))]
    pub(crate) fn hold(&self, json: &RawValue) -> Result<(), LimitExceeded> {
        let text = json.get();
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

/// The limit that a document is beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitExceeded {
    /// It is nested deeper than this.
    Depth(usize),
    /// It has a number of more characters than this.
    Digits(usize),
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Depth(max) => write!(f, "it is nested deeper than `max_json_depth`, which is {max}"),
            Self::Digits(max) => write!(f, "it has a number of more than {max} characters"),
        }
    }
}

/// Where the scanner stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScanStop {
    Syntax,
    LimitExceeded(LimitExceeded),
}
