//! The limit by itself.

use std::task::Poll;

use plugin_core::{
    Call, Code, PluginError, Reply,
    deadline::{DeadlineLayer, timer},
};
use plugin_ratelimit::concurrency::{ConcurrencyLimit, ConcurrencyLimitConfig};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{MS, SECOND, code, config, counts, in_order, limit, refused, take, waits};

#[tokio::test(start_paused = true)]
async fn as_many_are_in_flight_as_may_be_and_the_next_is_refused_or_waits() {
    let limit = limit(2, 1);
    let permits = take(&limit, 2);
    let refusal = limit.try_acquire().expect_err("two are in flight");
    assert_eq!(
        (refusal.code(), refusal.retry_after(), refusal.is_retryable()),
        (Code::ConcurrencyExceeded, None, true)
    );
    let mut waiter = waits(&limit, 0);
    assert_eq!(refused(&limit, 0), Code::QueueFull);
    assert_eq!(counts(&limit), (2, 1));
    drop(permits);
    assert!(waiter.is_woken());
    let permit = assert_ready!(waiter.poll()).expect("its turn");
    assert_eq!(counts(&limit), (1, 0));
    drop(permit);
    let stats = limit.stats();
    assert_eq!((stats.limit, stats.in_flight, stats.admitted, stats.refused), (Some(2), 0, 3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_who_wait_are_served_in_the_order_in_which_they_came() {
    let limit = limit(3, 100);
    let mut in_flight = take(&limit, 3);
    let mut line: Vec<_> = (0..100).map(|_| Some(waits(&limit, 0))).collect();
    let mut order = Vec::new();
    while !in_flight.is_empty() {
        drop(in_flight.remove(0));
        // Whoever asks now comes behind all of them.
        if order.len() < 100 {
            let _asked = limit.try_acquire().map(|_| panic!("overtaken")).expect_err("others wait");
        }
        // Polled from the end, so that the order of polls is not what is measured.
        for index in (0..100).rev() {
            if line[index].as_mut().is_some_and(|waiter| waiter.is_woken())
                && let Some(Poll::Ready(permit)) = line[index].as_mut().map(|waiter| waiter.poll())
            {
                order.push(index);
                in_flight.push(permit.expect("its turn"));
                line[index] = None;
            }
        }
    }
    assert_eq!(order, (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_after_max_wait_and_leaves_the_line() {
    let limit = limit(1, 10);
    let _permit = take(&limit, 1);
    let began = tokio::time::Instant::now();
    assert_eq!(code(limit.acquire().await), Code::QueueFull);
    let took = began.elapsed();
    assert!((SECOND..SECOND + 2 * MS).contains(&took), "{took:?}");
    assert_eq!(counts(&limit), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_past_the_deadline_of_the_call() {
    let limit = limit(1, 10);
    let _permit = take(&limit, 1);
    let inner = limit.clone();
    let waiting = service_fn(move |call: Call<u32>| {
        let acquire = inner.acquire();
        async move {
            let _permit = acquire.await?;
            Ok::<_, PluginError>(Reply::new(call.into_payload()))
        }
    });
    let armed = timer::armed();
    let service = DeadlineLayer::new(30 * SECOND).layer(waiting);
    let began = tokio::time::Instant::now();
    let error = service.clone().oneshot(Call::new(1).with_timeout(50 * MS)).await.expect_err("no place in time");
    assert_eq!(error.code(), Code::Timeout);
    assert!(error.to_string().contains("waiting for a place in flight"), "{error}");
    assert!(began.elapsed() < 60 * MS);
    assert_eq!(timer::armed() - armed, 1, "the deadline's, and none for the wait");
    assert_eq!(counts(&limit), (1, 0));
    // With a deadline that comes later, the wait has a timer of its own.
    let error = service.oneshot(Call::new(1)).await.expect_err("no place in time");
    assert_eq!(error.code(), Code::QueueFull);
}

#[tokio::test(start_paused = true)]
async fn who_can_hardly_be_served_in_time_is_refused_at_once() {
    let slow = ConcurrencyLimit::new(config(1, 100).to_builder().with_max_wait(SECOND).build().expect("valid"));
    let mut permit = take(&slow, 1);
    let mut line: std::collections::VecDeque<_> = (0..9).map(|_| waits(&slow, 0)).collect();
    for _ in 0..4 {
        tokio::time::advance(300 * MS).await;
        permit.clear();
        // Those whose second was up in the line are served all the same: their turn came before they were polled.
        permit.extend(assert_ready!(line.pop_front().expect("they wait").poll()));
    }
    // One in 300 ms: whoever is the sixth waits for more than a second, and for 900 ms at twice the pace.
    assert_eq!(counts(&slow), (1, 5));
    let mut sixth = waits(&slow, 0);
    let mut seventh = waits(&slow, 0);
    assert_eq!(refused(&slow, 0), Code::QueueFull, "it would wait for 1.05 s at twice the pace");
    assert_eq!(slow.stats().waiting, 7, "the line has room");
    let first = waits(&slow, 9);
    drop(first);
    assert_pending!(sixth.poll());
    assert_pending!(seventh.poll());
}

#[tokio::test(start_paused = true)]
async fn a_line_of_none_refuses_at_once() {
    let limit = limit(1, 0);
    let permit = take(&limit, 1);
    assert_eq!(refused(&limit, 100), Code::ConcurrencyExceeded);
    drop(permit);
    assert!(task::spawn(limit.acquire()).poll().is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_smaller_limit_cuts_nobody_and_a_larger_one_serves_who_waits() {
    let limit = limit(3, 10);
    let mut permits = take(&limit, 3);
    let mut line = [waits(&limit, 0), waits(&limit, 0), waits(&limit, 0)];
    limit.reconfigure(config(1, 10));
    assert_eq!((limit.stats().limit, counts(&limit)), (Some(1), (3, 3)));
    permits.truncate(1);
    assert!(line.iter_mut().all(|waiter| waiter.poll().is_pending()), "one is in flight, and one may be");
    limit.reconfigure(config(3, 10));
    assert_eq!(counts(&limit), (3, 1));
    let polled: Vec<_> = line.iter_mut().map(|waiter| waiter.poll()).collect();
    assert_eq!(polled.iter().map(Poll::is_ready).collect::<Vec<_>>(), [true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_switched_off_lets_everybody_pass_and_counts_nobody() {
    let limit = limit(2, 10);
    let mut counted = take(&limit, 2);
    let mut line = [waits(&limit, 0), waits(&limit, 0)];
    limit.disable();
    let passed = line.each_mut().map(|waiter| assert_ready!(waiter.poll()).expect("nothing is limited"));
    let others = take(&limit, 5);
    let mut waited = task::spawn(limit.acquire());
    assert!(assert_ready!(waited.poll()).is_ok());
    assert_eq!((limit.stats().limit, counts(&limit), limit.is_enabled()), (None, (2, 0), false));
    counted.pop();
    assert_eq!(counts(&limit), (1, 0), "what was taken before is given back");
    limit.enable();
    let again = take(&limit, 1);
    assert_eq!(code(limit.try_acquire()), Code::ConcurrencyExceeded);
    drop((passed, others));
    assert_eq!(counts(&limit), (2, 0), "they were not counted");
    drop((counted, again));
    let stats = limit.stats();
    assert_eq!((stats.in_flight, stats.admitted, stats.refused), (0, 3, 1));
}

#[tokio::test(start_paused = true)]
async fn who_was_handed_a_place_before_the_limit_is_switched_off_gives_it_back() {
    let limit = limit(1, 10);
    let permit = take(&limit, 1);
    let (mut served, gone) = (waits(&limit, 0), waits(&limit, 0));
    drop(permit);
    limit.disable();
    drop(gone);
    assert_eq!(counts(&limit), (1, 0), "who passed and went away had no place");
    drop(assert_ready!(served.poll()).expect("its turn"));
    assert_eq!(counts(&limit), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_more_important_call_is_served_first_and_takes_the_place_of_a_less_important_one() {
    let limit = limit(1, 2);
    let permit = take(&limit, 1);
    let (mut low, mut usual) = (waits(&limit, -1), waits(&limit, 0));
    assert_eq!(refused(&limit, -1), Code::QueueFull, "nobody is less important");
    let mut high = waits(&limit, 1);
    assert!(low.is_woken());
    assert_eq!(code(assert_ready!(low.poll())), Code::Shed);
    drop(permit);
    assert_pending!(usual.poll());
    let permit = assert_ready!(high.poll()).expect("it is first");
    drop(permit);
    assert!(assert_ready!(usual.poll()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_wait_in_which_others_ended_is_no_evidence_and_one_in_which_none_did_is() {
    for others_end in [true, false] {
        let limit = ConcurrencyLimit::new(ConcurrencyLimitConfig::builder().with_max(2).build().expect("valid"));
        let mut permits = take(&limit, 2);
        let _first = waits(&limit, 0);
        let inner = limit.clone();
        let waiting = service_fn(move |call: Call<u32>| {
            let acquire = inner.acquire();
            async move {
                let _permit = acquire.await?;
                Ok::<_, PluginError>(Reply::new(call.into_payload()))
            }
        });
        let mut call = task::spawn(DeadlineLayer::new(500 * MS).layer(waiting).oneshot(Call::new(1)));
        assert_pending!(call.poll());
        if others_end {
            permits.pop();
        }
        tokio::time::advance(501 * MS).await;
        let error = assert_ready!(call.poll()).expect_err("its time is up");
        let rejected = error.rejected().expect("a refusal");
        assert_eq!((rejected.code(), rejected.is_evidence()), (Code::Timeout, !others_end));
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_without_a_timer_loses_nothing_when_that_panics() {
    // No runtime on this thread: arming the timer panics, and the line must not keep the one who is gone.
    let limit = in_order(1, 10, plugin_ratelimit::concurrency::QueueOrder::Fifo);
    let permit = take(&limit, 1);
    let other = limit.clone();
    let panicked = std::thread::spawn(move || task::spawn(other.acquire()).poll().is_pending()).join();
    assert!(panicked.is_err());
    assert_eq!(counts(&limit), (1, 0));
    drop(permit);
    assert_eq!(counts(&limit), (0, 0));
}

#[test]
fn public_types_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + std::fmt::Debug>() {}
    fn sent<T: Send + std::fmt::Debug>() {}
    shared::<ConcurrencyLimit>();
    shared::<ConcurrencyLimitConfig>();
    shared::<plugin_ratelimit::concurrency::ConcurrencyLimitLayer>();
    shared::<plugin_ratelimit::concurrency::ConcurrencyLimitHandle>();
    sent::<plugin_ratelimit::concurrency::Permit>();
    sent::<plugin_ratelimit::concurrency::Acquire>();
}
