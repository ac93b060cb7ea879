//! Buckets of the overflow for keys that have settings of their own.
//!
//! What a bucket owes is a time, and means as many tokens as come back in it at one rate. Were it shared by keys of two
//! rates, whoever asks would have it counted at his own: a slow key would slow down what a fast one has taken, and then wait
//! for it. So each of the settings has a set of buckets for itself, of 8 kB. In the one that the last of too many share, a debt
//! stays a time whoever asks, so that none is counted anew.

use super::account::{Account, Terms};
use crate::{gcra::Decision, places::Places, sets::Sets};

/// Made as they are needed.
#[derive(Default)]
pub(super) struct OwnLimits(Sets<Set>);

/// The buckets of keys whose settings are the same.
struct Set {
    arrivals: Places<u64>,
    /// The moment at which all are full again, so that other settings may have them.
    full_at: u64,
}

impl Set {
    fn new() -> Self {
        Self { arrivals: Places::new(|| 0), full_at: 0 }
    }
}

impl OwnLimits {
    /// Takes tokens out of the bucket that this hash falls to among those of the same settings.
    pub(super) fn take(&mut self, hash: u32, terms: Terms, tokens: u64, now: u64) -> (Decision, Account) {
        let set = self.0.of(terms.limit, |set| set.full_at <= now, Set::new);
        let arrival = set.arrivals.at_mut(hash.into());
        let mut account = Account { arrival: *arrival, pace: terms.pace };
        let decision = account.take(terms, tokens, now);
        *arrival = account.arrival;
        set.full_at = set.full_at.max(account.arrival);
        (decision, account)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::RateLimitConfig;

    const SECOND: u64 = 1_000_000_000;

    fn terms(rate: f64, burst: u32) -> Terms {
        let config = RateLimitConfig::builder().with_requests_per_second(rate).with_burst_size(burst);
        Terms::own(config.build().expect("valid"))
    }

    /// Whether it passes, for a hash that is the same for all: whoever may meet does.
    fn passes(buckets: &mut OwnLimits, terms: Terms, tokens: u64, now: u64) -> bool {
        matches!(buckets.take(7, terms, tokens, now).0, Decision::Admit(_))
    }

    #[test]
    fn keys_of_different_settings_do_not_meet() {
        let mut buckets = OwnLimits::default();
        let (fast, slow, wide) = (terms(100.0, 200), terms(1.0, 5), terms(100.0, 300));
        assert!(passes(&mut buckets, fast, 200, SECOND));
        assert!(passes(&mut buckets, slow, 5, SECOND) && !passes(&mut buckets, slow, 1, SECOND));
        assert!(passes(&mut buckets, wide, 300, SECOND), "the same rate and another burst");
        let later = SECOND + SECOND / 2;
        assert!(!passes(&mut buckets, slow, 1, later));
        assert!(passes(&mut buckets, fast, 50, later) && !passes(&mut buckets, fast, 1, later));
    }

    #[test]
    fn a_set_in_which_nothing_is_owed_any_more_is_given_to_others() {
        let mut buckets = OwnLimits::default();
        for turn in 1..100_u32 {
            let now = 2 * u64::from(turn) * SECOND;
            assert!(passes(&mut buckets, terms(f64::from(turn), turn), turn.into(), now));
            assert!(!passes(&mut buckets, terms(f64::from(turn), turn), 1, now));
        }
    }

    #[test]
    fn what_is_owed_where_too_many_settings_share_a_set_stays_a_time() {
        let mut buckets = OwnLimits::default();
        for rate in 1..=100_u32 {
            buckets.take(7, terms(f64::from(rate), 100_000), 1, SECOND);
        }
        let (fast, slow) = (terms(1_000.0, 10_000), terms(0.1, 5));
        let (_, account) = buckets.take(7, fast, 500, SECOND);
        let owed = account.arrival - SECOND;
        let (decision, account) = buckets.take(7, slow, 1, SECOND);
        assert!(matches!(decision, Decision::Admit(_)));
        assert_eq!(account.arrival - SECOND, owed + 10 * SECOND, "one token of the slow one more");
    }
}
