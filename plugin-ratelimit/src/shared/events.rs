//! The events of a connection to Redis.

use plugin_core::clock::Instant;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{AwayReason, SharedMode};

/// Events that are kept for a listener that lags behind.
pub(super) const KEPT: usize = 64;

/// A change of who decides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedEvent {
    /// Counts up by one per event, from 1. A gap says that a slow listener missed some.
    pub sequence: u64,
    /// When.
    pub at: Instant,
    /// The mode before.
    pub from: SharedMode,
    /// The mode after.
    pub to: SharedMode,
    /// Why, where Redis is away.
    pub reason: Option<AwayReason>,
}

/// The events from the moment of [`RedisStore::events`](super::RedisStore::events). The last 64 are kept for a listener that
/// lags behind. Nothing that a listener does reaches a decision.
#[derive(Debug)]
pub struct SharedEvents(pub(super) Receiver<SharedEvent>);

impl SharedEvents {
    /// The next event; `None` when the store and all its buckets are gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<SharedEvent> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
