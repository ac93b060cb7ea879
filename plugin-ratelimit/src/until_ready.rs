//! Waiting for tokens.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use plugin_core::{
    Rejected,
    clock::{self, Instant},
    deadline::{
        cut, enforced,
        timer::{self, Timer},
        waiting,
    },
    polled_after_end,
};
use tokio::time;

use crate::{TokenBucket, bucket::Turn};

/// What a call waits for in line.
const WAITING: &str = "waiting for a token";

/// So much later than is allowed a token may come that was on time when its wait began.
const LATE: Duration = Duration::from_millis(10);

/// The longest that one timer runs; a longer wait arms it again.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl TokenBucket {
    /// Takes `n` tokens, and waits for them in line if they are not there.
    ///
    /// Nothing happens before the first poll. The order of the line is the order of first polls. Dropping the future
    /// leaves the line, and gives back tokens that it was given and never told of. A future that is kept and not polled
    /// does not block the line: whoever looks next gives it the tokens of its turn, and those behind it lose what the
    /// bucket could not hold meanwhile. Waits end with tokio's timer, so up to a millisecond late; what the bucket can
    /// hold of that millisecond's tokens is not lost. A wait that a layer further out cuts at its limit is no evidence against
    /// what stands behind the bucket.
    ///
    /// # Errors
    ///
    /// The future ends at once with `RATELIMIT_1501` when `n` is more than the bucket ever holds, also when new settings
    /// make the bucket smaller while it waits; and when the tokens would come after the deadline that a
    /// [`DeadlineLayer`](plugin_core::deadline::DeadlineLayer) further out enforces.
    ///
    /// # Panics
    ///
    /// When the future has to wait outside of a tokio runtime with a timer.
    pub fn until_ready(&self, n: u32) -> UntilReady {
        self.until_ready_within(n, Duration::MAX)
    }

    /// Like [`until_ready`](Self::until_ready), for whoever waits this long and no longer. How long it takes is known when the wait
    /// begins: where it is longer, the future ends at once.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use plugin_ratelimit::{RateLimitConfig, TokenBucket};
    ///
    /// let config = RateLimitConfig::builder().with_requests_per_second(2.0).with_burst_size(1).build()?;
    /// let bucket = TokenBucket::new(config);
    /// bucket.until_ready_within(1, Duration::ZERO).await?;
    /// bucket.until_ready_within(1, Duration::from_secs(1)).await?; // after half a second
    /// let refused = bucket.until_ready_within(1, Duration::from_millis(100)).await.expect_err("it takes half a second");
    /// assert_eq!(refused.retry_after(), Some(Duration::from_millis(500)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`until_ready`](Self::until_ready), and `RATELIMIT_1501` with the time after which the tokens would be there when that is
    /// longer than `max_wait`, at once; or at the end of `max_wait`, when new settings have made it longer. Timers are late: a token that
    /// comes up to 10 ms after its time is taken.
    ///
    /// # Panics
    ///
    /// As [`until_ready`](Self::until_ready).
    pub fn until_ready_within(&self, n: u32, max_wait: Duration) -> UntilReady {
        UntilReady { bucket: self.clone(), tokens: n, state: WaitState::New { max_wait } }
    }
}

/// The future of [`TokenBucket::until_ready`] and [`TokenBucket::until_ready_within`]. Dropping it leaves the line.
#[must_use = "a future does nothing until it is polled"]
pub struct UntilReady {
    bucket: TokenBucket,
    tokens: u32,
    state: WaitState,
}

enum WaitState {
    New { max_wait: Duration },
    InLine { ticket: u64, until: Instant, timer: Option<Timer> },
    Done,
}

/// What somebody finds who asks for its turn.
enum Asked {
    Done(Result<(), Rejected>),
    Waiting { ticket: u64, until: Instant, wait: Duration },
}

impl UntilReady {
    fn ask(&self, cx: &Context<'_>) -> Asked {
        let (turn, until) = match &self.state {
            WaitState::New { max_wait } => {
                let rejected = match self.bucket.acquire(self.tokens, clock::now) {
                    Err(rejected) => rejected,
                    Ok(_) => return Asked::Done(Ok(())),
                };
                let now = clock::now();
                let until = now.saturating_add(*max_wait);
                let time = until.min(enforced().unwrap_or(Instant::MAX)).saturating_since(now);
                if rejected.retry_after().is_none_or(|wait| wait > time) {
                    return Asked::Done(Err(rejected));
                }
                let turn = self.bucket.line_up(self.tokens, cx.waker().clone());
                // Others may have come between.
                if let Turn::Waiting { ticket, wait } = turn
                    && wait > time
                {
                    self.bucket.leave(ticket);
                    return Asked::Done(Err(Rejected::rate_limited(wait)));
                }
                (turn, until)
            }
            WaitState::InLine { ticket, until, .. } => (self.bucket.ask(*ticket, cx.waker().clone()), *until),
            WaitState::Done => polled_after_end("plugin_ratelimit::UntilReady"),
        };
        match turn {
            Turn::Done(result) => Asked::Done(result),
            Turn::Waiting { ticket, wait } => Asked::Waiting { ticket, until, wait },
        }
    }
}

impl Future for UntilReady {
    type Output = Result<(), Rejected>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let (ticket, until, wait) = match this.ask(cx) {
                Asked::Done(result) => {
                    this.state = WaitState::Done;
                    return Poll::Ready(result);
                }
                Asked::Waiting { ticket, until, wait } => (ticket, until, wait),
            };
            // The ticket is kept before a timer is made: without a runtime that panics, and the drop must find it.
            if !matches!(this.state, WaitState::InLine { .. }) {
                this.state = WaitState::InLine { ticket, until, timer: None };
            }
            let left = until.saturating_since(clock::now());
            let is_over = left == Duration::ZERO;
            if is_over && wait > LATE {
                // New settings. Who is only as late as timers are has not waited in vain.
                this.bucket.leave(ticket);
                this.state = WaitState::Done;
                return Poll::Ready(Err(Rejected::rate_limited(wait)));
            }
            let wait = if is_over { wait } else { wait.min(left) }.min(LONGEST);
            let WaitState::InLine { timer, .. } = &mut this.state else { return Poll::Pending };
            match timer {
                Some(timer) => timer.as_mut().reset(time::Instant::now() + wait),
                None => *timer = Some(timer::arm(wait)),
            }
            let Some(timer) = timer else { return Poll::Pending };
            if timer.as_mut().poll(cx).is_pending() {
                waiting::note(WAITING);
                waiting::enforcing(clock::now().saturating_add(wait));
                return Poll::Pending;
            }
        }
    }
}

impl Drop for UntilReady {
    fn drop(&mut self) {
        if let WaitState::InLine { ticket, .. } = self.state {
            self.bucket.leave(ticket);
            // It is the limit's doing, and says nothing of what is behind it.
            cut::report_held(WAITING);
        }
    }
}

impl fmt::Debug for UntilReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilReady")
            .field("tokens", &self.tokens)
            .field("in_line", &matches!(self.state, WaitState::InLine { .. }))
            .finish_non_exhaustive()
    }
}
