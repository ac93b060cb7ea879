//! What the layers allocate: nothing.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use plugin_core::Rejected;
use plugin_ratelimit::{
    RateLimitConfig, RateLimitLayer,
    concurrency::{ConcurrencyLimitConfig, ConcurrencyLimitLayer},
};
use tower::{Layer, Service};

#[derive(Clone)]
struct Echo;

impl Service<u64> for Echo {
    type Response = u64;
    type Error = Rejected;
    type Future = Ready<Result<u64, Rejected>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        ready(Ok(request))
    }
}

/// So slow that no token comes back while the test runs.
fn twenty_today() -> RateLimitConfig {
    RateLimitConfig::builder().with_requests_per_second(20.0 / 86_400.0).build().expect("valid")
}

fn allocations(f: impl FnOnce()) -> u64 {
    allocation_counter::measure(f).count_total
}

#[test]
fn neither_a_call_that_passes_nor_one_that_is_refused_allocates() {
    let layer = RateLimitLayer::new(twenty_today());
    let mut service = layer.layer(Echo);
    // The clock and the thread's stripe are set up by the first call.
    let mut results = Vec::with_capacity(100);
    let mut call = |request| {
        let future = service.call(request);
        let mut future = std::pin::pin!(future);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(result) => results.push(result.is_ok()),
            Poll::Pending => unreachable!("the service is ready at once"),
        }
    };
    call(0);
    assert_eq!(allocations(|| (0..19).for_each(&mut call)), 0, "passed");
    assert_eq!(allocations(|| (0..50).for_each(&mut call)), 0, "refused");
    assert_eq!(results.iter().filter(|passed| **passed).count(), 20);
}

#[test]
fn the_bucket_allocates_nothing_unless_somebody_waits() {
    let bucket = RateLimitLayer::new(twenty_today()).handle().bucket().clone();
    bucket.try_acquire(1).expect("it is full");
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(7)))), 1, "the counter counts");
    let counted = allocations(|| {
        for _ in 0..19 {
            let mut wait = std::pin::pin!(bucket.until_ready(1));
            let mut cx = Context::from_waker(std::task::Waker::noop());
            assert!(wait.as_mut().poll(&mut cx).is_ready());
        }
        assert!(bucket.try_acquire(1).is_err());
    });
    assert_eq!(counted, 0);
}

#[test]
fn a_call_that_finds_a_place_and_a_permit_that_is_free_allocate_nothing() {
    let config = ConcurrencyLimitConfig::builder().with_max(2).with_queue(0).build().expect("valid");
    let layer = ConcurrencyLimitLayer::new(config);
    let limit = layer.handle().limit().clone();
    let mut service = layer.layer(Echo);
    let mut passed = 0;
    let mut call = |request| {
        let mut future = std::pin::pin!(service.call(request));
        passed += u32::from(future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready());
    };
    call(0);
    assert_eq!(allocations(|| (0..19).for_each(&mut call)), 0, "calls");
    let permits = allocations(|| {
        let held = limit.try_acquire().expect("free");
        let mut wait = std::pin::pin!(limit.acquire());
        let other = wait.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(matches!(other, Poll::Ready(Ok(_))) && limit.try_acquire().is_err());
        drop((held, other));
    });
    assert_eq!((permits, passed), (0, 20));
}
