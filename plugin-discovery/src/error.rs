//! No instance was found in time.

use std::{error::Error, fmt, time::Duration};

use plugin_core::rounded;

use crate::Fault;

/// No instance was found in the time that there was for it: the error of [`Discovery::first`](crate::Discovery::first).
///
/// ```
/// use std::time::Duration;
///
/// use plugin_discovery::{Discovery, FaultKind, StaticSource};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let discovery = Discovery::start(StaticSource::new([]));
/// let error = discovery.first(Duration::from_millis(5)).await.expect_err("there is none");
/// assert_eq!(error.to_string(), "no instance was found within 5ms: the source has no instance");
/// assert_eq!(error.fault().map(|fault| fault.kind()), Some(FaultKind::Empty));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoInstanceError {
    within: Duration,
    fault: Option<Fault>,
}

impl NoInstanceError {
    pub(crate) fn new(within: Duration, fault: Option<Fault>) -> Self {
        Self { within, fault }
    }

    /// What was wrong with the source when the time was up. `None`: it has not answered yet.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }
}

impl fmt::Display for NoInstanceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no instance was found within {}", rounded(self.within))?;
        match &self.fault {
            Some(fault) => write!(f, ": {fault}"),
            None => Ok(()),
        }
    }
}

impl Error for NoInstanceError {}
