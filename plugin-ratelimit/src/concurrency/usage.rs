//! Fairness by usage: who used more lately is refused first.

use std::{fmt, hash::Hash, sync::Arc, time::Duration};

use plugin_core::{
    KeyOf,
    clock::{self, Instant},
    sync::KeyedTable,
};

use super::PriorityOf;
use crate::sync::{Mutex, lock};

/// The time in which what somebody used counts half.
const HALF_LIFE: Duration = Duration::from_secs(10);
/// Steps that a priority is divided into.
const STEPS: i16 = 8;
/// The highest priority that has room for all its steps, and the lowest.
const FURTHEST: i16 = i16::MAX / STEPS;
/// A user whose use has gone below this may be forgotten.
const FORGOTTEN: f64 = 0.5;

/// Reads the priority of a request from how much its user asked for lately, within the priority that it has otherwise.
///
/// What counts are the calls of a user that found no place and might wait for one, for a half-life of ten seconds. A user who
/// asked for no more than is usual
/// keeps the whole priority; who asked for more has a lower one, in steps: one step for each factor of about 1.4, seven at most. The
/// usual is the mean over calls, and not over users, so that a thousand users with a call each do not make everybody
/// else a heavy one. A priority is eight steps wide: it is `8 * priority - steps`, and so nobody falls behind a call of lower
/// priority. There is room for priorities from -4095 to 4095: one beyond counts as the last.
///
/// Keys are bounded: when there are too many, one that has hardly used anything lately is forgotten; where there is none, a
/// new user counts as a light one until there is.
///
/// ```
/// use plugin_core::Call;
/// use plugin_ratelimit::concurrency::{ByCallPriority, ByUsage, ConcurrencyLimitConfig, ConcurrencyLimitLayer};
/// # use plugin_ratelimit::plugin_core;
///
/// let tenant = |call: &Call<String>| call.context().metadata()?.get("tenant").cloned();
/// let fair = ByUsage::new(tenant, 10_000).within(ByCallPriority);
/// let layer = ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::default()).for_calls().prioritize(fair);
/// # drop(layer);
/// ```
pub struct ByUsage<X, K, P = super::SamePriority> {
    key_of: X,
    users: Arc<Users<K>>,
    within: P,
}

struct Users<K> {
    table: KeyedTable<K, Used>,
    totals: Mutex<Totals>,
}

/// What somebody used, as it was at a moment. It decays from there on.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    calls: f64,
    at: Instant,
}

/// Of all users: the sum of what they used, and of its squares.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    calls: f64,
    squares: f64,
    at: Instant,
}

impl<X, K: Hash + Eq> ByUsage<X, K> {
    /// Tells users apart by this key ([`KeyOf`], or a closure), at most so many of them. A request without a key is that of a
    /// light user.
    #[must_use]
    pub fn new<Req>(key_of: X, max_keys: usize) -> Self
    where
        X: KeyOf<Req, Key = K>,
    {
        let users = Users { table: KeyedTable::new(max_keys), totals: Mutex::new(Totals::default()) };
        Self { key_of, users: Arc::new(users), within: super::SamePriority }
    }
}

impl<X, K, P> ByUsage<X, K, P> {
    /// Sets who reads the priority that a request has otherwise. Default: all are equal.
    #[must_use]
    pub fn within<P2>(self, priority: P2) -> ByUsage<X, K, P2> {
        ByUsage { key_of: self.key_of, users: self.users, within: priority }
    }
}

impl<X, P, Req> PriorityOf<Req> for ByUsage<X, X::Key, P>
where
    X: KeyOf<Req>,
    P: PriorityOf<Req>,
{
    fn priority(&self, request: &Req) -> i16 {
        let steps = self.key_of.key(request).map_or(0, |key| self.users.ask(&key, clock::now()));
        self.within.priority(request).clamp(-FURTHEST, FURTHEST) * STEPS - steps
    }
}

impl<K: Hash + Eq + Clone> Users<K> {
    /// Somebody asks for a place: how many steps it is behind the others.
    fn ask(&self, key: &K, now: Instant) -> i16 {
        let used = self.table.get_or_insert_with(
            key,
            Used::default,
            |_, used| used.present(now) < FORGOTTEN,
            |used| {
                let before = used.present(now);
                *used = Used { calls: before + 1.0, at: now };
                before
            },
        );
        let Some(before) = used else { return 0 };
        let usual = lock(&self.totals).add(before, now);
        // One more than either: among the first few calls a second one is no more than chance.
        steps((before + 1.0) / (usual + 1.0))
    }
}

impl Used {
    fn present(&self, now: Instant) -> f64 {
        self.calls * decay(self.at, now)
    }
}

impl Totals {
    /// One who had used so much has used one more. Gives back what is usual: the mean of what users used, over the calls.
    fn add(&mut self, before: f64, now: Instant) -> f64 {
        let decay = decay(self.at, now);
        self.calls = self.calls * decay + 1.0;
        self.squares = self.squares * decay * decay + 2.0 * before + 1.0;
        self.at = now;
        self.squares / self.calls
    }
}

fn decay(from: Instant, to: Instant) -> f64 {
    (-(to.saturating_since(from).as_secs_f64() / HALF_LIFE.as_secs_f64())).exp2()
}

/// How far behind the others one is who used so many times as much as is usual.
fn steps(ratio: f64) -> i16 {
    // A tenth more is chance.
    if ratio <= 1.1 {
        return 0;
    }
    (ratio.log2() * 2.0).ceil().min(f64::from(STEPS - 1)) as i16
}

impl<X: Clone, K, P: Clone> Clone for ByUsage<X, K, P> {
    fn clone(&self) -> Self {
        Self { key_of: self.key_of.clone(), users: Arc::clone(&self.users), within: self.within.clone() }
    }
}

impl<X, K, P: fmt::Debug> fmt::Debug for ByUsage<X, K, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByUsage").field("within", &self.within).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(1 + ms * 1_000_000)
    }

    fn users(cap: usize) -> Users<u32> {
        Users { table: KeyedTable::new(cap), totals: Mutex::new(Totals::default()) }
    }

    #[test]
    fn equals_are_equal() {
        let users = users(100);
        for round in 0..200 {
            for user in 0..10 {
                assert_eq!(users.ask(&user, at(round * 10)), 0, "user {user}, round {round}");
            }
        }
    }

    #[test]
    fn who_asks_for_ten_times_as_much_falls_behind_and_the_others_do_not() {
        let users = users(100);
        let mut last = (0, 0);
        for round in 0..200 {
            let greedy = (0..10).map(|_| users.ask(&99, at(round * 10))).max().unwrap_or(0);
            let others = (0..20).map(|user| users.ask(&user, at(round * 10))).max().unwrap_or(0);
            last = (greedy, others);
        }
        assert!(last.0 >= 3 && last.1 == 0, "{last:?}");
    }

    #[test]
    fn what_was_used_is_forgiven() {
        let users = users(100);
        (0..1000).for_each(|n| assert_eq!(users.ask(&99, at(n)), 0, "nobody else asks"));
        (0..20).for_each(|user| assert_eq!(users.ask(&user, at(1000)), 0));
        assert!(users.ask(&99, at(1001)) <= 1, "almost all of the calls are its own: they are what is usual");
        for round in 0..100 {
            for user in 0..20 {
                users.ask(&user, at(60_000 + round * 10));
            }
        }
        assert_eq!(users.ask(&99, at(61_000)), 0);
    }

    #[test]
    fn a_table_that_is_full_stays_within_its_bound() {
        let users = users(64);
        for n in 0..2000 {
            users.ask(&1_000_000, at(n));
            users.ask(&(n as u32), at(n));
        }
        let mut tracked = 0;
        users.table.for_each(|_, _| tracked += 1);
        assert!(tracked <= 64, "{tracked}");
    }

    #[test]
    fn nobody_falls_behind_a_call_of_lower_priority() {
        let heavy = |priority: i16| {
            let by = ByUsage::new(|heavy: &bool| Some(*heavy), 10).within(move |_: &bool| priority);
            let now = clock::now();
            for _ in 0..10 {
                by.users.ask(&true, now);
            }
            let mut totals = lock(&by.users.totals);
            *totals = Totals { calls: 1e9, squares: 1e9, at: now };
            drop(totals);
            [by.priority(&true), by.priority(&false)]
        };
        let mut before = heavy(i16::MIN);
        for priority in [-5000, -4096, -4095, -4094, -1, 0, 1, 4094, 4095, 4096, 5000, i16::MAX] {
            let these = heavy(priority);
            assert!(these[0] < these[1], "{priority}: {these:?}");
            assert!(these == before || these[0] > before[1], "{priority}: {these:?} and {before:?}");
            before = these;
        }
    }

    #[test]
    fn steps_are_bounded() {
        assert_eq!([0.0, 1.0, 1.1, 1.4, 2.0, 2.8, 1e9, f64::INFINITY].map(steps), [0, 0, 0, 1, 2, 3, 7, 7]);
    }
}
