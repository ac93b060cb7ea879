//! What one of many buckets keeps, and the decision on a request.

use super::pace::Pace;
use crate::{
    RateLimitConfig,
    gcra::{self, Decision, Limit},
};

/// A bucket: the moment at which it is full again, and the pace that this was counted at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) arrival: u64,
    pub(super) pace: Pace,
}

/// What a bucket allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) limit: Limit,
    pub(super) pace: Pace,
}

/// The last change of the settings of all keys. Buckets that were not touched since are settled as of that moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pace: Pace,
    interval: u64,
    at: u64,
}

impl Terms {
    /// The settings of all keys.
    pub(super) fn common(config: RateLimitConfig) -> Self {
        let limit = config.limit();
        Self { limit, pace: Pace::common(limit.interval) }
    }

    /// The settings of one key.
    pub(super) fn own(config: RateLimitConfig) -> Self {
        let limit = config.limit();
        Self { limit, pace: Pace::own(limit.interval) }
    }
}

impl Change {
    /// These terms ended at this moment.
    pub(super) const fn from(terms: Terms, at: u64) -> Self {
        Self { pace: terms.pace, interval: terms.limit.interval, at }
    }

    /// This bucket, counted at the pace of the new settings if it is still counted at that of the old ones.
    pub(super) fn applied(&self, account: Account, to: Terms) -> Account {
        if account.pace != self.pace {
            return account;
        }
        let arrival = gcra::rescale(account.arrival, self.at, self.interval, to.limit.interval);
        Account { arrival, pace: to.pace }
    }
}

impl Account {
    /// A full bucket.
    pub(super) const fn full(terms: Terms) -> Self {
        Self { arrival: 0, pace: terms.pace }
    }

    /// Whether nothing is lost when the bucket is forgotten: a new one would be the same.
    #[inline]
    pub(super) const fn is_full(self, now: u64) -> bool {
        self.arrival <= now
    }

    /// The same number of tokens owed, at the pace of these terms.
    ///
    /// What was owed under the settings of all keys is counted as of the moment at which they changed, so that it makes no
    /// difference when the bucket is next looked at; a change of the key's own settings is noticed now.
    #[inline]
    pub(super) fn settled(self, terms: Terms, change: Option<&Change>, now: u64) -> Self {
        if self.pace == terms.pace {
            return self;
        }
        match change {
            Some(change) if change.pace == self.pace => change.applied(self, terms),
            _ => Self {
                arrival: gcra::rescale(self.arrival, now, self.pace.interval(), terms.limit.interval),
                pace: terms.pace,
            },
        }
    }

    /// Takes tokens, or says why not.
    #[inline]
    pub(super) fn take(&mut self, terms: Terms, tokens: u64, now: u64) -> Decision {
        let decision = terms.limit.decide(self.arrival, now, tokens);
        if let Decision::Admit(next) = decision {
            self.arrival = next;
        }
        decision
    }

    /// The tokens that it lacks, rounded up.
    pub(super) const fn owed(self, now: u64) -> u64 {
        let interval = self.pace.interval();
        if interval == 0 { 0 } else { self.arrival.saturating_sub(now).div_ceil(interval) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn config(rate: f64) -> RateLimitConfig {
        RateLimitConfig::builder().with_requests_per_second(rate).with_burst_size(10).build().expect("valid")
    }

    #[test]
    fn a_change_for_all_keys_counts_from_when_it_was_made_and_not_from_when_a_key_comes_next() {
        let (fast, slow) = (Terms::common(config(10.0)), Terms::common(config(1.0)));
        let (at, later) = (100 * SECOND, 103 * SECOND);
        let mut account = Account::full(fast);
        assert!(matches!(account.take(fast, 10, at), Decision::Admit(_)));
        let change = Change::from(fast, at);
        let settled = account.settled(slow, Some(&change), later);
        assert_eq!(settled, account.settled(slow, Some(&change), at), "ten were owed at once, and seven are after 3 s");
        assert_eq!(settled.owed(later), 7);
    }

    #[test]
    fn a_change_for_one_key_counts_from_when_it_is_noticed() {
        let (old, new) = (Terms::own(config(10.0)), Terms::own(config(1.0)));
        let now = 100 * SECOND;
        let mut account = Account::full(old);
        account.take(old, 10, now);
        // A change for all keys at the same rate is not a change of this key.
        let change = Change::from(Terms::common(config(10.0)), now - SECOND);
        let settled = account.settled(new, Some(&change), now + SECOND / 2);
        assert_eq!(settled.owed(now + SECOND / 2), 5);
    }
}
