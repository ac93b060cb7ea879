//! Why a plugin's server ended otherwise than it should.

use std::{error::Error, fmt, io, time::Duration};

use plugin_core::{ConfigError, counted, rounded};

/// Why a plugin's server ended otherwise than by being told to.
///
/// `Debug` shows what `Display` shows, because that is what a `main` which returns this error prints.
pub struct ServeError(Kind);

enum Kind {
    ByHand,
    Config(ConfigError),
    Io(io::Error),
    Drain { limit: Duration, left: usize },
}

impl ServeError {
    pub(super) fn by_hand() -> Self {
        Self(Kind::ByHand)
    }

    pub(super) fn io(error: io::Error) -> Self {
        Self(Kind::Io(error))
    }

    pub(super) fn drain(limit: Duration, left: usize) -> Self {
        Self(Kind::Drain { limit, left })
    }

    /// The program was started by a person, and not by a host.
    #[must_use]
    pub fn is_by_hand(&self) -> bool {
        matches!(self.0, Kind::ByHand)
    }
}

impl From<ConfigError> for ServeError {
    fn from(error: ConfigError) -> Self {
        Self(Kind::Config(error))
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::ByHand => f.write_str(
                "this program is a plugin, and is started by its host rather than by hand.\n\
                 Name it in the host's configuration, for instance:\n\n  \
                 plugins:\n    - name: my-plugin\n      transport: exec\n      executable: /path/to/this/program\n\n\
                 and call it through the host: plugin-manager call my-plugin '{\"your\": \"payload\"}'",
            ),
            Kind::Config(_) => f.write_str("a setting of the plugin's server is out of its bounds"),
            Kind::Io(_) => f.write_str("a standard stream of the plugin broke"),
            Kind::Drain { limit, left } => {
                write!(f, "the drain timeout of {} passed; {} dropped", rounded(*limit), counted(*left, "request"))
            }
        }
    }
}

impl fmt::Debug for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        match self.source() {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl Error for ServeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Config(error) => Some(error),
            Kind::Io(error) => Some(error),
            Kind::ByHand | Kind::Drain { .. } => None,
        }
    }
}
