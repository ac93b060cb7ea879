//! Buckets of the overflow for keys that have settings of their own.
//!
//! What a bucket owes is a time, and means as many tokens as come back in it at one rate. Were it shared by keys of two
//! rates, whoever asks would have it counted at his own: a slow key would slow down what a fast one has taken, and then wait
//! for it. So each of the settings has a set of buckets for itself.

use super::account::{Account, Terms};
use crate::{
    gcra::{Decision, Limit},
    places::Places,
};

/// How many sets there are at most, of 8 kB each: more than plans are.
const SETS: usize = 16;

/// Made as they are needed.
#[derive(Default)]
pub(super) struct OwnLimits(Vec<Set>);

/// The buckets of keys whose settings are these.
struct Set {
    limit: Limit,
    arrivals: Places<u64>,
    /// The moment at which all are full again, so that other settings may have them.
    full_at: u64,
}

impl OwnLimits {
    /// Takes tokens out of the bucket that this hash falls to among those of the same settings.
    pub(super) fn take(&mut self, hash: u32, terms: Terms, tokens: u64, now: u64) -> (Decision, Account) {
        let set = self.set(terms.limit, now);
        let arrival = set.arrivals.at_mut(hash.into());
        let mut account = Account { arrival: *arrival, pace: terms.pace };
        let decision = account.take(terms, tokens, now);
        *arrival = account.arrival;
        set.full_at = set.full_at.max(account.arrival);
        (decision, account)
    }

    /// The set of these settings: the one that they have, or one that nobody owes anything in, or a new one. With more settings
    /// than sets, those that come last share one. There a debt stays a time, whoever asks, so that none is counted anew.
    fn set(&mut self, limit: Limit, now: u64) -> &mut Set {
        let has = self.0.iter().position(|set| set.limit == limit);
        let at = has.or_else(|| self.0.iter().position(|set| set.full_at <= now));
        let at = at.unwrap_or_else(|| {
            if self.0.len() < SETS {
                self.0.push(Set { limit, arrivals: Places::new(|| 0), full_at: 0 });
            }
            self.0.len() - 1
        });
        let set = &mut self.0[at];
        if set.full_at <= now {
            set.limit = limit;
        }
        set
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
        assert_eq!(buckets.0.len(), 1);
    }

    #[test]
    fn there_are_so_many_sets_and_what_is_owed_in_the_last_stays_a_time() {
        let mut buckets = OwnLimits::default();
        for rate in 1..=100_u32 {
            buckets.take(7, terms(f64::from(rate), 100_000), 1, SECOND);
        }
        assert_eq!(buckets.0.len(), SETS);
        let (fast, slow) = (terms(1_000.0, 10_000), terms(0.1, 5));
        assert!(passes(&mut buckets, fast, 500, SECOND));
        let owed = buckets.0[SETS - 1].full_at - SECOND;
        assert!(passes(&mut buckets, slow, 1, SECOND));
        assert_eq!(buckets.0[SETS - 1].full_at - SECOND, owed + 10 * SECOND, "one token of the slow one more");
    }
}
