//! The bucket without tower: lines, cancellation, fairness.

use std::{future::Future, sync::Arc, time::Duration};

use plugin_core::{Call, Code, PluginError, Rejected, Sent, clock, deadline::AttemptTimeoutLayer};
use plugin_ratelimit::{RateLimitConfig, TokenBucket};
use tokio::{sync::mpsc, task::JoinSet, time::advance};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn bucket(per_second: f64, burst: u32) -> TokenBucket {
    TokenBucket::new(config(per_second, burst))
}

fn config(per_second: f64, burst: u32) -> RateLimitConfig {
    RateLimitConfig::builder().with_requests_per_second(per_second).with_burst_size(burst).build().expect("valid")
}

#[tokio::test(start_paused = true)]
async fn several_tokens_are_taken_together_or_not_at_all() {
    let bucket = bucket(1.0, 5);
    assert_eq!(bucket.try_acquire(3), Ok(()));
    let refused = bucket.try_acquire(3).expect_err("two are left");
    assert_eq!(refused.retry_after(), Some(SECOND));
    assert_eq!(bucket.remaining(), Some(2), "a refusal takes nothing");
    assert_eq!(bucket.try_acquire(0), Ok(()));
    assert_eq!(bucket.try_acquire(2), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_costs_more_than_the_bucket_holds_is_told_so_and_never_waits() {
    let bucket = bucket(1.0, 5);
    for refused in [bucket.try_acquire(6), bucket.until_ready(6).await] {
        let refused = refused.expect_err("it can never pass");
        assert_eq!((refused.code(), refused.retry_after()), (Code::RateLimited, None));
        assert_eq!(
            refused.to_string(),
            "the request can never pass the rate limit (RATELIMIT_1501): it costs 6 tokens, and the bucket holds 5"
        );
    }
    assert_eq!(bucket.remaining(), Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_the_tokens_are_there() {
    let bucket = bucket(2.0, 2);
    let start = clock::now();
    let mut ends = Vec::new();
    for _ in 0..5 {
        bucket.until_ready(1).await.expect("it fits");
        ends.push(start.elapsed().as_millis());
    }
    assert_eq!(ends, [0, 0, 500, 1000, 1500]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_wait_for_a_token_is_no_evidence_against_what_is_behind_it() {
    let bucket = bucket(1.0, 1);
    let behind = service_fn(move |_: Call<()>| {
        let bucket = bucket.clone();
        async move { bucket.until_ready(1).await.map_err(PluginError::from) }
    });
    let stack = ServiceBuilder::new().layer(AttemptTimeoutLayer::new(SECOND / 2)).service(behind);
    stack.clone().oneshot(Call::new(())).await.expect("a token");
    let error = stack.oneshot(Call::new(())).await.expect_err("the next comes after a second");
    assert_eq!((error.code(), error.sent()), (Code::Timeout, Sent::Nothing));
    assert!(error.to_string().ends_with("spent waiting for a token"), "{error}");
    assert_eq!(error.rejected().map(Rejected::is_evidence), Some(false));
}

#[tokio::test(start_paused = true)]
async fn who_came_first_is_served_first_whatever_it_costs() {
    let bucket = bucket(10.0, 5);
    bucket.try_acquire(5).expect("full");
    let (served, mut order) = mpsc::unbounded_channel();
    let mut waiting = JoinSet::new();
    for (place, cost) in [5, 1, 3, 1, 2].into_iter().enumerate() {
        let (bucket, served) = (bucket.clone(), served.clone());
        waiting.spawn(async move {
            bucket.until_ready(cost).await.expect("it fits");
            served.send((place, clock::now())).expect("the test listens");
        });
        tokio::task::yield_now().await;
    }
    let start = clock::now();
    waiting.join_all().await;
    drop(served);
    let mut order_of_service = Vec::new();
    while let Some((place, at)) = order.recv().await {
        order_of_service.push((place, at.saturating_since(start).as_millis()));
    }
    assert_eq!(order_of_service, [(0, 500), (1, 600), (2, 900), (3, 1000), (4, 1200)]);
}

#[tokio::test(start_paused = true)]
async fn no_newcomer_overtakes_those_who_wait() {
    let bucket = bucket(1.0, 3);
    bucket.try_acquire(3).expect("full");
    let mut waiting = task::spawn(bucket.until_ready(3));
    assert_pending!(waiting.poll());
    advance(2 * SECOND).await;
    let refused = bucket.try_acquire(1).expect_err("two are there, for the one who waits");
    assert_eq!(refused.retry_after(), Some(2 * SECOND), "after the one who waits");
    assert_eq!(bucket.try_acquire(4).expect_err("never").retry_after(), None);
    let mut second = task::spawn(bucket.until_ready(1));
    assert_pending!(second.poll());
    advance(SECOND).await;
    assert_pending!(second.poll());
    assert_ready_ok!(waiting.poll());
    advance(SECOND).await;
    assert_ready_ok!(second.poll());
    assert!(bucket.try_acquire(1).is_err(), "everything has been taken");
    advance(SECOND).await;
    assert_eq!(bucket.try_acquire(1), Ok(()), "and nobody waits any more");
}

#[tokio::test(start_paused = true)]
async fn tokens_are_not_lost_on_drop_wherever_the_wait_is_dropped() {
    for (granted, remaining) in [(false, 1), (true, 1)] {
        let bucket = bucket(1.0, 2);
        bucket.try_acquire(2).expect("full");
        let mut waiting = task::spawn(bucket.until_ready(1));
        assert_pending!(waiting.poll());
        let mut behind = task::spawn(bucket.until_ready(2));
        assert_pending!(behind.poll());
        advance(SECOND).await;
        if granted {
            // Whoever looks serves those who are due, so `waiting` has its token and has not been told.
            assert_pending!(behind.poll());
            // It was told that it is the first now; that is over with the next look.
            assert_pending!(behind.poll());
        }
        drop(waiting);
        assert!(behind.is_woken(), "the next in line looks again");
        assert_pending!(behind.poll());
        assert_eq!(bucket.remaining(), Some(remaining), "granted: {granted}");
        advance(SECOND).await;
        assert_ready_ok!(behind.poll());
        assert_eq!(bucket.remaining(), Some(0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_caller_gave_back_the_next_does_not_give_back_again() {
    let bucket = bucket(1.0, 4);
    bucket.try_acquire(4).expect("full");
    let (mut first, mut second) = (task::spawn(bucket.until_ready(1)), task::spawn(bucket.until_ready(1)));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    advance(2 * SECOND).await;
    for _ in 0..2 {
        assert!(bucket.try_acquire(1).is_err(), "two are there, and go to the two who wait");
    }
    advance(SECOND / 10).await;
    drop(first);
    advance(SECOND * 28 / 10).await;
    assert_eq!(bucket.try_acquire(3), Ok(()));
    advance(SECOND * 6 / 10).await;
    drop(second);
    assert!(bucket.try_acquire(2).is_err(), "that would be five in 0.6 s, of a bucket of four");
    assert_eq!(bucket.try_acquire(1), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn who_becomes_the_first_is_told_since_some_may_have_left_from_before_it() {
    for granted in [false, true] {
        let bucket = bucket(1.0, 3);
        bucket.try_acquire(3).expect("full");
        let mut waiting = [(); 3].map(|()| task::spawn(bucket.until_ready(1)));
        waiting.iter_mut().for_each(|wait| assert_pending!(wait.poll()));
        let [mut first, second, mut third] = waiting;
        if granted {
            advance(SECOND).await;
            for _ in 0..2 {
                assert_pending!(third.poll(), "the first has its token, and was not told");
            }
            drop(second);
            assert!(third.is_woken(), "it is the first of those who wait");
            assert_ready_ok!(first.poll());
        } else {
            drop(second);
            advance(SECOND).await;
            assert_ready_ok!(first.poll());
            assert!(third.is_woken(), "it counted on two before it");
        }
        assert_pending!(third.poll());
        advance(SECOND).await;
        assert!(third.is_woken());
        assert_ready_ok!(third.poll());
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_serves_and_wakes_those_whose_turn_it_is_and_takes_what_is_left() {
    let bucket = bucket(1.0, 3);
    bucket.try_acquire(3).expect("full");
    let mut waiting = task::spawn(bucket.until_ready(1));
    assert_pending!(waiting.poll());
    assert_eq!(bucket.try_acquire(0), Ok(()), "who wants nothing overtakes nobody");
    let later = clock::now().saturating_add(2 * SECOND);
    assert!(!waiting.is_woken());
    assert_eq!(bucket.try_acquire_at(1, later), Ok(()), "two are there, and one waits");
    assert!(waiting.is_woken());
    assert_ready_ok!(waiting.poll());
    assert!(bucket.try_acquire_at(1, later).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_woken_where_it_was_polled_last() {
    let bucket = bucket(0.001, 1);
    bucket.try_acquire(1).expect("full");
    let mut waiting = Box::pin(bucket.until_ready(1));
    let (mut before, mut now) = (task::spawn(()), task::spawn(()));
    assert_pending!(before.enter(|cx, _| waiting.as_mut().poll(cx)));
    assert_pending!(now.enter(|cx, _| waiting.as_mut().poll(cx)));
    bucket.disable();
    assert!(now.is_woken());
    assert_ready_ok!(now.enter(|cx, _| waiting.as_mut().poll(cx)));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_becomes_too_small_turns_away_whoever_it_can_never_serve_and_nobody_else() {
    let bucket = bucket(1.0, 5);
    bucket.try_acquire(5).expect("full");
    let mut large = task::spawn(bucket.until_ready(5));
    assert_pending!(large.poll());
    let mut small = task::spawn(bucket.until_ready(1));
    assert_pending!(small.poll());
    let mut behind = task::spawn(bucket.until_ready(4));
    assert_pending!(behind.poll());
    bucket.reconfigure(config(1.0, 3));
    assert_pending!(small.poll());
    assert!(assert_ready!(behind.poll()).is_err(), "it is told before it is the first");
    let refused = bucket.try_acquire(1).expect_err("five are owed of three");
    assert_eq!(refused.retry_after(), Some(4 * SECOND), "one waits, and for one token");
    advance(3 * SECOND).await;
    assert_ready_ok!(small.poll());
    let never = assert_ready!(large.poll()).expect_err("the bucket holds three");
    assert_eq!(never.retry_after(), None, "though it was polled after those behind it were served");
}

#[tokio::test(start_paused = true)]
async fn what_was_granted_before_new_settings_is_given_back_by_the_new_ones() {
    let bucket = bucket(1.0, 4);
    bucket.try_acquire(4).expect("full");
    let mut granted = task::spawn(bucket.until_ready(2));
    assert_pending!(granted.poll());
    advance(2 * SECOND).await;
    assert!(bucket.try_acquire(1).is_err(), "two are there, for the one who waits");
    bucket.reconfigure(config(0.1, 4));
    assert_eq!(bucket.remaining(), Some(0), "four are owed, for ten seconds each");
    drop(granted);
    assert_eq!(bucket.remaining(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_never_polled_takes_no_place() {
    let bucket = bucket(1.0, 1);
    bucket.try_acquire(1).expect("full");
    drop(bucket.until_ready(1));
    let _unpolled = bucket.until_ready(1);
    advance(SECOND).await;
    assert_eq!(bucket.try_acquire(1), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_kept_and_not_polled_does_not_block_the_line() {
    let bucket = bucket(1.0, 1);
    bucket.try_acquire(1).expect("full");
    let mut forgotten = task::spawn(bucket.until_ready(1));
    assert_pending!(forgotten.poll());
    let start = clock::now();
    bucket.until_ready(1).await.expect("it fits");
    // Nobody looked when the first token was due, and a bucket of one does not hold two: one interval later than its turn.
    assert_eq!(start.elapsed(), 3 * SECOND);
    assert_ready_ok!(forgotten.poll());
    advance(SECOND).await;
    let mut forgotten = task::spawn(bucket.until_ready(1));
    assert_ready_ok!(forgotten.poll());
    std::mem::forget(forgotten);
    let mut leaked = task::spawn(bucket.until_ready(1));
    assert_pending!(leaked.poll());
    std::mem::forget(leaked);
    advance(2 * SECOND).await;
    assert!(bucket.try_acquire(1).is_err(), "a leaked wait is served in its turn");
    advance(SECOND).await;
    assert_eq!(bucket.try_acquire(1), Ok(()), "and costs no more than that");
}

#[tokio::test(start_paused = true)]
async fn new_settings_and_switching_off_reach_those_who_wait() {
    let bucket = bucket(0.001, 10);
    bucket.try_acquire(10).expect("full");
    let mut large = task::spawn(bucket.until_ready(10));
    assert_pending!(large.poll());
    let mut small = task::spawn(bucket.until_ready(1));
    assert_pending!(small.poll());
    bucket.reconfigure(config(1.0, 10));
    assert!(large.is_woken());
    assert_pending!(large.poll());
    advance(10 * SECOND).await;
    assert_ready_ok!(large.poll());
    let mut large = task::spawn(bucket.until_ready(10));
    assert_pending!(large.poll());
    bucket.reconfigure(config(1.0, 5));
    let refused = assert_ready!(large.poll()).expect_err("the bucket became too small");
    assert_eq!(refused.retry_after(), None);
    bucket.disable();
    assert!(small.is_woken());
    assert_ready_ok!(small.poll());
    assert_eq!((bucket.try_acquire(u32::MAX), bucket.remaining()), (Ok(()), None));
}

#[tokio::test(start_paused = true)]
async fn waits_that_end_together_all_end_and_leave_nothing_behind() {
    let bucket = bucket(1000.0, 100);
    let mut waiting = JoinSet::new();
    for _ in 0..1000 {
        let bucket = bucket.clone();
        waiting.spawn(async move { bucket.until_ready(1).await });
    }
    let start = clock::now();
    let results = waiting.join_all().await;
    assert!(results.iter().all(Result::is_ok));
    let took = start.elapsed().as_millis();
    assert!((900..=910).contains(&took), "900 tokens at 1000 per second: {took} ms");
    advance(SECOND).await;
    assert_eq!(bucket.try_acquire(100), Ok(()));
}

#[test]
fn a_wait_without_a_timer_panics_and_leaves_the_line() {
    let bucket = bucket(1.0, 1);
    bucket.try_acquire(1).expect("full");
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task::spawn(bucket.until_ready(1)).poll()));
    assert!(unwound.is_err());
    let later = clock::now().saturating_add(SECOND);
    assert_eq!(bucket.try_acquire_at(1, later), Ok(()), "nobody waits");
}

#[test]
fn threads_together_take_no_more_than_there_is() {
    let bucket = bucket(1.0, 1000);
    let now = clock::now();
    let taken: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..1000).filter(|_| bucket.try_acquire_at(1, now).is_ok()).count()))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(taken, 1000);
}

#[tokio::test]
async fn a_line_on_several_threads_serves_everybody() {
    let bucket = Arc::new(bucket(5_000.0, 5));
    let mut waiting = JoinSet::new();
    for cost in (0..400u32).map(|n| n % 5 + 1) {
        let bucket = Arc::clone(&bucket);
        waiting.spawn_blocking(move || {
            tokio::runtime::Handle::current().block_on(async {
                // Half of the callers are impatient, so that entries leave from everywhere.
                let patience = if cost % 2 == 0 { Duration::from_micros(500) } else { Duration::from_secs(60) };
                tokio::time::timeout(patience, bucket.until_ready(cost)).await
            })
        });
    }
    let all = tokio::time::timeout(Duration::from_secs(60), waiting.join_all()).await.expect("in time");
    assert!(all.iter().flatten().all(Result::is_ok));
    tokio::time::timeout(Duration::from_secs(60), bucket.until_ready(5)).await.expect("nobody is left").expect("fits");
}
