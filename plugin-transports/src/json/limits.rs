//! What bounds a document besides its size.

use std::fmt;

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
}

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
