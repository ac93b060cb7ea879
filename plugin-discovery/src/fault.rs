//! What is wrong with a source.

use std::{fmt, sync::Arc, time::Duration};

use plugin_core::clock::{self, Instant};

/// What sort of fault a source has. It decides for how long the last good set is kept: see
/// [`DiscoveryConfig`](crate::DiscoveryConfig).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The source answers that the service has no instance.
    Empty,
    /// The source answers that there is no such service: `NXDOMAIN`, a 404.
    Absent,
    /// The source does not answer: a time-out, a connection that is refused or that ended.
    Unreachable,
    /// The source answers that it cannot tell, or does not want to: `SERVFAIL`, a 403.
    Refused,
    /// The source's answer cannot be read: bytes that are none of the protocol, a file with a syntax error, or none.
    Unreadable,
    /// The source does not look any more: its [`run`](crate::Source::run) has returned, or panicked.
    Ended,
}

impl FaultKind {
    /// Whether the source has said, knowing it, that there is nothing. Otherwise nothing is known.
    #[must_use]
    pub const fn says_there_are_none(self) -> bool {
        matches!(self, Self::Empty | Self::Absent)
    }
}

/// What is wrong with a source now.
///
/// ```
/// use plugin_discovery::{Discovery, FaultKind, Publisher};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let discovery = Discovery::start(|publisher: Publisher| async move {
///     publisher.fault(FaultKind::Unreachable, "connection refused");
///     std::future::pending().await
/// });
/// tokio::task::yield_now().await;
///
/// let fault = discovery.fault().expect("it has one");
/// assert_eq!((fault.kind(), fault.message()), (FaultKind::Unreachable, "connection refused"));
/// println!("{fault}, for {:?}", fault.age());
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: FaultKind,
    message: Arc<str>,
    since: Instant,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, message: Arc<str>, since: Instant) -> Self {
        Self { kind, message, since }
    }

    /// What sort it is: that of the last one.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// What is wrong, in words of the source: those of the last one.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Since when the source has not had a good answer any more. A fault that gives way to another one goes on.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// For how long there has been a fault.
    #[must_use]
    pub fn age(&self) -> Duration {
        clock::now().saturating_since(self.since)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
