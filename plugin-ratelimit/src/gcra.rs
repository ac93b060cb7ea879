//! The decision: a bucket of tokens kept as one moment.
//!
//! The generic cell rate algorithm (ITU-T I.371, in its virtual scheduling form) describes a token bucket by its
//! *theoretical arrival time*: the moment at which the bucket will be full again. Every token that is taken moves it
//! `interval` into the future. A request fits when, with its tokens taken, the bucket would be full again within
//! `tolerance`, the time that filling an empty bucket takes.
//!
//! Everything here is pure: moments are nanoseconds, and `now` is an argument. All arithmetic saturates.

use std::time::Duration;

use plugin_core::{Quota, Rejected};

/// The latest arrival time that is kept: 2^60 - 1 ns, some 36 years. Beyond it, everything is refused.
pub(crate) const LATEST: u64 = (1 << 60) - 1;

/// What a bucket allows, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// The time in which one token comes back; zero means that nothing is limited.
    pub(crate) interval: u64,
    /// The time in which an empty bucket fills: `interval` times the burst.
    pub(crate) tolerance: u64,
    /// The period that quotas are stated for.
    pub(crate) window: u64,
}

/// Whether a request fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It does, and this is the bucket's next arrival time.
    Admit(u64),
    /// Not yet: this many nanoseconds from now, if nobody else comes.
    Wait(u64),
    /// It costs more than the bucket holds.
    Never,
}

impl Limit {
    /// Lets everything through.
    pub(crate) const fn unlimited(self) -> Self {
        Self { interval: 0, tolerance: 0, window: self.window }
    }

    pub(crate) const fn is_unlimited(self) -> bool {
        self.interval == 0
    }

    /// The tokens that a full bucket holds.
    pub(crate) const fn burst(self) -> u64 {
        match self.tolerance.checked_div(self.interval) {
            Some(burst) => burst,
            None => u64::MAX,
        }
    }

    /// The next arrival time if `tokens` fit at `now` into a bucket with this one.
    #[inline]
    pub(crate) const fn admit(self, arrival: u64, now: u64, tokens: u64) -> Option<u64> {
        let cost = self.interval.saturating_mul(tokens);
        let base = if arrival > now { arrival } else { now };
        let next = base.saturating_add(cost);
        let fits = cost <= self.tolerance && next <= now.saturating_add(self.tolerance) && next <= LATEST;
        if fits { Some(next) } else { None }
    }

    /// The same, with the reason where they do not fit.
    pub(crate) const fn decide(self, arrival: u64, now: u64, tokens: u64) -> Decision {
        match self.admit(arrival, now, tokens) {
            Some(next) => Decision::Admit(next),
            None => match self.wait(arrival, now, tokens) {
                Some(wait) => Decision::Wait(wait),
                None => Decision::Never,
            },
        }
    }

    /// The nanoseconds after which `tokens` fit that do not fit at `now`, at least one; `None` if they never do.
    pub(crate) const fn wait(self, arrival: u64, now: u64, tokens: u64) -> Option<u64> {
        let cost = self.interval.saturating_mul(tokens);
        if cost > self.tolerance {
            return None;
        }
        let base = if arrival > now { arrival } else { now };
        let wait = base.saturating_add(cost).saturating_sub(now.saturating_add(self.tolerance));
        Some(if wait == 0 { 1 } else { wait })
    }

    /// The arrival time when `ahead` more tokens were asked for and will be taken first.
    pub(crate) const fn behind(self, arrival: u64, now: u64, ahead: u64) -> u64 {
        let base = if arrival > now { arrival } else { now };
        base.saturating_add(self.interval.saturating_mul(ahead))
    }

    /// The tokens in a bucket with this arrival time; `None` where everything is let through.
    pub(crate) const fn remaining(self, arrival: u64, now: u64) -> Option<u64> {
        self.tolerance.saturating_sub(arrival.saturating_sub(now)).checked_div(self.interval)
    }

    /// The nanoseconds that a quota counts over. A window too short for one token is stretched to the time of one, since
    /// "0 per second" would be wrong.
    fn stretched_window(self) -> u64 {
        self.window.max(self.interval)
    }

    /// The period that a quota counts over.
    pub(crate) fn window(self) -> Duration {
        Duration::from_nanos(self.stretched_window())
    }

    /// What response headers say of a bucket with this arrival time; `None` where everything is let through.
    pub(crate) fn quota(self, arrival: u64, now: u64) -> Option<Quota> {
        Some(Quota {
            limit: self.stretched_window().checked_div(self.interval)?,
            remaining: self.remaining(arrival, now)?,
            reset: until_full(arrival, now),
            window: self.window(),
        })
    }

    /// The refusal of a request that would fit after `wait` nanoseconds.
    pub(crate) fn refusal(self, arrival: u64, now: u64, wait: u64) -> Rejected {
        let refusal = Rejected::rate_limited(Duration::from_nanos(wait));
        self.quota(arrival, now).map_or(refusal, |quota| refusal.with_quota(quota))
    }
}

/// The time until a bucket with this arrival time is full.
pub(crate) const fn until_full(arrival: u64, now: u64) -> Duration {
    Duration::from_nanos(arrival.saturating_sub(now))
}

/// The arrival time after the interval changed: the bucket owes as many tokens as before.
pub(crate) fn rescale(arrival: u64, now: u64, from: u64, to: u64) -> u64 {
    let debt = u128::from(arrival.saturating_sub(now));
    if debt == 0 || from == 0 || from == to {
        return arrival;
    }
    // Rounded up: a change of settings never gives tokens away.
    let debt = (debt * u128::from(to)).div_ceil(u128::from(from));
    now.saturating_add(u64::try_from(debt).unwrap_or(u64::MAX)).min(LATEST)
}

/// The arrival time after tokens were given back that had been taken when it became `taken`.
///
/// Tokens that would have been refilled in the meantime are not given back twice: only what `taken` still lies ahead
/// of `now` counts. With `taken <= now` the bucket may have been full since, so that nothing is owed.
pub(crate) fn give_back(arrival: u64, now: u64, cost: u64, taken: u64) -> u64 {
    arrival.saturating_sub(cost.min(taken.saturating_sub(now)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn limit(interval: u64, burst: u64) -> Limit {
        Limit { interval, tolerance: interval * burst, window: 1_000_000_000 }
    }

    #[test]
    fn a_bucket_starts_full_and_refills_steadily() {
        let limit = limit(100, 3);
        let mut arrival = 0;
        let mut admitted_at = Vec::new();
        for now in 1_000..=1_500 {
            while let Decision::Admit(next) = limit.decide(arrival, now, 1) {
                arrival = next;
                admitted_at.push(now);
            }
        }
        assert_eq!(admitted_at, [1_000, 1_000, 1_000, 1_100, 1_200, 1_300, 1_400, 1_500]);
    }

    #[test]
    fn what_never_fits_is_told_from_what_does_not_fit_now() {
        let limit = limit(100, 3);
        assert_eq!(limit.decide(0, 1_000, 3), Decision::Admit(1_300));
        assert_eq!(limit.decide(0, 1_000, 4), Decision::Never);
        assert_eq!(limit.decide(1_300, 1_000, 3), Decision::Wait(300));
        assert_eq!(limit.decide(1_300, 1_000, u64::MAX), Decision::Never);
    }

    #[test]
    fn the_edges_of_the_clock_neither_panic_nor_let_through_more() {
        let wide = Limit { interval: 1, tolerance: u64::MAX, window: 1 };
        for limit in [limit(1, 1), limit(1_000_000_000, 20), wide] {
            for arrival in [0, 1, LATEST] {
                for now in [0, 1, LATEST - 1, LATEST, LATEST + 1, u64::MAX] {
                    for tokens in [1, 20, u64::MAX] {
                        if let Decision::Admit(next) = limit.decide(arrival, now, tokens) {
                            assert!(next > arrival && next <= LATEST, "{limit:?} {arrival} {now} {tokens}");
                        }
                        let _quota = limit.quota(arrival, now);
                        let _moved = rescale(arrival, now, limit.interval, u64::MAX);
                    }
                }
            }
        }
        assert_eq!(limit(1, 1).decide(LATEST, u64::MAX, 1), Decision::Wait(1));
    }

    #[test]
    fn other_settings_keep_what_is_owed_and_give_no_part_of_a_token_away() {
        assert_eq!(rescale(1_700, 1_000, 100, 200), 2_400);
        assert_eq!(rescale(1_001, 1_000, 3, 2), 1_001, "two thirds of a nanosecond are one");
        assert_eq!(rescale(900, 1_000, 100, 200), 900, "nothing is owed");
    }

    #[test]
    fn a_quota_states_the_window_and_stretches_one_that_is_too_short() {
        let quota = limit(100_000_000, 20).quota(0, 1).expect("it is limited");
        assert_eq!((quota.limit, quota.remaining, quota.window), (10, 20, Duration::from_secs(1)));
        let slow = limit(4_000_000_000, 2).quota(0, 1).expect("it is limited");
        assert_eq!((slow.limit, slow.window), (1, Duration::from_secs(4)));
        assert_eq!(limit(100_000_000, 20).unlimited().quota(0, 1), None, "what lets everything through has none");
    }

    #[test]
    fn a_change_of_rate_keeps_the_tokens_that_are_owed() {
        let (now, from, to) = (1_000, 100, 10);
        let arrival = now + 7 * from;
        assert_eq!(rescale(arrival, now, from, to), now + 7 * to);
        assert_eq!(rescale(now - 1, now, from, to), now - 1, "a full bucket stays full");
    }

    #[test]
    fn tokens_are_given_back_once() {
        assert_eq!(give_back(1_300, 1_000, 100, 1_200), 1_200, "the whole cost");
        assert_eq!(give_back(1_300, 1_150, 100, 1_200), 1_250, "half of it has been refilled");
        assert_eq!(give_back(1_300, 1_250, 100, 1_200), 1_300, "all of it has been refilled");
    }

    proptest! {
        #[test]
        fn the_wait_is_exact(
            interval in 1u64..5_000, burst in 1u64..50, debt in 0u64..100_000, now in 0u64..1_000_000, tokens in 1u64..50,
        ) {
            let limit = limit(interval, burst);
            let arrival = now + debt;
            if let Decision::Wait(wait) = limit.decide(arrival, now, tokens) {
                prop_assert!(matches!(limit.decide(arrival, now + wait, tokens), Decision::Admit(_)));
                prop_assert!(matches!(limit.decide(arrival, now + wait - 1, tokens), Decision::Wait(_)));
            }
        }

        #[test]
        fn no_window_lets_through_more_than_the_burst_and_the_rate_times_its_length(
            interval in 1u64..1_000, burst in 1u64..20, steps in prop::collection::vec((0u64..3_000, 1u64..8), 1..200),
        ) {
            let limit = limit(interval, burst);
            let (mut arrival, mut now) = (0, 5_000);
            let mut admitted: Vec<(u64, u64)> = Vec::new();
            for (step, tokens) in steps {
                now += step;
                if let Decision::Admit(next) = limit.decide(arrival, now, tokens) {
                    arrival = next;
                    admitted.push((now, tokens));
                }
            }
            for (first, &(from, _)) in admitted.iter().enumerate() {
                let mut sum = 0;
                for &(to, tokens) in &admitted[first..] {
                    sum += tokens;
                    prop_assert!(sum * interval <= burst * interval + (to - from), "{sum} tokens in {} ns", to - from);
                }
            }
        }

        #[test]
        fn the_decisions_are_those_of_a_bucket_that_counts_tokens(
            interval in 1u64..1_000, burst in 1u64..20, steps in prop::collection::vec((0u64..3_000, 1u64..8), 1..200),
        ) {
            let limit = limit(interval, burst);
            let (mut arrival, mut now) = (0, 5_000);
            // The naive model counts in units of 1/interval token, so that it is exact.
            let mut level = burst * interval;
            for (step, tokens) in steps {
                now += step;
                level = (level + step).min(burst * interval);
                let fits = tokens * interval <= level;
                match limit.decide(arrival, now, tokens) {
                    Decision::Admit(next) => {
                        prop_assert!(fits);
                        arrival = next;
                        level -= tokens * interval;
                    }
                    Decision::Wait(wait) => prop_assert_eq!(wait, tokens * interval - level),
                    Decision::Never => prop_assert!(tokens > burst),
                }
                prop_assert_eq!(limit.remaining(arrival, now), Some(level / interval));
            }
        }
    }
}
