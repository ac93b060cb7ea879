//! Waiting for a permit.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use plugin_core::{
    Rejected,
    clock::Instant,
    deadline::{
        cut,
        timer::{self, Timer},
        waiting,
    },
    polled_after_end,
};

use super::{
    ConcurrencyLimit, Permit,
    queueing::{Turn, Wait},
};

/// What a call waits for in line.
const WAITING: &str = "waiting for a place in flight";

impl ConcurrencyLimit {
    /// Takes a permit, and waits for one in line if none is free.
    ///
    /// Nothing happens before the first poll, and the order of the line is the order of first polls. Dropping the future
    /// leaves the line; a permit that it was handed and never took goes to the next. A future that is kept and not polled
    /// keeps the permit that it was handed.
    ///
    /// The wait ends with tokio's timer after `max_wait`, so up to a millisecond late. Within a
    /// [`DeadlineLayer`](plugin_core::deadline::DeadlineLayer) nobody waits past the deadline of the call.
    ///
    /// # Errors
    ///
    /// - `OVERLOAD_2001` at once, when none may wait (`queue: 0`) and no permit is free.
    /// - `OVERLOAD_2002` at once, when the line is full, or when it moves so slowly that the permit would come too late although
    ///   it moved twice as fast; and after `max_wait`.
    /// - `OVERLOAD_2003` when the call is shed: for one of higher priority, by a [`Prioritizer`](super::Prioritizer), for a newer one with the order
    ///   [`Lifo`](super::QueueOrder::Lifo), after the time that [`Codel`](super::QueueOrder::Codel) allows.
    ///
    /// # Panics
    ///
    /// When the future has to wait outside of a tokio runtime with a timer.
    pub fn acquire(&self) -> Acquire {
        self.acquire_with_priority(0)
    }

    /// Like [`acquire`](Self::acquire), for a call of this priority: larger is more important, 0 is usual. Who is more
    /// important is served first, and takes the place in a full line of who is less.
    pub fn acquire_with_priority(&self, priority: i16) -> Acquire {
        Acquire { limit: self.clone(), priority, state: WaitState::New }
    }
}

/// The future of [`ConcurrencyLimit::acquire`]. Dropping it leaves the line.
#[must_use = "a future does nothing until it is polled"]
pub struct Acquire {
    limit: ConcurrencyLimit,
    priority: i16,
    state: WaitState,
}

enum WaitState {
    New,
    InLine { wait: Wait, timer: Option<Timer> },
    Done,
}

impl Acquire {
    /// Whether it has begun to wait.
    pub(super) fn is_in_line(&self) -> bool {
        matches!(self.state, WaitState::InLine { .. })
    }

    /// It has its turn, or has been refused. `None`: it waits in line.
    fn turn(&mut self, cx: &Context<'_>) -> Option<Result<Permit, Rejected>> {
        match &self.state {
            WaitState::New => {
                if let Some(permit) = self.limit.enter() {
                    return Some(Ok(permit));
                }
                if let Some(rejected) = self.limit.refuse_without_line() {
                    return Some(Err(rejected));
                }
                match self.limit.line_up(self.priority, cx.waker().clone()) {
                    // Kept before a timer is made: without a runtime that panics, and the drop must find it.
                    Ok(wait) => self.state = WaitState::InLine { wait, timer: None },
                    Err(result) => return Some(result),
                }
                None
            }
            WaitState::InLine { wait, .. } => match self.limit.ask(wait, cx.waker().clone()) {
                Turn::Done(result) => Some(result),
                Turn::Waiting => None,
            },
            WaitState::Done => polled_after_end("plugin_ratelimit::concurrency::Acquire"),
        }
    }
}

impl Future for Acquire {
    type Output = Result<Permit, Rejected>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(result) = this.turn(cx) {
            this.state = WaitState::Done;
            return Poll::Ready(result);
        }
        let WaitState::InLine { wait, timer } = &mut this.state else { return Poll::Pending };
        let is_late = wait.until != Instant::MAX
            && timer.get_or_insert_with(|| timer::arm_at(wait.until)).as_mut().poll(cx).is_ready();
        if is_late {
            let result = this.limit.give_up(wait);
            this.state = WaitState::Done;
            return Poll::Ready(result);
        }
        waiting::note(WAITING);
        if wait.until != Instant::MAX {
            waiting::enforcing(wait.until);
        }
        Poll::Pending
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if let WaitState::InLine { wait, .. } = &self.state {
            // Calls that never end hold every place: the service behind the limit has had its time.
            let others_ended = self.limit.abandon(wait);
            cut::report_in_line(WAITING, others_ended);
        }
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("priority", &self.priority)
            .field("in_line", &self.is_in_line())
            .finish_non_exhaustive()
    }
}
