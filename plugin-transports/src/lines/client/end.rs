//! How a connection ends.

use std::{fmt, io};

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum ConnectionEnd {
    /// The plugin closed its stdout.
    Eof,
    /// A pipe broke.
    Broken(io::Error),
    /// Too many lines in a row were not replies.
    Noise(u32),
    /// A line did not end.
    Endless(u64),
}

impl ConnectionEnd {
    /// Whether this is also how the death of the process looks from here.
    pub(crate) fn may_be_death(&self) -> bool {
        matches!(self, Self::Eof | Self::Broken(_))
    }
}

/// The second half of a sentence about the process.
impl fmt::Display for ConnectionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eof => f.write_str("closed its stdout"),
            Self::Broken(error) => write!(f, "left a broken pipe: {error}"),
            Self::Noise(count) => {
                write!(f, "wrote {count} lines in a row to stdout that are not replies (its log belongs on stderr)")
            }
            Self::Endless(count) => write!(f, "wrote {count} bytes to stdout without a line feed"),
        }
    }
}
