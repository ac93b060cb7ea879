//! What other attempts of a call say of the outcome of one.

use std::time::Duration;

use crate::Sent;

/// What other attempts of a call say of it, for [`Classify::amend`](crate::Classify::amend).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Amendment {
    /// The most that was sent by any of them.
    pub sent: Sent,
    /// The time after which one of them, that was refused, wants the caller to come back.
    pub retry_after: Option<Duration>,
}

impl Amendment {
    /// Another attempt may have been sent.
    #[must_use]
    pub const fn sent() -> Self {
        Self { sent: Sent::Maybe, retry_after: None }
    }

    /// Another attempt was told when to come back.
    #[must_use]
    pub const fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }
}
