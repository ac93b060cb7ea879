//! What the tests have in common.

use std::time::Duration;

use plugin_core::{Code, Rejected};
use plugin_ratelimit::concurrency::{Acquire, ConcurrencyLimit, ConcurrencyLimitConfig, Permit, QueueOrder};
use tokio_test::task::{self, Spawn};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn config(max: u32, queue: u32) -> ConcurrencyLimitConfig {
    ConcurrencyLimitConfig::builder().with_max(max).with_queue(queue).build().expect("valid")
}

pub(crate) fn limit(max: u32, queue: u32) -> ConcurrencyLimit {
    ConcurrencyLimit::new(config(max, queue))
}

pub(crate) fn in_order(max: u32, queue: u32, order: QueueOrder) -> ConcurrencyLimit {
    ConcurrencyLimit::new(config(max, queue).to_builder().with_order(order).build().expect("valid"))
}

pub(crate) fn take(limit: &ConcurrencyLimit, n: u32) -> Vec<Permit> {
    (0..n).map(|_| limit.try_acquire().expect("a place is free")).collect()
}

/// Somebody who waits: it was polled once.
pub(crate) fn waits(limit: &ConcurrencyLimit, priority: i16) -> Spawn<Acquire> {
    let mut waiter = task::spawn(limit.acquire_with_priority(priority));
    assert!(waiter.poll().is_pending(), "no place is free");
    waiter
}

/// Somebody who is refused at once.
pub(crate) fn refused(limit: &ConcurrencyLimit, priority: i16) -> Code {
    match task::spawn(limit.acquire_with_priority(priority)).poll() {
        std::task::Poll::Ready(Err(rejected)) => rejected.code(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn code(result: Result<Permit, Rejected>) -> Code {
    result.expect_err("refused").code()
}

/// In flight, waiting.
pub(crate) fn counts(limit: &ConcurrencyLimit) -> (u32, u32) {
    let stats = limit.stats();
    (stats.in_flight, stats.waiting)
}
