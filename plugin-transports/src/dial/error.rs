//! The error of a connection that could not be made.

use std::{error::Error, fmt, net::SocketAddr, time::Duration};

use plugin_core::{BoxError, rounded};

/// No address of a name gave a connection. `Display` says what each of them said, and [`source`](Error::source) is the
/// last of these errors, or that of the name lookup.
#[derive(Debug)]
pub struct DialError {
    /// Empty when it did not come so far.
    pub(super) said: Vec<DialFailures>,
    pub(super) lookup: Option<BoxError>,
    /// The limit, when it was reached.
    pub(super) within: Option<Duration>,
    /// The address was given as such, so that to name it would be to say it twice.
    pub(super) literal: bool,
}

/// What one address said.
#[derive(Debug)]
pub(super) struct DialFailures {
    pub(super) address: SocketAddr,
    /// `None`: nothing.
    pub(super) error: Option<BoxError>,
    /// It will say the same in a second.
    pub(super) permanent: bool,
}

impl DialError {
    /// The addresses that were tried, in the order in which they failed.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.said.iter().map(|said| said.address)
    }

    /// Whether the time was up, which also ends attempts that might still have come to something.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.within.is_some()
    }

    /// Whether every address said something that it will say again, such as that its certificate is not trusted.
    pub(crate) fn is_permanent(&self) -> bool {
        !self.said.is_empty() && self.said.iter().all(|said| said.permanent)
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = &self.lookup {
            return write!(f, "{error}");
        }
        for (index, said) in self.said.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            match (&said.error, self.literal) {
                (Some(error), true) => write!(f, "{error}")?,
                (Some(error), false) => write!(f, "{} said: {error}", said.address)?,
                (None, _) => write!(f, "{} did not answer", said.address)?,
            }
        }
        match self.within {
            Some(limit) if self.said.is_empty() => write!(f, "the name was not looked up within {}", rounded(limit)),
            None if self.said.is_empty() => f.write_str("the name has no address"),
            _ => Ok(()),
        }
    }
}

impl Error for DialError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let said = self.said.iter().rev().find_map(|said| said.error.as_ref());
        self.lookup.as_ref().or(said).map(|error| &**error as _)
    }
}
