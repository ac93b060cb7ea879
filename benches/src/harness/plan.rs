//! How long a group is measured.

use std::time::Duration;

/// How long a group is measured. The default is 31 rounds of 3 ms per row, of 24 ms per row that waits for others, and 20 ms for each
/// two-thread run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    rounds: usize,
    pub(super) round_time: Duration,
    pub(super) pair_time: Duration,
}

impl Plan {
    /// With fewer there are no quartiles to speak of.
    pub const FEWEST_ROUNDS: usize = 3;

    /// Sets the number of rounds; values below [`FEWEST_ROUNDS`](Self::FEWEST_ROUNDS) mean that many.
    #[must_use]
    pub fn with_rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds.max(Self::FEWEST_ROUNDS);
        self
    }

    /// Sets how long one row takes of a round, and how long each two-thread run lasts.
    #[must_use]
    pub fn with_times(mut self, round_time: Duration, pair_time: Duration) -> Self {
        self.round_time = round_time;
        self.pair_time = pair_time;
        self
    }

    /// The number of rounds.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.rounds
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self { rounds: 31, round_time: Duration::from_millis(3), pair_time: Duration::from_millis(20) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_rounds_than_quartiles_need_are_raised() {
        assert_eq!(Plan::default().with_rounds(0).rounds(), Plan::FEWEST_ROUNDS);
    }
}
