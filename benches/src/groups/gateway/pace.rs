//! How long, and how often.

use std::time::Duration;

/// How long a gateway is measured. The default is 11 rounds; of each a row has a second at full speed and one at 1,000 requests a
/// second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    rounds: usize,
    /// Of each of the two loads.
    pub(super) time: Duration,
    pub(super) connections: usize,
    pub(super) per_second: u32,
}

/// More add nothing: a round takes seconds, and not the milliseconds of other groups.
const MOST_ROUNDS: usize = 15;

impl Pace {
    /// Sets the number of rounds, up to 15.
    #[must_use]
    pub fn with_rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds.clamp(1, MOST_ROUNDS);
        self
    }

    pub(super) fn rounds(&self) -> usize {
        self.rounds
    }

    /// Sets how long one row has each of the two loads in a round.
    #[must_use]
    pub fn with_time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self { rounds: 11, time: Duration::from_secs(1), connections: 32, per_second: 1000 }
    }
}
