//! Futures that are dropped: at every point of a wait, and of a call.

use std::{future::Future, task::Poll};

use plugin_core::{PluginError, Rejected};
use plugin_ratelimit::concurrency::{ConcurrencyLimit, ConcurrencyLimitLayer, QueueOrder};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{SECOND, counts, in_order, limit, take, waits};

#[tokio::test(start_paused = true)]
async fn who_goes_away_leaves_the_line() {
    let limit = limit(1, 10);
    let permit = take(&limit, 1);
    let (first, mut second) = (waits(&limit, 0), waits(&limit, 0));
    drop(first);
    assert_eq!(counts(&limit), (1, 1));
    drop(permit);
    assert!(assert_ready!(second.poll()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_was_handed_over_and_never_taken_goes_to_the_next() {
    let limit = limit(1, 10);
    let permit = take(&limit, 1);
    let (first, mut second) = (waits(&limit, 0), waits(&limit, 0));
    drop(permit);
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert!(second.is_woken());
    drop(assert_ready!(second.poll()).expect("its turn"));
    assert_eq!(counts(&limit), (0, 0));
    assert!(limit.try_acquire().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_handed_over_as_the_wait_ends_is_taken() {
    let limit = limit(1, 10);
    let permit = take(&limit, 1);
    let mut waiter = waits(&limit, 0);
    tokio::time::advance(2 * SECOND).await;
    drop(permit);
    assert!(assert_ready!(waiter.poll()).is_ok(), "it came before anybody looked at the clock");
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_costs_nobody_a_place() {
    struct Panics;

    impl std::task::Wake for Panics {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("in a waker");
        }
    }

    let limit = limit(1, 10);
    let permit = take(&limit, 1);
    let waker = std::sync::Arc::new(Panics).into();
    let mut first = Box::pin(limit.acquire());
    assert_pending!(first.as_mut().poll(&mut std::task::Context::from_waker(&waker)));
    let mut second = waits(&limit, 0);
    limit.reconfigure(limit.config().to_builder().with_max(3).build().expect("valid"));
    assert!(second.is_woken());
    drop(permit);
    assert!(assert_ready!(second.poll()).is_ok());
    drop((first, second));
    assert_eq!(counts(&limit), (0, 0));
}

/// Three calls over a limit of one, whose service is not ready at once and waits twice: each of them is dropped after each
/// number of polls. Whatever was dropped, nothing is held afterwards.
#[tokio::test(start_paused = true)]
async fn whatever_is_dropped_wherever_it_waits_no_place_is_lost() {
    #[derive(Clone)]
    struct Slow(bool);

    impl Service<()> for Slow {
        type Response = ();
        type Error = PluginError;
        type Future = std::pin::Pin<Box<dyn Future<Output = Result<(), PluginError>> + Send>>;

        fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), PluginError>> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(Ok(()));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }

        fn call(&mut self, (): ()) -> Self::Future {
            assert!(std::mem::take(&mut self.0), "called without being ready");
            Box::pin(async {
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
                Ok(())
            })
        }
    }

    const POLLS: u32 = 9;
    let mut cases = 0;
    for order in [QueueOrder::Fifo, QueueOrder::Lifo, QueueOrder::Codel] {
        for dropped_after in (0..POLLS.pow(3)).map(|n| [n % POLLS, n / POLLS % POLLS, n / POLLS / POLLS]) {
            let limit = in_order(1, 10, order);
            let layer = ConcurrencyLimitLayer::sharing(&limit);
            let mut calls: Vec<_> = (0..3)
                .map(|_| {
                    let mut service = layer.layer(Slow(false));
                    let _ = task::spawn(service.ready()).poll();
                    let _ = task::spawn(service.ready()).poll();
                    Some(task::spawn(service.call(())))
                })
                .collect();
            for round in 0..POLLS {
                for (call, after) in calls.iter_mut().zip(dropped_after) {
                    let ended = call.as_mut().is_some_and(|call| round < after && call.poll().is_ready());
                    if ended || round >= after {
                        *call = None;
                    }
                }
            }
            drop(calls);
            assert_eq!(counts(&limit), (0, 0), "{order:?}, dropped after {dropped_after:?}");
            let _permit = limit.try_acquire().expect("the place is free, and nobody is said to wait");
            cases += 1;
        }
    }
    assert_eq!(cases, 3 * 729);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_frees_its_place() {
    let layer = ConcurrencyLimitLayer::new(crate::support::config(1, 10));
    let limit = layer.handle().limit().clone();
    let in_call = layer.layer(service_fn(|panics: bool| {
        assert!(!panics, "in the call");
        async { Ok::<_, Rejected>(()) }
    }));
    let in_poll = layer.layer(service_fn(|panics: bool| async move {
        assert!(!panics, "in the poll");
        Ok::<_, Rejected>(())
    }));
    let panics = |call: std::pin::Pin<Box<dyn Future<Output = Result<(), Rejected>> + Send>>| tokio::spawn(call);
    assert!(panics(Box::pin(in_poll.clone().oneshot(true))).await.is_err());
    assert!(panics(Box::pin(in_call.clone().oneshot(true))).await.is_err());
    assert_eq!(counts(&limit), (0, 0));
    // Also when it had to wait first.
    let permit = take(&limit, 1);
    let call = panics(Box::pin(in_call.clone().oneshot(true)));
    tokio::task::yield_now().await;
    assert_eq!(counts(&limit), (1, 1));
    drop(permit);
    assert!(call.await.is_err());
    assert_eq!(counts(&limit), (0, 0));
    assert!(in_call.oneshot(false).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_gone_is_kept_by_who_waits_and_who_is_in_flight() {
    let limit = limit(1, 10);
    let permit = limit.try_acquire().expect("free");
    let mut waiter = waits(&limit, 0);
    drop::<ConcurrencyLimit>(limit);
    assert_pending!(waiter.poll());
    drop(permit);
    assert!(assert_ready!(waiter.poll()).is_ok());
}
