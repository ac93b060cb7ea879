//! Where a bucket stands that others, who may have other settings, take from too.

use std::time::Duration;

use plugin_core::{Quota, Rejected};

use crate::gcra::{self, Decision, Limit};

/// What is owed, and how fast that goes. It goes at the pace of those who owe it where that is faster than one's own: who has a
/// slower limit finds the bucket filling as fast as they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// When the bucket is full again.
    pub(super) full_at: u64,
    /// The time in which a token comes back until then. Zero: nothing was ever owed.
    pub(super) pace: u64,
}

impl Standing {
    /// The same number of tokens, at another pace from now on.
    pub(super) fn at(self, pace: u64, now: u64) -> Self {
        Self { full_at: gcra::rescale(self.full_at, now, self.pace, pace), pace }
    }

    /// The same, where this pace is faster. Whoever asks with it makes it that of the bucket.
    pub(super) fn at_faster(self, pace: u64, now: u64) -> Self {
        if pace < self.pace { self.at(pace, now) } else { self }
    }

    /// After how many nanoseconds these tokens fit; `None` if they fit now, or never.
    pub(super) fn wait(self, limit: Limit, tokens: u32, now: u64) -> Option<u64> {
        match self.paced(limit).decide(self.full_at, now, tokens.into()) {
            Decision::Wait(wait) => Some(wait),
            Decision::Admit(_) | Decision::Never => None,
        }
    }

    /// What response headers say of it: the limit is that of who asks, and what is left and when it is full is so for him.
    pub(super) fn quota(self, limit: Limit, now: u64) -> Option<Quota> {
        let Quota { limit: tokens, window, .. } = limit.quota(now, now)?;
        Some(Quota { limit: tokens, window, ..self.paced(limit).quota(self.full_at, now)? })
    }

    /// The refusal of a request that would fit after `wait` nanoseconds.
    pub(super) fn refusal(self, limit: Limit, now: u64, wait: u64) -> Rejected {
        let refusal = Rejected::rate_limited(Duration::from_nanos(wait));
        self.quota(limit, now).map_or(refusal, |quota| refusal.with_quota(quota))
    }

    /// A bucket of as many tokens that fills at this pace.
    fn paced(self, limit: Limit) -> Limit {
        match self.pace {
            0 => limit,
            pace => Limit { interval: pace, tolerance: pace.saturating_mul(limit.burst()), ..limit },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 5_000_000_000;

    const fn limit(interval: u64, burst: u64) -> Limit {
        Limit { interval, tolerance: interval * burst, window: 1_000_000_000 }
    }

    #[test]
    fn tokens_fit_as_soon_as_the_bucket_has_them_at_the_pace_of_who_owes() {
        let slow = limit(60_000_000_000, 10);
        let full = Standing { full_at: NOW + 1_000, pace: 10 };
        assert_eq!(full.wait(slow, 1, NOW), Some(910), "91 of a hundred must come back to one who holds ten");
        assert_eq!(full.wait(slow, 1, NOW + 909), Some(1));
        assert_eq!(full.wait(slow, 1, NOW + 910), None);
        assert_eq!(full.wait(slow, 10, NOW), Some(1_000));
        assert_eq!(full.wait(slow, 11, NOW), None, "never");
        let quota = full.quota(slow, NOW + 950).expect("limited");
        assert_eq!((quota.limit, quota.window), (1, Duration::from_secs(60)), "its own limit");
        assert_eq!((quota.remaining, quota.reset), (5, Duration::from_nanos(50)));
    }

    #[test]
    fn a_faster_limit_makes_it_faster_and_a_slower_one_leaves_it() {
        let seven = Standing { full_at: NOW + 7_000, pace: 1_000 };
        assert_eq!(seven.at_faster(10, NOW), Standing { full_at: NOW + 70, pace: 10 });
        assert_eq!(seven.at_faster(5_000, NOW), seven);
        assert_eq!(seven.at(5_000, NOW), Standing { full_at: NOW + 35_000, pace: 5_000 });
        assert_eq!(Standing::default().at(10, NOW), Standing { full_at: 0, pace: 10 });
    }
}
