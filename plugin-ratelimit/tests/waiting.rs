//! The layer that holds calls until their tokens are there.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use plugin_core::{Call, Code, PluginError, Rejected, Reply, clock, deadline::DeadlineLayer};
use plugin_ratelimit::{RateLimitConfig, RateLimitLayer, TokenBucket, WaitingRateLimit, WaitingRateLimitLayer};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock;

const SECOND: Duration = Duration::from_secs(1);
const TENTH: Duration = Duration::from_millis(100);

fn config(per_second: f64, burst: u32) -> RateLimitConfig {
    RateLimitConfig::builder().with_requests_per_second(per_second).with_burst_size(burst).build().expect("valid")
}

/// Ten per second, a burst of one.
fn layer(max_wait: Duration) -> WaitingRateLimitLayer {
    RateLimitLayer::new(config(10.0, 1)).waiting(max_wait)
}

fn echo() -> impl Service<Call<u32>, Response = Reply<u32>, Error = PluginError, Future: Send> + Clone {
    service_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) })
}

#[tokio::test(start_paused = true)]
async fn a_hundred_calls_are_let_through_in_the_order_in_which_they_came_and_at_the_rate() {
    let begin = clock::now();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let stack = layer(100 * SECOND).layer(service_fn(|call: Call<u32>| {
        seen.borrow_mut().push((call.into_payload(), begin.elapsed()));
        async { Ok::<_, PluginError>(()) }
    }));
    let mut calls: Vec<_> = (0..100).map(|n| task::spawn(stack.clone().oneshot(Call::new(n)))).collect();
    calls.retain_mut(|call| call.poll().is_pending());
    while !calls.is_empty() {
        tokio::time::advance(TENTH).await;
        // In any order but that of the line.
        calls.reverse();
        calls.retain_mut(|call| !call.is_woken() || call.poll().is_pending());
    }
    let seen = seen.borrow();
    assert!(seen.iter().map(|(n, _)| *n).eq(0..100), "{seen:?}");
    let last = seen.last().expect("all came").1;
    assert!(last >= 99 * TENTH, "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_wait_too_long_is_refused_at_once_and_says_when_to_come_back() {
    let layer = layer(2 * TENTH);
    let handle = layer.handle();
    let stack = layer.layer(echo());
    let mut calls: Vec<_> = (0..4).map(|n| task::spawn(stack.clone().oneshot(Call::new(n)))).collect();
    assert_ready_ok!(calls[0].poll());
    assert_pending!(calls[1].poll());
    assert_pending!(calls[2].poll());
    let refused = assert_ready_err!(calls[3].poll());
    assert_eq!((refused.code(), refused.retry_after()), (Code::RateLimited, Some(3 * TENTH)));
    let stats = handle.stats();
    assert_eq!((stats.allowed, stats.refused, stats.waiting), (1, 1, 2));
    for call in &mut calls[1..3] {
        tokio::time::advance(TENTH).await;
        assert_ready_ok!(call.poll());
    }
    assert_eq!((handle.stats().allowed, handle.stats().waiting), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_comes_before_its_token_is_refused_at_once() {
    let limited = layer(10 * SECOND);
    let handle = limited.handle();
    let stack = ServiceBuilder::new().layer(DeadlineLayer::new(SECOND)).layer(limited).service(echo());
    assert!(stack.clone().oneshot(Call::new(0)).await.is_ok());
    let begin = clock::now();
    let late = Call::new(1).with_timeout(TENTH / 2);
    let refused = stack.clone().oneshot(late).await.expect_err("its token comes after 100 ms, and it has 50");
    assert_eq!((refused.code(), begin.elapsed()), (Code::RateLimited, Duration::ZERO));
    assert_eq!(handle.stats().waiting, 0);
    assert!(stack.oneshot(Call::new(2)).await.is_ok(), "who has the time waits");
    assert_eq!(begin.elapsed(), TENTH);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_bucket_alone_ends_at_once_where_a_deadline_comes_first() {
    let bucket = TokenBucket::new(config(10.0, 1));
    bucket.try_acquire(1).expect("full");
    let inner = bucket.clone();
    let stack = DeadlineLayer::new(TENTH / 2).layer(service_fn(move |_: Call<()>| {
        let inner = inner.clone();
        async move { inner.until_ready(1).await.map_err(PluginError::from).map(Reply::new) }
    }));
    let begin = clock::now();
    let refused = stack.oneshot(Call::new(())).await.expect_err("50 ms are too few");
    assert_eq!((refused.code(), begin.elapsed()), (Code::RateLimited, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_goes_away_leaves_its_token_to_the_next() {
    let stack = layer(SECOND).layer(echo());
    assert!(stack.clone().oneshot(Call::new(0)).await.is_ok());
    let [mut gone, mut next] = [1, 2].map(|n| task::spawn(stack.clone().oneshot(Call::new(n))));
    assert_pending!(gone.poll());
    assert_pending!(next.poll());
    tokio::time::advance(TENTH).await;
    drop(gone);
    assert_ready_ok!(next.poll());
}

#[tokio::test(start_paused = true)]
async fn new_settings_that_make_the_wait_too_long_end_it_when_its_time_is_over_and_not_later() {
    let layer = layer(2 * TENTH);
    let handle = layer.handle();
    let stack = layer.layer(echo());
    assert!(stack.clone().oneshot(Call::new(0)).await.is_ok());
    let begin = clock::now();
    let waits = tokio::spawn(stack.oneshot(Call::new(1)));
    tokio::task::yield_now().await;
    // Less than twice as long as is allowed.
    handle.reconfigure(config(3.0, 1));
    let refused = waits.await.expect("no panic").expect_err("333 ms are too many");
    assert_eq!((refused.code(), begin.elapsed()), (Code::RateLimited, 2 * TENTH));
    assert_eq!((handle.stats().refused, handle.stats().waiting), (1, 0));
    handle.disable();
    assert_eq!(handle.stats().remaining, None);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_new_settings_bring_a_few_milliseconds_too_late_is_taken() {
    // The token comes after 100 ms at first, and then after 100 ms / share.
    for (share, taken_after) in [(0.95, Some(TENTH + Duration::from_millis(6))), (0.8, None)] {
        let layer = layer(TENTH);
        let handle = layer.handle();
        let stack = layer.layer(echo());
        assert!(stack.clone().oneshot(Call::new(0)).await.is_ok());
        let begin = clock::now();
        let waits = tokio::spawn(stack.oneshot(Call::new(1)));
        tokio::task::yield_now().await;
        handle.reconfigure(config(10.0 * share, 1));
        let answer = waits.await.expect("no panic");
        match taken_after {
            Some(after) => assert!(answer.is_ok() && begin.elapsed() >= TENTH && begin.elapsed() <= after),
            None => assert!(answer.is_err() && begin.elapsed() == TENTH, "{:?}", begin.elapsed()),
        }
    }
}

#[test]
fn whoever_comes_at_the_same_time_as_others_waits_no_longer_than_is_allowed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    // Twenty a second: of sixteen that come at once one has a token, and one may wait for the next.
    for _ in 0..30 {
        let bucket = TokenBucket::new(config(20.0, 1));
        let mut waits = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        let _timers = runtime.enter();
                        let mut wait = Box::pin(task::spawn(bucket.until_ready_within(1, 60 * TENTH / 100)));
                        let polled = wait.poll();
                        (wait, polled)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
        });
        let waiting = waits.iter().filter(|(_, polled)| polled.is_pending()).count();
        assert!(waiting <= 1, "{waiting} wait, and the second of them for 100 ms");
        waits.clear();
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_switched_off_lets_those_through_who_wait() {
    let layer = layer(SECOND);
    let handle = layer.handle();
    let stack = layer.layer(echo());
    assert!(stack.clone().oneshot(Call::new(0)).await.is_ok());
    let mut waits = task::spawn(stack.clone().oneshot(Call::new(1)));
    assert_pending!(waits.poll());
    handle.disable();
    assert!(waits.is_woken());
    assert_ready_ok!(waits.poll());
    assert!(stack.oneshot(Call::new(2)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_keeps_no_readiness_and_asks_for_it_when_its_turn_has_come() {
    let (service, mut handle) = mock::pair::<u32, u32>();
    handle.allow(1);
    let mut stack: WaitingRateLimit<_> = layer(SECOND).layer(service);
    assert_ready_ok!(task::spawn(()).enter(|cx, _| stack.poll_ready(cx)));
    let mut first = task::spawn(stack.call(1));
    handle.allow(1);
    assert_ready_ok!(task::spawn(()).enter(|cx, _| stack.poll_ready(cx)));
    let mut second = task::spawn(stack.call(2));
    assert_pending!(second.poll());
    let (request, answer) = handle.next_request().await.expect("the first was passed on");
    assert_eq!(request, 1);
    answer.send_response(10);
    assert_eq!(assert_ready_ok!(first.poll()), 10);
    handle.allow(0);
    tokio::time::advance(TENTH).await;
    assert_pending!(second.poll(), "it has its token, and the service has no room");
    handle.send_error("broken");
    assert_eq!(assert_ready_err!(second.poll()).to_string(), "broken");
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_before_its_turn_is_never_called() {
    let called = Arc::new(AtomicU32::new(0));
    let counts = Arc::clone(&called);
    let stack = layer(SECOND).reject_with(|rejected: Rejected| Err(PluginError::from(rejected))).layer(service_fn(
        move |_: Call<()>| {
            counts.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, PluginError>(()) }
        },
    ));
    let mut calls: Vec<_> = (0..5).map(|_| task::spawn(stack.clone().oneshot(Call::new(())))).collect();
    calls.iter_mut().for_each(|call| drop(call.poll()));
    drop(calls);
    tokio::time::advance(SECOND).await;
    assert_eq!(called.load(Ordering::Relaxed), 1);
    let mut next = task::spawn(stack.oneshot(Call::new(())));
    assert!(assert_ready!(next.poll()).is_ok(), "the line is empty again");
}
