//! The timers of calls, made in one place, so that a test can count them.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{task::coop, time::Sleep};

use crate::clock::{self, Instant};

/// A timer that wakes a call. It is boxed when it is armed and not part of the future, so that futures stay small where
/// responses are ready at once.
pub type Timer = Pin<Box<Sleep>>;

/// Arms a timer that wakes a call after this time. Whoever waits for an end of a call's time, or for its next step, takes
/// it from here.
///
/// # Panics
///
/// Outside of a tokio runtime with its timers enabled.
#[must_use]
pub fn arm(after: Duration) -> Timer {
    counted(tokio::time::sleep(after))
}

/// Arms a timer that wakes a call at this moment, up to a millisecond late; at once when it has passed. No clock is read
/// for it, so it costs a call that knows its deadline less than [`arm`] does.
///
/// # Panics
///
/// Outside of a tokio runtime with its timers enabled.
#[must_use]
pub fn arm_at(at: Instant) -> Timer {
    counted(tokio::time::sleep_until(clock::on_tokio(at)))
}

/// Whether it has fired, be the task's budget spent or not. What it limits is polled before it, and where that is always ready for
/// more, as with a peer that floods, tokio would tell of no timer in the same task.
pub fn fired(sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
    if coop::has_budget_remaining() {
        return sleep.poll(cx);
    }
    pin!(coop::unconstrained(sleep)).poll(cx)
}

fn counted(sleep: Sleep) -> Timer {
    count();
    Box::pin(sleep)
}

/// One more was armed.
#[inline]
pub(super) fn count() {
    #[cfg(any(debug_assertions, feature = "test-util"))]
    ARMED.with(|armed| armed.set(armed.get() + 1));
}

#[cfg(any(debug_assertions, feature = "test-util"))]
thread_local!(static ARMED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) });

/// Timers that were armed on this thread so far. For tests: it is there in builds with debug assertions and with the
/// feature `test-util`.
#[cfg(any(debug_assertions, feature = "test-util"))]
#[must_use]
pub fn armed() -> u64 {
    ARMED.with(std::cell::Cell::get)
}
