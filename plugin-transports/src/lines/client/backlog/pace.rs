//! How long answers take, and so how long one is waited for.

use std::time::Duration;

use plugin_core::clock::Instant;

/// An answer is waited for so long at least, and at most, before one more is written.
const PATIENCE: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(8)];

/// The same where nothing is known of how long an answer takes.
pub(super) const UNKNOWN: Duration = Duration::from_secs(1);

/// So many of the last answers say how long one takes.
pub(super) const RECENT: usize = 4;

/// While nobody is in a hurry, one answer of so many is looked at, so that it is known how long they take when somebody is.
pub(super) const SELDOM: u32 = 128;

/// How long the last answers took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent {
    times: [Duration; RECENT],
    /// How many of them there are, and where the next one goes.
    known: usize,
    /// Answers that were not looked at since the last that was.
    passed: u32,
}

impl Recent {
    /// An answer came, while nobody is in a hurry: counts it, and says whether it is one to be looked at.
    pub(super) fn count(&mut self) -> bool {
        self.passed += 1;
        self.known < RECENT || self.passed >= SELDOM
    }

    pub(super) fn add(&mut self, time: Duration) {
        self.passed = 0;
        self.times[self.known % RECENT] = time;
        // It stays in the same place of the ring, and does not overflow.
        self.known = if self.known == 2 * RECENT - 1 { RECENT } else { self.known + 1 };
    }

    /// Each of them took so long at least.
    pub(super) fn quickest(&self) -> Option<Duration> {
        self.all().min()
    }

    /// How long to wait for an answer before one more is written: as long as the slowest took.
    pub(super) fn patience(&self) -> Duration {
        let [least, most] = PATIENCE;
        self.all().max().unwrap_or(UNKNOWN).clamp(least, most)
    }

    /// The slowest took not much longer than the quickest.
    pub(super) fn are_alike(&self) -> bool {
        self.quickest().is_some_and(|quickest| self.patience() < quickest.saturating_mul(3))
    }

    fn all(&self) -> impl Iterator<Item = Duration> {
        self.times.into_iter().take(self.known)
    }
}

/// When one more may be written though it is no call's turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OneMore {
    /// When what stands before it last moved, or began, or one was let through.
    since: Option<Instant>,
    /// So many were let through, since it last moved.
    probes: u32,
}

impl OneMore {
    pub(super) fn moved(now: Instant) -> Self {
        Self { since: Some(now), probes: 0 }
    }

    pub(super) fn let_through(&mut self, now: Instant) {
        *self = Self { since: Some(now), probes: self.probes + 1 };
    }

    /// Until when to wait, where one more is let through after this time, and the next after twice as long. `None`: now.
    pub(super) fn until(self, patience: Duration, now: Instant) -> Option<Instant> {
        let [_, most] = PATIENCE;
        let wait = patience.saturating_mul(1 << self.probes.min(16)).min(most);
        self.since.map(|since| since.saturating_add(wait)).filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_takes_the_place_of_the_oldest_and_one_answer_in_many_is_looked_at() {
        let (mut recent, second) = (Recent::default(), Duration::from_secs(1));
        for newest in 1..=11 {
            recent.add(second * newest);
            let oldest = newest.saturating_sub(RECENT as u32 - 1).max(1);
            assert_eq!((recent.quickest(), recent.all().max()), (Some(second * oldest), Some(second * newest)));
        }
        let looked_at = (0..3 * SELDOM).filter(|_| {
            let is_looked_at = recent.count();
            if is_looked_at {
                recent.add(second);
            }
            is_looked_at
        });
        assert_eq!(looked_at.count(), 3);
    }
}
