//! What a command comes to.

use std::{fmt, process::ExitCode};

use serde_json::{Value, json};

/// The exit code, or why the command did not work.
pub(crate) type Outcome = Result<ExitCode, CommandFault>;

/// Why a command did not work.
#[derive(Debug)]
pub(crate) enum CommandFault {
    /// Something outside: a gateway that does not answer, a file that cannot be read.
    Failed(String),
    /// No gateway is where it was looked for.
    Unreached(String),
    /// The arguments or the configuration.
    Wrong(String),
    /// The gateway said no, in this document.
    Refused(Value, String),
}

impl CommandFault {
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed(_) | Self::Unreached(_) | Self::Refused(..) => ExitCode::from(1),
            Self::Wrong(_) => ExitCode::from(2),
        }
    }

    /// As JSON: the gateway's own document, or one like it.
    pub(super) fn document(&self) -> Value {
        match self {
            Self::Refused(document, _) => document.clone(),
            Self::Failed(text) | Self::Unreached(text) | Self::Wrong(text) => json!({
                "type": "about:blank",
                "title": "the command did not work",
                "detail": text,
            }),
        }
    }
}

impl fmt::Display for CommandFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) | Self::Unreached(text) | Self::Wrong(text) | Self::Refused(_, text) => {
                f.write_str(text)
            }
        }
    }
}
