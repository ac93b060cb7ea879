//! Waiting for tokens.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use plugin_core::{
    Rejected, clock,
    deadline::{
        cut,
        timer::{self, Timer},
        waiting,
    },
    polled_after_end,
};
use tokio::time::Instant;

use crate::{TokenBucket, bucket::Turn};

/// What a call waits for in line.
const WAITING: &str = "waiting for a token";

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
    /// make the bucket smaller while it waits.
    ///
    /// # Panics
    ///
    /// When the future has to wait outside of a tokio runtime with a timer.
    pub fn until_ready(&self, n: u32) -> UntilReady {
        UntilReady { bucket: self.clone(), tokens: n, state: WaitState::New }
    }
}

/// The future of [`TokenBucket::until_ready`]. Dropping it leaves the line.
#[must_use = "a future does nothing until it is polled"]
pub struct UntilReady {
    bucket: TokenBucket,
    tokens: u32,
    state: WaitState,
}

enum WaitState {
    New,
    InLine { ticket: u64, timer: Option<Timer> },
    Done,
}

impl Future for UntilReady {
    type Output = Result<(), Rejected>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let turn = match &this.state {
                WaitState::New => match this.bucket.acquire(this.tokens, clock::now) {
                    Err(rejected) if rejected.retry_after().is_some() => {
                        this.bucket.line_up(this.tokens, cx.waker().clone())
                    }
                    result => Turn::Done(result.map(drop)),
                },
                WaitState::InLine { ticket, .. } => this.bucket.ask(*ticket, cx.waker().clone()),
                WaitState::Done => polled_after_end("plugin_ratelimit::UntilReady"),
            };
            let (ticket, wait) = match turn {
                Turn::Done(result) => {
                    this.state = WaitState::Done;
                    return Poll::Ready(result);
                }
                Turn::Waiting { ticket, wait } => (ticket, wait.min(LONGEST)),
            };
            // The ticket is kept before a timer is made: without a runtime that panics, and the drop must find it.
            if !matches!(this.state, WaitState::InLine { .. }) {
                this.state = WaitState::InLine { ticket, timer: None };
            }
            let WaitState::InLine { timer, .. } = &mut this.state else { return Poll::Pending };
            match timer {
                Some(timer) => timer.as_mut().reset(Instant::now() + wait),
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
