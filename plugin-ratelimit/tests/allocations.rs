//! What the layers allocate: nothing.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use plugin_core::Rejected;
use plugin_ratelimit::{
    KeyedRateLimitConfig, KeyedRateLimitLayer, KeyedTokenBucket, RateLimitConfig, RateLimitLayer,
    concurrency::{ConcurrencyLimitConfig, ConcurrencyLimitLayer, KeyedConcurrencyLimit, KeyedConcurrencyLimitConfig},
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
fn a_call_with_a_known_key_allocates_nothing() {
    let layer = KeyedRateLimitLayer::new(twenty_today(), |key: &u64| Some(*key));
    let mut service = layer.layer(Echo);
    let mut passed = 0;
    let mut call = |request| {
        let future = std::pin::pin!(service.call(request));
        let polled = future.poll(&mut Context::from_waker(std::task::Waker::noop()));
        passed += u32::from(matches!(polled, Poll::Ready(Ok(_))));
    };
    (0..10).for_each(&mut call);
    assert_eq!(allocations(|| (0..10).cycle().take(400).for_each(&mut call)), 0);
    assert_eq!(passed, 200, "some were refused");
}

#[test]
fn a_permit_of_a_key_that_needs_no_copy_on_the_heap_allocates_nothing() {
    let limit = KeyedConcurrencyLimit::<u64>::new(KeyedConcurrencyLimitConfig::default());
    let take = || [limit.try_acquire(1).is_ok(), limit.try_acquire(2).is_ok()];
    take();
    assert_eq!(allocations(|| assert_eq!(take(), [true, true])), 0);
}

#[test]
fn a_text_is_copied_when_it_is_first_seen_and_not_again() {
    // So few that all are in one part of the table, which then has room for some.
    let config = KeyedRateLimitConfig::builder().with_limit(twenty_today()).with_max_keys(1_000).build();
    let bucket = KeyedTokenBucket::<String>::new(config.expect("valid"));
    bucket.try_acquire("acme", 1).expect("full");
    assert_eq!(allocations(|| assert!(bucket.try_acquire("acme", 1).is_ok())), 0);
    assert_eq!(allocations(|| assert!(bucket.try_acquire("globex", 1).is_ok())), 1);
}

/// The bytes that a table of so many keys holds when it is full, and how many keys it then has.
fn full_table(max_keys: u32) -> (u64, usize) {
    let config = KeyedRateLimitConfig::builder().with_limit(twenty_today()).with_max_keys(max_keys).build();
    let config = config.expect("valid");
    let mut bucket = None;
    let held = allocation_counter::measure(|| {
        let table = bucket.insert(KeyedTokenBucket::<u64>::new(config));
        for key in 0..u64::from(max_keys) * 2 {
            let _full_or_not = table.try_acquire(&key, 1);
        }
    });
    let keys = bucket.expect("made").keys();
    (u64::try_from(held.bytes_current).expect("it holds something"), keys)
}

#[test]
fn a_full_table_takes_forty_bytes_for_a_key_of_eight_at_most() {
    // What is there before the first key comes, and the buckets of the overflow.
    let fixed = 64 * 1024;
    for max_keys in [2_000, 30_000, 100_000, 200_000] {
        let (bytes, keys) = full_table(max_keys);
        assert!(keys * 100 >= max_keys as usize * 98, "{keys} of {max_keys}");
        let each = (bytes.saturating_sub(fixed)) as f64 / keys as f64;
        println!("{max_keys} keys: {bytes} bytes, {each:.1} for each key");
        assert!(each <= 40.0, "{each:.1} bytes for each of {keys} keys");
    }
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
    let held = [(); 2].map(|()| limit.try_acquire().expect("free"));
    let mut refused = 0;
    let refusals = allocations(|| {
        for request in 0..20 {
            let future = std::pin::pin!(service.call(request));
            let polled = future.poll(&mut Context::from_waker(std::task::Waker::noop()));
            refused += u32::from(matches!(polled, Poll::Ready(Err(_))));
        }
    });
    assert_eq!(
        (refusals, refused, limit.stats().refused),
        (0, 20, 21),
        "without a line nothing is kept of who is refused"
    );
    drop(held);
    layer.handle().disable();
    let mut passed = 0;
    let off = allocations(|| {
        for request in 0..20 {
            let future = std::pin::pin!(service.call(request));
            let polled = future.poll(&mut Context::from_waker(std::task::Waker::noop()));
            passed += u32::from(matches!(polled, Poll::Ready(Ok(_))));
        }
    });
    assert_eq!((off, passed, limit.stats().admitted), (0, 20, 24), "what passes a limit that is off is not counted");
}
