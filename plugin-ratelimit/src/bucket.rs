//! The token bucket, usable without tower.

use std::{fmt, sync::Arc, task::Waker, time::Duration};

use plugin_core::{
    Quota, Rejected,
    clock::{self, Instant},
    sync::Pad,
};

use crate::{
    RateLimitConfig,
    gcra::{self, Limit},
    meter::{Meter, Quick, Reading, Taken, Who},
    queue::{Found, Left, Queue, Serving},
    sync::{Mutex, MutexGuard, lock},
    wake::wake_all,
};

/// A bucket of tokens: it starts full, refills steadily, and whoever wants to pass takes tokens out of it.
///
/// In any window of length `t` at most `burst_size + requests_per_second * t` tokens are taken. Every clone is the
/// same bucket. Those who wait with [`until_ready`](Self::until_ready) are served in the order in which they came, and
/// nobody overtakes them: while somebody waits, [`try_acquire`](Self::try_acquire) refuses.
///
/// ```
/// use plugin_ratelimit::{RateLimitConfig, TokenBucket};
///
/// let bucket = TokenBucket::new(RateLimitConfig::builder().with_burst_size(5).build()?);
/// bucket.try_acquire(4)?;
/// let refused = bucket.try_acquire(2).expect_err("one token is left");
/// assert!(refused.retry_after().is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TokenBucket(Arc<BucketState>);

struct BucketState {
    // Threads that take tokens write here; on lines of its own, so that nothing else is slowed.
    meter: Pad<Meter>,
    rare: Mutex<Rare>,
}

/// What is touched when somebody waits or settings change, never by a request that is let through or refused at once.
struct Rare {
    queue: Queue,
    config: RateLimitConfig,
    enabled: bool,
}

impl Rare {
    fn limit(&self) -> Limit {
        let limit = self.config.limit();
        if self.enabled { limit } else { limit.unlimited() }
    }
}

/// What one who waits finds.
pub(crate) enum Turn {
    Done(Result<(), Rejected>),
    Waiting { ticket: u64, wait: Duration },
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub fn new(config: RateLimitConfig) -> Self {
        Self::with_enabled(config, true)
    }

    pub(crate) fn with_enabled(config: RateLimitConfig, enabled: bool) -> Self {
        let rare = Rare { queue: Queue::default(), config, enabled };
        let limit = rare.limit();
        Self(Arc::new(BucketState { meter: Pad(Meter::new(limit)), rare: Mutex::new(rare) }))
    }

    /// Takes `n` tokens now, or none.
    ///
    /// Never waits and never allocates. Zero tokens are always there.
    ///
    /// # Errors
    ///
    /// `RATELIMIT_1501`: with [`retry_after`](Rejected::retry_after) when the tokens are not there yet, or others wait
    /// for theirs; without it when `n` is more than the bucket ever holds.
    #[inline]
    pub fn try_acquire(&self, n: u32) -> Result<(), Rejected> {
        self.acquire(n, clock::now).map(drop)
    }

    /// Like [`try_acquire`](Self::try_acquire), at a moment that the caller has read from the clock already.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    #[inline]
    pub fn try_acquire_at(&self, n: u32, now: Instant) -> Result<(), Rejected> {
        self.acquire(n, || now).map(drop)
    }

    /// The tokens in the bucket; `None` while it is disabled.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.quota().map(|quota| quota.remaining)
    }

    /// The state of the bucket, as response headers give it; `None` while it is disabled.
    #[must_use]
    pub fn quota(&self) -> Option<Quota> {
        let reading = self.reading();
        reading.limit.quota(reading.arrival, clock::now().as_nanos())
    }

    pub(crate) fn waiting(&self) -> usize {
        self.rare().queue.waiting()
    }

    pub(crate) fn reading(&self) -> Reading {
        self.0.meter.read()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> RateLimitConfig {
        self.rare().config
    }

    /// Changes the settings, and keeps what is owed: a bucket that lacks seven tokens of its burst still lacks seven.
    ///
    /// A smaller burst than the tokens that are owed lets nobody through until the difference is paid.
    pub fn reconfigure(&self, config: RateLimitConfig) {
        self.change(|rare| rare.config = config);
    }

    /// Limits again, after [`disable`](Self::disable).
    pub fn enable(&self) {
        self.change(|rare| rare.enabled = true);
    }

    /// Lets everybody through, and those who wait first. No tokens are taken.
    pub fn disable(&self) {
        self.change(|rare| rare.enabled = false);
    }

    /// Whether anything is limited.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.meter.is_limited()
    }

    fn change(&self, change: impl FnOnce(&mut Rare)) {
        let mut rare = self.rare();
        let from = rare.config.limit().interval;
        change(&mut rare);
        let to = rare.config.limit().interval;
        let now = clock::now().as_nanos();
        self.0.meter.change(rare.limit(), from, to, now);
        rare.queue.adjust_grants(0, |taken| gcra::rescale(taken, now, from, to));
        let mut wake = self.serve(&mut rare, now);
        // Those who still wait have timers for the old settings, or may ask for more than the bucket now holds.
        wake.extend(rare.queue.take_wakers());
        drop(rare);
        wake_all(wake);
    }

    /// Whether tokens were taken, or none are asked for.
    #[inline]
    pub(crate) fn acquire(&self, n: u32, clock: impl FnOnce() -> Instant) -> Result<Acquired, Rejected> {
        if n == 0 {
            return Ok(Acquired::Free);
        }
        if !self.0.meter.is_limited() {
            return Ok(Acquired::Free);
        }
        // Read before the bucket is, so that other threads have less time to come between.
        let now = clock().as_nanos();
        match self.0.meter.try_take(n.into(), now) {
            Quick::Admitted => Ok(Acquired::Taken),
            Quick::Unlimited => Ok(Acquired::Free),
            Quick::Refused => self.acquire_slowly(n, now),
        }
    }

    /// Tries again, and finds out why not.
    #[cold]
    fn acquire_slowly(&self, n: u32, now: u64) -> Result<Acquired, Rejected> {
        match self.0.meter.take(n.into(), Who::Newcomer, now) {
            Taken::Behind => self.acquire_behind(n, now),
            taken => result(n, now, taken),
        }
    }

    /// Others were waiting a moment ago.
    fn acquire_behind(&self, n: u32, now: u64) -> Result<Acquired, Rejected> {
        let mut rare = self.rare();
        let wake = self.serve(&mut rare, now);
        let result = if rare.queue.is_waiting() {
            let reading = self.0.meter.read();
            let arrival = reading.limit.behind(reading.arrival, now, rare.queue.waiting_tokens());
            match reading.limit.wait(arrival, now, n.into()) {
                None => Err(Rejected::too_costly(n.into(), reading.limit.burst())),
                Some(wait) => Err(reading.limit.refusal(reading.arrival, now, wait)),
            }
        } else {
            // The lock keeps new ones out of the line, so nobody is overtaken.
            result(n, now, self.0.meter.take(n.into(), Who::First, now))
        };
        drop(rare);
        wake_all(wake);
        result
    }

    /// Gets in line.
    pub(crate) fn line_up(&self, n: u32, waker: Waker) -> Turn {
        let present = waker.clone();
        let mut rare = self.rare();
        // Newcomers are turned away from here on, so that none slips past the entry.
        self.0.meter.set_waiting(true);
        let ticket = rare.queue.push(n.into(), present);
        self.look(rare, ticket, waker)
    }

    /// Asks whether it is this ticket's turn.
    pub(crate) fn ask(&self, ticket: u64, waker: Waker) -> Turn {
        self.look(self.rare(), ticket, waker)
    }

    fn look(&self, mut rare: MutexGuard<'_, Rare>, ticket: u64, waker: Waker) -> Turn {
        let now = clock::now().as_nanos();
        let wake = self.serve(&mut rare, now);
        let mut drop_later = None;
        let (turn, dropped) = match rare.queue.look(ticket, waker) {
            Some((Found::Waiting { tokens, ahead }, old)) => {
                let reading = self.0.meter.read();
                let arrival = reading.limit.behind(reading.arrival, now, ahead);
                let turn = match reading.limit.wait(arrival, now, tokens) {
                    Some(wait) => Turn::Waiting { ticket, wait: Duration::from_nanos(wait) },
                    None => {
                        let left = rare.queue.leave(ticket);
                        drop_later = left.and_then(|left| left.waker);
                        Turn::Done(Err(Rejected::too_costly(tokens, reading.limit.burst())))
                    }
                };
                (turn, old)
            }
            Some((Found::Served(serving), old)) => {
                let tokens = rare.queue.leave(ticket).map_or(0, |left| left.tokens);
                let result = match serving {
                    Serving::Granted { .. } | Serving::Unlimited => Ok(()),
                    Serving::Never { burst } => Err(Rejected::too_costly(tokens, burst)),
                };
                (Turn::Done(result), old)
            }
            // A ticket is asked about only until it is done.
            None => (Turn::Done(Ok(())), None),
        };
        drop(rare);
        drop((dropped, drop_later));
        wake_all(wake);
        turn
    }

    /// Leaves the line, and gives back what was granted and not noticed.
    pub(crate) fn leave(&self, ticket: u64) {
        let mut rare = self.rare();
        let Some(Left { tokens, serving, was_first, waker }) = rare.queue.leave(ticket) else { return };
        let now = clock::now().as_nanos();
        if let Some(Serving::Granted { taken }) = serving {
            let moved = self.0.meter.give_back(tokens, taken, now);
            // Grants that came later stood on this one.
            rare.queue.adjust_grants(ticket, |taken| taken.saturating_sub(moved));
        }
        let mut wake = self.serve(&mut rare, now);
        if was_first || serving.is_some() {
            // The first who still waits may be due earlier than its timer says.
            wake.extend(rare.queue.take_first_waker());
        }
        drop(rare);
        drop(waker);
        wake_all(wake);
    }

    /// Serves those who wait, in order, as far as the tokens go. The result is woken when the lock is not held.
    fn serve(&self, rare: &mut Rare, now: u64) -> Vec<Waker> {
        let mut wake = Vec::new();
        let mut blocked = false;
        while !blocked && let Some(tokens) = rare.queue.first() {
            let serving = match self.0.meter.take(tokens, Who::First, now) {
                Taken::Admitted { arrival } => Serving::Granted { taken: arrival },
                Taken::Unlimited => Serving::Unlimited,
                Taken::Never { burst } => Serving::Never { burst },
                Taken::Wait { .. } | Taken::Behind => {
                    blocked = true;
                    continue;
                }
            };
            wake.extend(rare.queue.serve(serving));
        }
        if blocked {
            if !wake.is_empty() {
                // Somebody else is the first now, and its timer counted on those before it.
                wake.extend(rare.queue.take_first_waker());
            }
        } else {
            self.0.meter.set_waiting(false);
        }
        wake
    }

    fn rare(&self) -> MutexGuard<'_, Rare> {
        lock(&self.0.rare)
    }
}

fn result(n: u32, now: u64, taken: Taken) -> Result<Acquired, Rejected> {
    match taken {
        Taken::Admitted { .. } => Ok(Acquired::Taken),
        Taken::Unlimited => Ok(Acquired::Free),
        Taken::Never { burst } => Err(Rejected::too_costly(n.into(), burst)),
        Taken::Wait { reading, wait } => Err(reading.limit.refusal(reading.arrival, now, wait)),
        // Not for the first in line. A newcomer finds the line itself.
        Taken::Behind => Err(Rejected::rate_limited(Duration::from_nanos(1))),
    }
}

/// How a request passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// It took tokens.
    Taken,
    /// It took none, since nothing is limited or none were asked for.
    Free,
}

impl fmt::Debug for TokenBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBucket").field("quota", &self.quota()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_left_of_a_line_whose_waits_have_ended() {
        let config = RateLimitConfig::builder().with_requests_per_second(10.0).with_burst_size(1);
        let bucket = TokenBucket::new(config.build().expect("valid"));
        for _ in 0..20 {
            bucket.until_ready(1).await.expect("it fits");
        }
        assert!(bucket.rare().queue.is_empty());
        tokio::time::advance(Duration::from_secs(1)).await;
        let quick = bucket.0.meter.try_take(1, clock::now().as_nanos());
        assert_eq!(quick, Quick::Admitted, "nobody has to look for the line any more");
    }
}
