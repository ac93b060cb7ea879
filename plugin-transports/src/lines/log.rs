//! What a plugin writes, in the host's log.

use std::time::Duration;

use plugin_core::clock::{self, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// So many lines a second.
#[derive(Debug)]
pub(crate) struct Pace {
    most: u32,
    since: Instant,
    lines: u32,
    /// Since it was told the last time.
    dropped: u64,
}

impl Pace {
    pub(crate) fn new(most: u32) -> Self {
        Self { most, since: clock::now(), lines: 0, dropped: 0 }
    }

    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// What is left of the second.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        SECOND.saturating_sub(now.saturating_since(self.since))
    }

    pub(crate) fn begin(&mut self, now: Instant) {
        (self.since, self.lines) = (now, 0);
    }

    pub(crate) fn admit(&mut self) -> bool {
        let admitted = self.lines < self.most;
        if admitted {
            self.lines += 1;
        } else {
            self.dropped += 1;
        }
        admitted
    }

    pub(crate) fn has_dropped(&self) -> bool {
        self.dropped > 0
    }

    /// Lines that were too many since this was asked last.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Where there is room for a line, how many were too many before it that nobody was told of.
    pub(crate) fn admit_at(&mut self, now: Instant) -> Option<u64> {
        if self.left(now).is_zero() {
            self.begin(now);
        }
        self.admit().then(|| self.take_dropped())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_more_than_a_second_may_have_is_counted_and_told_with_the_next() {
        let mut pace = Pace::new(2);
        let mut now = clock::now();
        let told = |pace: &mut Pace, now| (0..5).map(|_| pace.admit_at(now)).collect::<Vec<_>>();
        assert_eq!(told(&mut pace, now), [Some(0), Some(0), None, None, None]);
        now = now.saturating_add(SECOND);
        assert_eq!(told(&mut pace, now), [Some(3), Some(0), None, None, None]);
        now = now.saturating_add(SECOND / 2);
        assert_eq!(told(&mut pace, now), [None; 5]);
    }
}
