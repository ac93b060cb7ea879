//! Why a body broke off that is read again.

use std::{error::Error, fmt};

/// Why a [`ReplayBody`](super::ReplayBody) broke off, other than by its source's own error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayError {
    /// A later attempt reads the body now.
    Superseded,
    /// More was read than is remembered, and another reader goes on.
    TooLarge,
    /// The source failed while another reader read it.
    Failed,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Superseded => "the attempt that read this body was given up",
            Self::TooLarge => "the body is larger than what is kept for another attempt",
            Self::Failed => "the body failed while another attempt read it",
        })
    }
}

impl Error for ReplayError {}
